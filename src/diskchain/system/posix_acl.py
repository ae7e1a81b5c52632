"""POSIX access control lists: the bytes of ``system.posix_acl_access``, and adding one entry without side effects.

Pure; knows only errors. Source: acl(5) and Linux ``include/uapi/linux/posix_acl_xattr.h``.
"""

import struct
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final

from diskchain.errors import ParseError

#: The extended attribute that holds a file's access ACL.
ACL_XATTR: Final = "system.posix_acl_access"

READ: Final = 4
WRITE: Final = 2
EXECUTE: Final = 1

_VERSION: Final = 2  # POSIX_ACL_XATTR_VERSION
_HEADER: Final = struct.Struct("<I")
_ENTRY: Final = struct.Struct("<HHI")
_UNDEFINED_ID: Final = 0xFFFFFFFF  # ACL_UNDEFINED_ID


class Tag(IntEnum):
    """Whom an entry is about, in the order the kernel wants the entries."""

    USER_OBJ = 0x01
    USER = 0x02
    GROUP_OBJ = 0x04
    GROUP = 0x08
    MASK = 0x10
    OTHER = 0x20


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. ``perm`` is a sum of READ, WRITE and EXECUTE; ``id`` is set for USER and GROUP only."""

    tag: Tag
    perm: int
    id: int | None = None


Acl = tuple[Entry, ...]

_LETTERS: Final = {Tag.USER_OBJ: "u", Tag.USER: "u", Tag.GROUP_OBJ: "g", Tag.GROUP: "g", Tag.MASK: "m", Tag.OTHER: "o"}


def decode(raw: bytes) -> Acl:
    """The entries in the value of :data:`ACL_XATTR`. Raises ParseError when the bytes are no ACL."""
    if len(raw) < _HEADER.size or (len(raw) - _HEADER.size) % _ENTRY.size or _HEADER.unpack_from(raw)[0] != _VERSION:
        raise ParseError(f"not a POSIX ACL: {raw[:8].hex()}")
    entries = []
    for tag, perm, id in _ENTRY.iter_unpack(raw[_HEADER.size :]):
        if tag not in _LETTERS or perm > READ | WRITE | EXECUTE:
            raise ParseError(f"not a POSIX ACL entry: tag {tag:#x}, permissions {perm:#x}")
        named = tag in (Tag.USER, Tag.GROUP)
        entries.append(Entry(Tag(tag), perm, id if named else None))
    return tuple(entries)


def encode(acl: Acl) -> bytes:
    """The attribute's value for ``acl``, entries in the kernel's order."""
    ordered = sorted(acl, key=lambda entry: (entry.tag, entry.id or 0))
    return _HEADER.pack(_VERSION) + b"".join(
        _ENTRY.pack(entry.tag, entry.perm, _UNDEFINED_ID if entry.id is None else entry.id) for entry in ordered
    )


def minimal(mode: int) -> Acl:
    """The three entries that say the same as the permission bits of ``mode``."""
    return (
        Entry(Tag.USER_OBJ, mode >> 6 & 7),
        Entry(Tag.GROUP_OBJ, mode >> 3 & 7),
        Entry(Tag.OTHER, mode & 7),
    )


def mode_of(acl: Acl, mode: int) -> int:
    """``mode`` with the permission bits it gets when the kernel stores ``acl``: the group bits show the mask."""
    bits = {entry.tag: entry.perm for entry in acl if entry.id is None}
    group = bits.get(Tag.MASK, bits.get(Tag.GROUP_OBJ, 0))
    return mode & ~0o777 | bits.get(Tag.USER_OBJ, 0) << 6 | group << 3 | bits.get(Tag.OTHER, 0)


def permission_of(acl: Acl, tag: Tag) -> int | None:
    """What the one entry of ``tag`` says, None when there is none. For tags without an id."""
    return next((entry.perm for entry in acl if entry.tag is tag), None)


def with_user(acl: Acl, uid: int, perm: int) -> Acl | None:
    """``acl`` with an entry that gives user ``uid`` at least ``perm``, while nobody else gains or loses anything.

    Raising the mask would wake rights it holds down, so every entry it governs is first lowered to what it effectively
    gave. None when that cannot be expressed: the mask is empty, in which case Linux ignores the ACL and lets named
    users and groups have what others have.
    """
    mask = permission_of(acl, Tag.MASK)
    named = [entry for entry in acl if entry.tag in (Tag.USER, Tag.GROUP) and entry != Entry(Tag.USER, entry.perm, uid)]
    if mask is None:
        mask = READ | WRITE | EXECUTE
    elif mask == 0 and named and permission_of(acl, Tag.OTHER):
        return None
    merged: list[Entry] = []
    own = perm
    for entry in acl:
        if entry.tag is Tag.MASK:
            continue
        effective = entry.perm if entry.tag in (Tag.USER_OBJ, Tag.OTHER) else entry.perm & mask
        if entry.tag is Tag.USER and entry.id == uid:
            own |= effective
        else:
            merged.append(replace(entry, perm=effective))
    merged.append(Entry(Tag.USER, own, uid))
    governed = [entry.perm for entry in merged if entry.tag in (Tag.USER, Tag.GROUP_OBJ, Tag.GROUP)]
    needed_mask = 0
    for governed_perm in governed:
        needed_mask |= governed_perm
    merged.append(Entry(Tag.MASK, needed_mask))
    return tuple(sorted(merged, key=lambda entry: (entry.tag, entry.id or 0)))


def show_permission(perm: int) -> str:
    """``perm`` as ``rwx`` with dashes."""
    return "".join(letter if perm & bit else "-" for letter, bit in (("r", READ), ("w", WRITE), ("x", EXECUTE)))


def show_entry(entry: Entry) -> str:
    """An entry as setfacl(1) takes it, ids as numbers."""
    id = "" if entry.id is None else str(entry.id)
    return f"{_LETTERS[entry.tag]}:{id}:{show_permission(entry.perm)}"


def show(acl: Acl) -> str:
    """A whole ACL as setfacl(1) takes it."""
    return ",".join(show_entry(entry) for entry in acl)
