"""The QEMU process of a domain on this host, by what libvirt puts on its command line. Knows ``/proc`` only.

Source: libvirt ``qemu_command.c`` (``-uuid``, and ``-name guest=NAME,debug-threads=on`` with commas doubled).
"""

import re
from pathlib import Path
from typing import Final

_GUEST: Final = re.compile(rb"\0-name\0(?:[^\0,]*,)*?guest=((?:[^\0,]|,,)*)")
_UUID: Final = re.compile(rb"\0-uuid\0([^\0]*)\0")


def qemu_process(uuid: str) -> int | None:
    """A process that says on its command line that it runs the domain with ``uuid``; None when there is none or we may not look.

    Anybody may say so: what rights depend on is to be asked of libvirt's notes.
    """
    processes = (process for process in Path("/proc").iterdir() if process.name.isdigit())
    return next((int(process.name) for process in processes if _uuid_of(process) == uuid), None)


def runs_domain(pid: int, uuid: str) -> bool:
    """Whether process ``pid`` says on its command line that it runs the domain with ``uuid``."""
    return _uuid_of(Path(f"/proc/{pid}")) == uuid


def domain_of(pid: int) -> str | None:
    """The name of the domain that process ``pid`` runs; None when it is no QEMU that libvirt started, or we may not look."""
    found = _GUEST.search(_command_line(Path(f"/proc/{pid}")))
    return None if found is None else found[1].replace(b",,", b",").decode(errors="replace")


def _uuid_of(process: Path) -> str | None:
    found = _UUID.search(_command_line(process))
    return None if found is None else found[1].decode(errors="replace")


def _command_line(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""
