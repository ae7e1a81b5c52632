"""What libvirt noted on a file about its owner or label before it changed them, and whether it will still believe it.

Knows the extended attributes ``trusted.libvirt.security.*`` (readable for root only) and the host's boot time.
Source: libvirt ``src/security/security_util.c``.
"""

import os
import struct
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_PREFIX: Final = "trusted.libvirt.security."
MODELS: Final = ("dac", "selinux")
#: Seconds two reckonings of the boot time may differ: libvirt rounds, and the clock is adjusted while we are up.
_TOLERANCE: Final = 2
_DIGITS: Final = 20  # of an unsigned 64-bit number
_UTMP_RECORD: Final = 384  # sizeof(struct utmp) with glibc
_UTMP_BOOT_TIME: Final = 2  # ut_type BOOT_TIME
_UTMP_SECONDS: Final = 340  # offset of ut_tv.tv_sec
_UTMP_LIMIT: Final = 4096 * _UTMP_RECORD


@dataclass(frozen=True, slots=True)
class SavedLabel:
    """One model's note.

    ``original`` is the label to give back (None: the attribute is missing); ``users`` how many domains hold the file;
    ``timestamp`` the boot time, in seconds since the epoch, when the note was made.
    """

    model: str
    original: str | None
    users: int | None
    timestamp: int | None

    def stale(self, boot_times: frozenset[int]) -> bool:
        """Whether the note was made before this boot: libvirt throws it away then, and gives the file to root."""
        if self.timestamp is None:
            return True
        return all(abs(self.timestamp - boot) > _TOLERANCE for boot in boot_times)


def saved_labels(path: str) -> tuple[SavedLabel, ...]:
    """What libvirt noted on ``path`` (``/proc/self/fd/N`` will do). Empty when there are none or we may not see them."""
    try:
        names = set(os.listxattr(path))
    except OSError:
        return ()
    found = []
    for model in MODELS:
        texts = {part: _text(path, _PREFIX + part + model, names) for part in ("", "ref_", "timestamp_")}
        if any(text is not None for text in texts.values()):
            found.append(SavedLabel(model, texts[""], _number(texts["ref_"]), _number(texts["timestamp_"])))
    return tuple(found)


def is_saved_label(name: str) -> bool:
    """Whether ``name`` is one of libvirt's notes."""
    return name.startswith(_PREFIX)


def boot_times(utmp: Path = Path("/run/utmp"), stat: Path = Path("/proc/stat")) -> frozenset[int]:
    """When this host booted, in seconds since the epoch: by the login records and by the kernel. libvirt uses either."""
    found = set()
    try:
        with utmp.open("rb") as stream:
            records = stream.read(_UTMP_LIMIT)
    except OSError:
        records = b""
    for start in range(0, len(records) - _UTMP_RECORD + 1, _UTMP_RECORD):
        (kind,) = struct.unpack_from("=h", records, start)
        if kind == _UTMP_BOOT_TIME:
            found.add(struct.unpack_from("=i", records, start + _UTMP_SECONDS)[0])
    try:
        lines = stat.read_text().splitlines()
    except OSError:
        lines = []
    found |= {int(line.split()[1]) for line in lines if line.startswith("btime ")}
    if not found:
        found.add(int(time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)))
    return frozenset(found)


def _text(path: str, name: str, names: set[str]) -> str | None:
    if name not in names:
        return None
    try:
        return os.getxattr(path, name).rstrip(b"\0").decode(errors="replace")
    except OSError:
        return None


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) <= _DIGITS else None
