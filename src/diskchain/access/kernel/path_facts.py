"""What was seen on the way to a file, as values: mounts, inodes, and the steps of a path walk. Pure.

``path_walk`` makes these; ``open_check`` reads them. Source: path_resolution(7).
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from diskchain.system.mounts import Mount
from diskchain.system.posix_acl import Acl


class Kind(StrEnum):
    """What an inode is."""

    FILE = "file"
    DIRECTORY = "directory"
    BLOCK = "block device"
    CHARACTER = "character device"
    FIFO = "FIFO"
    SOCKET = "socket"
    SYMLINK = "symlink"


@dataclass(frozen=True, slots=True)
class Inode:
    """One file, directory or device as it is now.

    ``path`` is the path it was reached by, without symlinks. ``mode`` holds the permission bits (07777). ``acl`` is None
    when the file has none beyond its mode; ``acl_supported`` says whether it could. ``acl_hidden``: it could not be read, so
    there may be one. ``immutable`` and ``append`` are
    None when the file system does not tell; ``mount`` is None when it is not visible to us. ``size`` in bytes, as stat(2)
    says; ``rdev``: what a device file stands for.
    """

    path: str
    kind: Kind
    device: int
    number: int
    uid: int
    gid: int
    mode: int
    acl: Acl | None = None
    acl_supported: bool = True
    acl_hidden: bool = False
    immutable: bool | None = False
    append: bool | None = False
    mount: Mount | None = None
    birth: int | None = None
    size: int = 0
    rdev: int = 0


@dataclass(frozen=True, slots=True)
class Search:
    """A name is looked up in ``directory``."""

    directory: Inode
    type: Literal["search"] = "search"


@dataclass(frozen=True, slots=True)
class Follow:
    """The symlink ``link`` in ``directory`` is followed; ``last`` when it is the path's last component."""

    link: Inode
    directory: Inode
    target: str
    last: bool
    type: Literal["follow"] = "follow"


Step = Search | Follow


class End(StrEnum):
    """How a walk ended when it did not end at a file."""

    MISSING = "nothing is there"
    NOT_A_DIRECTORY = "a component is not a directory"
    LOOP = "too many symlinks"
    TOO_LONG = "a name or the path is too long"
    HIDDEN = "we may not look there ourselves"
    SILENT = "no answer in time"
    FAILED = "looking there failed"


@dataclass(frozen=True, slots=True)
class PathFacts:
    """The walk along ``path``: its steps in order, and the file at its end or the reason there is none.

    ``protected_symlinks`` is the sysctl ``fs.protected_symlinks``, None when it cannot be read. ``stopped_at`` is the path of the component that
    ended the walk early. ``creatable``: only the last component is missing, so a file could be made there.
    """

    path: str
    steps: tuple[Step, ...] = ()
    file: Inode | None = None
    end: End | None = None
    stopped_at: str | None = None
    protected_symlinks: bool | None = True
    creatable: bool = False
