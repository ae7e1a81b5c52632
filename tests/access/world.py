"""Real files to grant and give back: a chain of empty images, its state at a moment, a journal beside it."""

import os
from collections.abc import Iterable
from pathlib import Path

from diskchain.access.assess import survey
from diskchain.access.grants.apply import Granted, apply
from diskchain.access.grants.journal import Journal
from diskchain.access.grants.plan import Plan, plan_grant
from diskchain.access.kernel.identity import Identity
from diskchain.storage.location import FileLocation
from diskchain.storage.operation import Commit, Operation
from diskchain.storage.source import TERMINATOR, Source, stack
from diskchain.system.deadline import DEFAULT_DEADLINE
from diskchain.system.posix_acl import ACL_XATTR
from diskchain.system.process import Holder

#: Somebody without an account and without any right of their own.
STRANGER = Identity(64999, 64999, frozenset({64999}), frozenset(), None)
COMMIT = Commit()
ANOTHER = Identity(64998, 64998, frozenset({64998}), frozenset(), None)

#: What is put back: times are compared where nothing was written meanwhile.
State = tuple[int, int, int, tuple[tuple[str, bytes], ...], int, int]


def chain_of(*paths: Path) -> Source:
    """The chain of these files, top first."""
    return stack([Source(FileLocation(str(path))) for path in paths], TERMINATOR)


def make_chain(directory: Path, *names: str, mode: int = 0o640) -> tuple[Source, list[Path]]:
    """Files of one byte in a directory of their own, and the chain they make, top first."""
    paths = [directory / name for name in names]
    for path in paths:
        path.write_bytes(b"x")
        path.chmod(mode)
    return chain_of(*paths), paths


def state_of(path: Path) -> State:
    """Everything a revert has to put back, as the standard tools see it."""
    status = path.stat()
    names = sorted(
        name for name in os.listxattr(path) if name.startswith(("system.", "security.", "trusted.", "user."))
    )
    attributes = tuple((name, os.getxattr(path, name)) for name in names)
    return status.st_uid, status.st_gid, status.st_mode, attributes, status.st_atime_ns, status.st_mtime_ns


def states_of(paths: Iterable[Path]) -> dict[Path, State]:
    return {path: state_of(path) for path in paths}


def plan_for(
    chain: Source, journal: Journal, who: Identity = STRANGER, operation: Operation = COMMIT, *kinds: str
) -> Plan:
    accesses = survey(chain, operation, who, without=journal.holds())
    return plan_grant(accesses, who, allowed=frozenset(kinds or ("acl",)))


def grant(
    chain: Source,
    journal: Journal,
    who: Identity = STRANGER,
    *,
    target: str = "vm",
    holder: Holder | None = None,
    kinds: tuple[str, ...] = ("acl",),
    seconds: float = DEFAULT_DEADLINE,
) -> Granted:
    """Plans and applies a commit of the whole chain."""
    plan = plan_for(chain, journal, who, Commit(), *kinds)
    assert plan.complete, plan.left
    return apply(plan, journal, target=target, operation="commit", holder=holder, seconds=seconds)


def has_acl(path: Path) -> bool:
    return ACL_XATTR in os.listxattr(path)
