"""Who asks: a user id, its groups and the two capabilities that open files. Knows the user database, nothing of files.

Source: credentials(7), capabilities(7).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from diskchain.errors import UsageError, printable

#: Linux's ``(uid_t) -1``, which means "leave as it is" and is nobody's id.
_NO_ID: Final = 0xFFFFFFFF
_DIGITS: Final = len(str(_NO_ID))


class Capability(StrEnum):
    """The capabilities the kernel looks at when somebody opens a file."""

    DAC_OVERRIDE = "CAP_DAC_OVERRIDE"
    DAC_READ_SEARCH = "CAP_DAC_READ_SEARCH"


#: What a root process has unless it gave it up (libvirt makes QEMU give it up, even when it runs as root).
ALL_CAPABILITIES: Final = frozenset(Capability)


@dataclass(frozen=True, slots=True)
class Identity:
    """A process as the kernel sees it. ``groups`` holds the primary and the supplementary group ids."""

    uid: int
    gid: int
    groups: frozenset[int] = frozenset()
    capabilities: frozenset[Capability] = frozenset()
    name: str | None = None

    def __str__(self) -> str:
        return self.name or str(self.uid)

    def in_group(self, gid: int) -> bool:
        """Whether the kernel counts this process to group ``gid``."""
        return gid == self.gid or gid in self.groups


def identify(text: str, *, capabilities: bool | None = None) -> Identity:
    """The identity behind ``USER[:GROUP]``: names, ids, or ids with libvirt's ``+`` before them.

    Supplementary groups come from the user database, as for a QEMU that libvirt starts; an id without an account has
    none. ``capabilities``: whether the process has :data:`ALL_CAPABILITIES`; None: only uid 0 has.
    Raises UsageError when a name is unknown or an id out of range.
    """
    import os

    user, colon, group = text.partition(":")
    uid, name, primary = _user(user)
    gid = _group(group) if colon else (uid if primary is None else primary)
    groups = frozenset(os.getgrouplist(name, gid)) if name else frozenset({gid})
    powerful = uid == 0 if capabilities is None else capabilities
    return Identity(uid, gid, groups, ALL_CAPABILITIES if powerful else frozenset(), name)


def user_name(uid: int) -> str:
    """The account name of ``uid``, or the number when it has none."""
    import pwd

    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def group_name(gid: int) -> str:
    """The group name of ``gid``, or the number when it has none."""
    import grp

    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _user(text: str) -> tuple[int, str | None, int | None]:
    """Uid, account name and primary group of a user; the last two are None for an id without an account."""
    import pwd

    try:
        if not text.startswith("+"):
            entry = pwd.getpwnam(text)
            return entry.pw_uid, entry.pw_name, entry.pw_gid
    except (KeyError, UnicodeEncodeError, ValueError):
        pass
    uid = _number(text, "user")
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        return uid, None, None
    return uid, entry.pw_name, entry.pw_gid


def _group(text: str) -> int:
    import grp

    try:
        if not text.startswith("+"):
            return grp.getgrnam(text).gr_gid
    except (KeyError, UnicodeEncodeError, ValueError):
        pass
    return _number(text, "group")


def _number(text: str, what: str) -> int:
    digits = text.removeprefix("+")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS) or int(digits) >= _NO_ID:
        raise UsageError(f"no such {what}: {printable(text[:80]) or 'the name is empty'}")
    return int(digits)
