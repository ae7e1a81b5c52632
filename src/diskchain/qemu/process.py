"""The QEMU process of a domain on this host, by the UUID libvirt gives it on its command line. Knows ``/proc`` only."""

from pathlib import Path


def qemu_process(uuid: str) -> int | None:
    """The process id of the QEMU that runs the domain with ``uuid``; None when there is none or we may not look."""
    wanted = b"\0-uuid\0" + uuid.encode(errors="replace") + b"\0"
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                line = (process / "cmdline").read_bytes()
            except OSError:
                continue
            if wanted in line:
                return int(process.name)
    return None
