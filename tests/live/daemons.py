"""What a test gets of a libvirtd: the Python binding, an open connection, and what the host has to look like."""

import grp
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diskchain.behaviours import from_number
from diskchain.versions import Versions

__all__ = ["Libvirtd", "dotted", "libvirt", "open_kvm_to_its_group"]

try:
    import libvirt
except ModuleNotFoundError:  # only the `test` extra has it; tests without peers run all the same
    libvirt = None
else:
    # By default the binding prints each error to stderr, also those that are handled.
    libvirt.registerErrorHandler(lambda _context, _error: None, None)


@dataclass(frozen=True)
class Libvirtd:
    """An open connection to a daemon of this test run. ``run`` is what it takes for ``/run/libvirt``."""

    connection: Any  # libvirt.virConnect, which has no types
    version: str
    uri: str
    run: Path

    @property
    def versions(self) -> Versions:
        """Of itself and its QEMU."""
        return Versions(from_number(self.connection.getLibVersion()), from_number(self.connection.getVersion()))

    def qemu_arguments(self, domain: str) -> list[str]:
        """What the QEMU of a running domain was started with."""
        pid = int((self.run / "qemu" / f"{domain}.pid").read_text())
        return [os.fsdecode(word) for word in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")]


def open_kvm_to_its_group() -> None:
    """Gives /dev/kvm the group and mode that udev would give it, if root alone may open it.

    libvirtd remembers what QEMU can do together with the access to /dev/kvm. Where udev has not run (containers) the
    device is root's alone, the two never agree, and each start of libvirtd asks QEMU anew, for 40 s.
    """
    device = Path("/dev/kvm")
    if not device.exists():
        return
    mode = stat.S_IMODE(device.stat().st_mode)
    if device.stat().st_gid == 0 or not mode & stat.S_IWGRP:
        with suppress(KeyError, PermissionError):  # no group kvm; a read-only /dev
            os.chown(device, -1, grp.getgrnam("kvm").gr_gid)
            device.chmod(mode | stat.S_IRGRP | stat.S_IWGRP)


def dotted(version: int) -> str:
    """Reads a version as libvirt numbers it: 1000000 * major + 1000 * minor + release."""
    return f"{version // 1_000_000}.{version // 1000 % 1000}.{version % 1000}"
