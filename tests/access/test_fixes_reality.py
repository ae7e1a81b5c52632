"""The commands we print, run by a shell: the denied user gets in, and nobody else gains or loses anything.

Uses the generated trees of the prediction test. What others may do is asked of the prediction, before and after.
"""

import os
import random
import subprocess
from pathlib import Path

import pytest

from diskchain.access.fixes import fix_for
from diskchain.access.kernel.identity import Identity
from diskchain.access.kernel.open_check import Rule, answer, obstacles, permitted
from diskchain.access.kernel.path_facts import Inode, Kind
from diskchain.access.kernel.path_walk import walk_path
from diskchain.system.posix_acl import EXECUTE, READ, WRITE
from tests.access import kernel
from tests.access.trees import GIDS, UIDS, inodes, own, remove
from tests.live.peers import requires

_TREES = 300
_RIGHTS = (Rule.SEARCH, Rule.MODE, Rule.ACL)


@pytest.mark.timeout(300)
@requires("root", "setfacl")
def test_each_command_mends_for_one_user_and_changes_nothing_for_others(image_dir: Path) -> None:
    fixed, hopeless, wrong = eval(kernel.in_a_child(lambda: _fix_all(image_dir)))  # noqa: S307 - our own child's repr
    assert wrong == []
    assert fixed > 100
    assert hopeless < fixed // 10


def _fix_all(stage: Path) -> tuple[int, int, list[str]]:
    fixed = hopeless = 0
    wrong: list[str] = []
    for seed in range(_TREES):
        chance = random.Random(seed)  # noqa: S311 - numbered cases, no secrets
        path = _build(chance, stage / "root")
        who = _somebody(chance)
        want = chance.choice((READ, READ | WRITE))
        if answer(walk_path(str(path)), who, want) != 0:
            problem = _mend_one(path, who, want, f"seed {seed}")
            hopeless += problem == "hopeless"
            fixed += problem == ""
            if problem not in ("", "hopeless"):
                wrong.append(problem)
        remove(stage / "root")
    return fixed, hopeless, wrong[:5]


def _mend_one(path: Path, who: Identity, want: int, seed: str) -> str:
    for _ in range(10):
        facts = walk_path(str(path))
        found = obstacles(facts, who, want)
        if not found:
            flags = os.O_RDWR if want & WRITE else os.O_RDONLY
            code = kernel.opens_as(who, [(str(path), flags)])[0]
            return "" if code == 0 else f"{seed}: fixed, and the kernel still says {code}"
        assert found[0].rule in _RIGHTS
        fix = fix_for(found[0], who)
        if fix is None or fix.command is None:
            return "hopeless"
        subprocess.run(["sh", "-c", fix.command], check=True)
        changed = _for_others(inodes(walk_path(str(path))), inodes(facts), who)
        if changed:
            return f"{seed}: {fix.command}: {changed}"
    return f"{seed}: ten commands were not enough"


def _for_others(after: list[Inode], before: list[Inode], who: Identity) -> str:
    """Whose rights changed besides the user's, empty when nobody's did."""
    groups = [frozenset({gid, *more}) for gid in GIDS for more in ((), GIDS[1:3], GIDS[2:])]
    others = [Identity(uid, min(gids), gids) for uid in UIDS if uid != who.uid for gids in groups]
    for old, new in zip(before, after, strict=True):
        wants = (EXECUTE,) if new.kind is Kind.DIRECTORY else (READ, WRITE, READ | WRITE, EXECUTE)
        for other in others:
            for want in wants:
                if permitted(old, other, want) != permitted(new, other, want):
                    return f"{other} {want} on {new.path}: {old.mode:o} {old.acl}"
    return ""


def _build(chance: random.Random, root: Path) -> Path:
    names = [f"d{depth}" for depth in range(chance.randint(0, 2))]
    root.joinpath(*names).mkdir(parents=True)
    image = root.joinpath(*names, "an image's")
    image.write_bytes(b"x")
    own(chance, image)
    for depth in range(len(names)):
        own(chance, root.joinpath(*names[: depth + 1]))
    return image


def _somebody(chance: random.Random) -> Identity:
    gid = chance.choice(GIDS)
    return Identity(chance.choice(UIDS), gid, frozenset({gid, *chance.sample(GIDS, chance.randint(0, 2))}))
