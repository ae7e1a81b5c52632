"""What is done to a chain, as values: each operation names the layers it is about."""

from dataclasses import dataclass
from typing import Final, Literal

from diskchain.storage.source import Source


@dataclass(frozen=True, slots=True)
class Start:
    """The domain starts, or simply runs. ``overlay``: what libvirt makes at start for a disk whose writes are to be gone in the end."""

    overlay: Source | None = None
    type: Literal["start"] = "start"


@dataclass(frozen=True, slots=True)
class Commit:
    """The layers from ``top`` down to above ``base`` are merged into ``base``; None: the last layer.

    ``top`` 0 is the active layer. ``online`` False: done by qemu-img, with no domain running.
    """

    base: int | None = None
    top: int = 0
    online: bool = True
    type: Literal["commit"] = "commit"


@dataclass(frozen=True, slots=True)
class Pull:
    """What is above ``base`` is copied up into the active layer; None: everything."""

    base: int | None = None
    type: Literal["pull"] = "pull"


@dataclass(frozen=True, slots=True)
class Copy:
    """The disk is copied to ``destination``. ``shallow``: the copy keeps the active layer's backing file.

    ``reuse``: the destination is there already (``--reuse-external``).
    """

    destination: Source
    shallow: bool = False
    reuse: bool = False
    type: Literal["copy"] = "copy"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``overlay`` becomes the new active layer, and the present one its backing file. ``reuse``: it is there already."""

    overlay: Source
    reuse: bool = False
    type: Literal["snapshot"] = "snapshot"


@dataclass(frozen=True, slots=True)
class Backup:
    """The disk is backed up into ``file``, or served while ``file`` keeps what is overwritten. ``reuse``: it is there already."""

    file: Source
    reuse: bool = False
    type: Literal["backup"] = "backup"


@dataclass(frozen=True, slots=True)
class Rebase:
    """qemu-img gives ``layer`` another ``backing`` file (None: the header's). ``unsafe``: header only, nothing is read."""

    layer: int = 0
    backing: Source | None = None
    unsafe: bool = False
    type: Literal["rebase"] = "rebase"


Operation = Start | Commit | Pull | Copy | Snapshot | Backup | Rebase


#: The words for operations, as the command line takes them.
OPERATIONS: Final = ("start", "commit", "pull", "copy", "snapshot", "backup", "rebase")
