"""The QEMU process of a domain on this host, by what libvirt puts on its command line. Knows ``/proc`` only.

Source: libvirt ``qemu_command.c`` (``-uuid``, and ``-name guest=NAME,debug-threads=on`` with commas doubled).
"""

import re
from pathlib import Path
from typing import Final

_GUEST: Final = re.compile(rb"\0-name\0(?:[^\0,]*,)*?guest=((?:[^\0,]|,,)*)")


def qemu_process(uuid: str) -> int | None:
    """The process id of the QEMU that runs the domain with ``uuid``; None when there is none or we may not look."""
    wanted = b"\0-uuid\0" + uuid.encode(errors="replace") + b"\0"
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and wanted in _command_line(process):
            return int(process.name)
    return None


def domain_of(pid: int) -> str | None:
    """The name of the domain that process ``pid`` runs; None when it is no QEMU that libvirt started, or we may not look."""
    found = _GUEST.search(_command_line(Path(f"/proc/{pid}")))
    return None if found is None else found[1].replace(b",,", b",").decode(errors="replace")


def _command_line(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""
