"""``diskchain access --json``: schema ``diskchain/access/1``."""

from collections.abc import Iterable

import msgspec

from diskchain.access.by_kernel import Hindrance
from diskchain.access.judge import FileAccess, Verdict
from diskchain.schema.base import FindingDocument
from diskchain.storage.location import describe_location
from diskchain.system.posix_acl import show

ACCESS_SCHEMA = "diskchain/access/1"


class HindranceDocument(msgspec.Struct, frozen=True):
    """One thing in the way. ``rule`` is stable; ``unknown``: it may be in the way; ``fix``: a shell command; ``advice``: what else would help."""

    rule: str
    reason: str
    at: str
    unknown: bool
    fix: str | None
    advice: str | None = None


class PresentDocument(msgspec.Struct, frozen=True):
    """The file as it is judged. ``mode`` in octal; ``acl`` as setfacl(1) takes it."""

    path: str
    uid: int
    gid: int
    mode: str
    acl: str | None
    selinux: str | None


class FileDocument(msgspec.Struct, frozen=True):
    """One file: needed, present, verdict. ``position`` is None for a file that is not in the chain yet; ``opened``: the process has it open."""

    position: int | None
    filename: str
    role: str
    needed: str
    because: str
    verdict: Verdict
    present: PresentDocument | None
    hindrances: tuple[HindranceDocument, ...]
    opened: bool = False


class AccessDiskDocument(msgspec.Struct, frozen=True):
    """One disk."""

    disk: str
    files: tuple[FileDocument, ...]


class AccessDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What ``diskchain access --json`` prints. ``origin``: where the user is known from, and ``where`` in it.

    ``findings``: of disks that cannot be read in the document, and so are not among ``disks``.
    """

    schema: str = ACCESS_SCHEMA
    target: str
    operation: str
    user: str
    origin: str = "asked"
    where: str = ""
    disks: tuple[AccessDiskDocument, ...]
    findings: tuple[FindingDocument, ...] = ()


def access_disk_document(name: str, accesses: Iterable[FileAccess]) -> AccessDiskDocument:
    """The JSON form of one disk's judgement."""
    return AccessDiskDocument(name, tuple(map(_file, accesses)))


def _file(access: FileAccess) -> FileDocument:
    need = access.need
    return FileDocument(
        position=need.depth,
        filename=need.path or describe_location(need.source.location),
        role=str(need.role),
        needed=str(need.access),
        because=need.because,
        verdict=access.verdict,
        present=_present(access),
        hindrances=tuple(map(_hindrance, access.hindrances)),
        opened=access.opened,
    )


def _present(access: FileAccess) -> PresentDocument | None:
    file = access.present.facts.file if access.present is not None else None
    if access.present is None or file is None:
        return None
    acl = None if file.acl is None else show(file.acl)
    return PresentDocument(file.path, file.uid, file.gid, f"{file.mode:04o}", acl, access.present.selinux)


def _hindrance(hindrance: Hindrance) -> HindranceDocument:
    return HindranceDocument(
        str(hindrance.rule), hindrance.reason, hindrance.at, hindrance.unknown, hindrance.command, hindrance.advice
    )
