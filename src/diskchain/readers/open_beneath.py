"""Open a file of this host only if somebody agrees to what it is and where: with nobody able to exchange it in between.

A name can mean another file each time it is asked for. So the file is held by a descriptor with O_PATH (open(2)), which opens no
device and reads no byte; the kernel says of that descriptor what it is and where; and the same file is opened through it.
"""

import os
from collections.abc import Callable
from stat import S_IFBLK, S_IFDIR, S_IFMT, S_IFREG
from typing import Final

from diskchain.errors import PolicyRefusal, StorageDenied, StorageError, StorageMissing
from diskchain.readers.file_facts import ImageFacts
from diskchain.readers.local import begin, storage_error
from diskchain.readers.places import is_below
from diskchain.storage.terms import StorageType

_HOLD: Final = os.O_PATH | os.O_CLOEXEC
#: Links to what a descriptor holds, proc(5).
_DESCRIPTORS: Final = "/proc/self/fd"
_TYPES: Final = {S_IFREG: StorageType.FILE, S_IFBLK: StorageType.BLOCK, S_IFDIR: StorageType.DIR}

#: Says which rule is against opening what is at a path without symlinks, and of a type; None for the type: it is no storage.
Against = Callable[[str, StorageType | None], str | None]


def begin_pinned(path: str, length: int, against: Against) -> tuple[int, ImageFacts, bytes]:
    """As :func:`diskchain.readers.local.begin`, if nothing is ``against`` it.

    Raises PolicyRefusal, and what ``begin`` raises. Needs /proc: without it, StorageError.
    """
    hold = -1
    try:
        hold = os.open(path, _HOLD)
        again = f"{_DESCRIPTORS}/{hold}"
        rule = against(os.readlink(again), _TYPES.get(S_IFMT(os.fstat(hold).st_mode)))
        if rule is not None:
            raise PolicyRefusal(f"{path}: {rule}", reference=path, rule=rule)
        return begin(again, length)
    except OSError as error:
        if hold >= 0:
            raise StorageError("where it is cannot be told without /proc", path=path) from error
        raise storage_error(error, path) from error
    except ValueError as error:
        raise StorageMissing("no file can have such a name", path=path) from error
    except StorageError as error:
        raise type(error)(error.problem, path=path) from error
    finally:
        if hold >= 0:
            os.close(hold)


def begin_inside(path: str, root: str, length: int) -> tuple[int, ImageFacts, bytes]:
    """As :func:`diskchain.readers.local.begin`, if ``path`` is a file below ``root`` in the end. Raises StorageDenied when it is not.

    A block device is one of this host, wherever its node lies.
    """

    def against(real: str, type: StorageType | None) -> str | None:
        if not is_below(real, root):
            raise StorageDenied(f"it leads out of {root}", path=path)
        if type is StorageType.BLOCK:
            raise StorageDenied("it is a block device of this host", path=path)
        return None

    return begin_pinned(path, length, against)
