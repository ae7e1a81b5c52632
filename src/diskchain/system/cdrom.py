"""Whether a block device is a CD-ROM drive, asked of the kernel as libvirt (9.0, 11.3) asks it (``virFileIsCDROM``).

Knows one ioctl of ``linux/cdrom.h``. Must not know disks or documents.
"""

import fcntl
import os
import stat
from typing import Final

#: ``CDROM_DRIVE_STATUS`` of the present slot, ``CDSL_CURRENT``.
_DRIVE_STATUS: Final = 0x5326
_CURRENT: Final = 0x7FFFFFFF


def is_cdrom(path: str) -> bool:
    """Whether ``path`` is a block device that knows the state of its tray. False for what cannot be opened."""
    try:
        if not stat.S_ISBLK(os.stat(path).st_mode):
            return False
        device = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return False
    try:
        return fcntl.ioctl(device, _DRIVE_STATUS, _CURRENT) >= 0
    except OSError:
        return False
    finally:
        os.close(device)
