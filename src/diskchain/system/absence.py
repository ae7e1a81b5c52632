"""Why nothing is at a path: a dangling symlink, a directory that is absent, a mount point with nothing mounted, a volume that is not active.

Knows path_resolution(7), fstab(5), and how device-mapper and udev name devices. Must not know what the file would have been. Looks with
lstat(2), readlink(2) and by listing one directory; opens nothing. Ask it only about a path that has just answered: it waits.
"""

import errno
import os
import stat
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

from diskchain.system.mounts import read_mounts, unescape

_FSTAB: Final = Path("/etc/fstab")
_SYS_BLOCK: Final = Path("/sys/block")
#: MAXSYMLINKS: the kernel gives up after this many.
_MOST_LINKS: Final = 40
_LARGEST_FSTAB: Final = 1 << 20
#: Directories of /dev that are no volume groups.
_NO_GROUPS: Final = frozenset(
    ("block", "bsg", "bus", "char", "cpu", "disk", "dri", "fd", "hugepages", "input", "mapper", "md", "mqueue", "net", "nvme", "pts",
     "rbd", "shm", "snd", "usb", "vfio", "vhost", "zvol")
)  # fmt: skip
_VOLUME: Final = 2  # parts below /dev of a logical volume


class Reason(StrEnum):
    """Why a path leads to nothing."""

    FILE = "file"
    DIRECTORY = "directory"
    NOT_A_DIRECTORY = "not-a-directory"
    UNMOUNTED = "unmounted"
    AUTOMOUNT = "automount"
    INACTIVE = "inactive"
    DETACHED = "detached"
    LOOP = "loop"
    HIDDEN = "hidden"


@dataclass(frozen=True, slots=True)
class Absence:
    """Why a path leads to nothing.

    ``where``: the first thing on the way that is absent or in the way, for a mount the mount point, for a volume group its name.
    ``links``: the symlinks followed to get there, each with its target. ``empty``: the directory ``where`` should be in has no entry,
    as a mount point has when nothing is mounted.
    """

    reason: Reason
    where: str
    links: tuple[tuple[str, str], ...] = ()
    empty: str | None = None

    @property
    def away(self) -> bool:
        """Whether the file is surely only out of reach for now: what it is on is not mounted, not active, not attached, or hidden."""
        return self.reason in _AWAY


_AWAY: Final = frozenset((Reason.UNMOUNTED, Reason.AUTOMOUNT, Reason.INACTIVE, Reason.DETACHED, Reason.HIDDEN))


def absence(path: str, *, fstab: Path = _FSTAB) -> Absence | None:
    """Why nothing is at ``path``; None when something is. A relative path starts at the working directory. Raises OSError."""
    pending = [part for part in reversed(os.path.join(os.getcwd(), path).split("/")) if part not in ("", ".")]
    here = "/"
    links: list[tuple[str, str]] = []
    while pending:
        part = pending.pop()
        if part == "..":
            here = os.path.dirname(here)
            continue
        step = os.path.join(here, part)
        try:
            mode = os.lstat(step).st_mode
        except ValueError:  # no file can have such a name
            return Absence(Reason.FILE, step, tuple(links))
        except OSError as error:
            return _stopped(error, step, here, pending, tuple(links), fstab)
        if stat.S_ISLNK(mode):
            if len(links) == _MOST_LINKS:
                return Absence(Reason.LOOP, links[0][0], tuple(links))
            target = os.readlink(step)
            links.append((step, target))
            pending += [part for part in reversed(target.split("/")) if part not in ("", ".")]
            here = "/" if target.startswith("/") else here
        elif pending and not stat.S_ISDIR(mode):
            return Absence(Reason.NOT_A_DIRECTORY, step, tuple(links))
        else:
            here = step
    return None


def _stopped(
    error: OSError, step: str, parent: str, pending: list[str], links: tuple[tuple[str, str], ...], fstab: Path
) -> Absence:
    """The walk came to ``step`` in ``parent``, which is there, and no further; ``pending`` is what was to follow, last first."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return Absence(Reason.HIDDEN, parent, links)
    if error.errno not in (errno.ENOENT, errno.ENOTDIR):
        raise error
    whole = os.path.join(step, *reversed(pending))
    known = _device(whole) or _unmounted(whole, parent, fstab)
    if known is not None:
        return replace(known, links=links)
    reason = Reason.DIRECTORY if pending else Reason.FILE
    return Absence(reason, step, links, parent if parent != "/" and _is_empty(parent) else None)


def _is_empty(directory: str) -> bool:
    try:
        with os.scandir(directory) as entries:
            return next(entries, None) is None
    except OSError:
        return False


def _unmounted(path: str, parent: str, fstab: Path) -> Absence | None:
    """The mount of fstab(5) that ``path`` would be on and that is not there, or the automount that did not mount."""
    mounts = read_mounts().values()
    if any(mount.fstype == "autofs" and mount.point == parent for mount in mounts):
        return Absence(Reason.AUTOMOUNT, parent)
    mounted = {mount.point for mount in mounts}
    above = [point for point in _fstab_points(fstab) if point != "/" and f"{path}/".startswith(f"{point}/")]
    nearest = max(above, key=len, default=None)
    return Absence(Reason.UNMOUNTED, nearest) if nearest is not None and nearest not in mounted else None


def _fstab_points(fstab: Path) -> list[str]:
    """The mount points of an fstab, without trailing slashes."""
    try:
        with fstab.open(errors="surrogateescape") as table:
            text = table.read(_LARGEST_FSTAB)
    except OSError:
        return []
    lines = (line.split() for line in text.splitlines() if not line.lstrip().startswith("#"))
    points = (unescape(fields[1]) for fields in lines if len(fields) > 1)
    return [point.rstrip("/") or "/" for point in points if point.startswith("/")]


def _device(path: str) -> Absence | None:
    """Which volume group or device ``path``, which is absent, would be of."""
    if not path.startswith("/dev/"):
        return None
    parts = path.split("/")[2:]
    group = None
    if parts[0] == "mapper" and len(parts) == _VOLUME:
        group = _group_of(parts[1])
    elif len(parts) == _VOLUME and parts[0] not in _NO_GROUPS:
        group = parts[0]
    if group is not None and not _is_active(group):
        return Absence(Reason.INACTIVE, group)
    return Absence(Reason.DETACHED, path)


def _group_of(name: str) -> str | None:
    """The volume group of a device-mapper name: a dash between group and volume, each of their own dashes twice (lvm(8))."""
    group, dash, volume = name.replace("--", "\0").partition("-")
    return group.replace("\0", "-") if dash and group and volume else None


def _is_active(group: str) -> bool:
    """Whether some volume of the group has a device."""
    if os.path.isdir(os.path.join("/dev", group)):
        return True
    for name in _SYS_BLOCK.glob("dm-*/dm/name"):
        with suppress(OSError):
            if _group_of(name.read_text().strip()) == group:
                return True
    return False
