"""The changes diskchain may make to a file's rights, and what a file's state is with them. Pure.

There are three, from least to most: an ACL entry for one user, more permission bits, another owner.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final, Literal

from diskchain.errors import ParseError
from diskchain.system.posix_acl import Acl, decode, encode, minimal, mode_of, with_user

#: setuid and setgid of a file that is no directory. The kernel takes them away when the file is written to or gets another
#: owner (``should_remove_suid`` in ``fs/inode.c``), as it does with the attribute of its capabilities.
CONTENT_BITS: Final = 0o6000
CAPABILITY_XATTR: Final = "security.capability"


@dataclass(frozen=True, slots=True)
class AddEntry:
    """Give user ``uid`` at least ``perm`` (a sum of READ, WRITE, EXECUTE) with an ACL entry of its own."""

    uid: int
    perm: int
    type: Literal["acl"] = "acl"


@dataclass(frozen=True, slots=True)
class AddMode:
    """Set permission bits that are not set, such as 0o200."""

    bits: int
    type: Literal["mode"] = "mode"


@dataclass(frozen=True, slots=True)
class SetOwner:
    """Make ``uid`` the owner. The group stays."""

    uid: int
    type: Literal["owner"] = "owner"


Change = AddEntry | AddMode | SetOwner


@dataclass(frozen=True, slots=True)
class FileState:
    """What is put back. ``mode``: permission bits; ``acl``: the attribute's bytes, None without one.

    ``xattrs``: the security attributes that libvirt or chown(2) may change. Times in nanoseconds since the epoch.
    """

    uid: int
    gid: int
    mode: int
    acl: bytes | None = None
    xattrs: tuple[tuple[str, bytes], ...] = ()
    accessed: int = 0
    modified: int = 0

    @property
    def entries(self) -> Acl:
        """The ACL, or what the mode bits say when there is none."""
        return minimal(self.mode) if self.acl is None else decode(self.acl)


def changed(state: FileState, changes: Iterable[Change]) -> FileState:
    """``state`` with ``changes``. The order does not matter.

    Raises ParseError when an ACL entry cannot be added without changing what others may do.
    """
    ordered = sorted(changes, key=lambda change: ("owner", "mode", "acl").index(change.type))
    for change in ordered:
        if isinstance(change, SetOwner):
            state = replace(state, uid=change.uid)
        elif isinstance(change, AddMode):
            state = _with_mode(state, change.bits)
        else:
            acl = with_user(state.entries, change.uid, change.perm)
            if acl is None:
                raise ParseError("the ACL has an empty mask: an entry would change what others may do")
            state = replace(state, acl=encode(acl), mode=mode_of(acl, state.mode))
    return state


def merge(changes: Iterable[Change]) -> tuple[Change, ...]:
    """The same changes with two entries for one user, or two sets of bits, made one."""
    entries: dict[int, int] = {}
    bits = 0
    rest: list[Change] = []
    for change in changes:
        if isinstance(change, AddEntry):
            entries[change.uid] = entries.get(change.uid, 0) | change.perm
        elif isinstance(change, AddMode):
            bits |= change.bits
        elif change not in rest:
            rest.append(change)
    rest += [AddMode(bits)] if bits else []
    return (*rest, *(AddEntry(uid, perm) for uid, perm in entries.items()))


def _with_mode(state: FileState, bits: int) -> FileState:
    """chmod: with an ACL, the group bits set its mask."""
    mode = state.mode | bits
    if state.acl is None:
        return replace(state, mode=mode)
    by_name = {"USER_OBJ": mode >> 6 & 7, "MASK": mode >> 3 & 7, "OTHER": mode & 7}
    acl = tuple(replace(entry, perm=by_name.get(entry.tag.name, entry.perm)) for entry in decode(state.acl))
    return replace(state, mode=mode, acl=encode(acl))


def write_changes(changes: Iterable[Change]) -> str:
    """The changes as text for the journal: ``acl:UID:PERM``, ``mode:OCTAL``, ``owner:UID``, separated by blanks."""
    words = []
    for change in changes:
        if isinstance(change, AddEntry):
            words.append(f"acl:{change.uid}:{change.perm}")
        elif isinstance(change, AddMode):
            words.append(f"mode:{change.bits:o}")
        else:
            words.append(f"owner:{change.uid}")
    return " ".join(words)


def read_changes(text: str) -> tuple[Change, ...]:
    """The reverse of :func:`write_changes`. Raises ParseError."""
    return tuple(_read_change(word) for word in text.split())


def _read_change(word: str) -> Change:
    try:
        match word.split(":"):
            case ["acl", uid, perm]:
                return AddEntry(int(uid), int(perm))
            case ["mode", bits]:
                return AddMode(int(bits, 8))
            case ["owner", uid]:
                return SetOwner(int(uid))
    except ValueError as error:
        raise ParseError(f"not a change of rights: {word[:40]!r}") from error
    raise ParseError(f"not a change of rights: {word[:40]!r}")
