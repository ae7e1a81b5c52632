"""Paused domains of a private libvirtd, with disks to label; and owners as they are."""

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from diskchain.access.image_locks import ImageLocks, image_locks
from diskchain.libvirtxml.edit.completion import declared_disks
from diskchain.storage.source import Source
from tests.live.private_libvirtd import PrivateLibvirtd, wait_for

DOMAIN = """\
<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    {disks}
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
  {seclabel}
</domain>
"""
#: Where libvirt keeps what it remembers of an owner.
NOTE = "trusted.libvirt.security.dac"


class Owner(NamedTuple):
    uid: int
    gid: int
    remembered: bool


def owner(path: Path) -> Owner:
    status = path.stat()
    return Owner(status.st_uid, status.st_gid, NOTE in os.listxattr(path))


def disk(path: Path, *, target: str = "vda", format: str = "qcow2", inside: str = "", after: str = "") -> str:
    """A `<disk>`; `inside` its `<source>`, `after` it."""
    return (
        f"<disk type='file' device='disk'><driver name='qemu' type='{format}'/>"
        f"<source file='{path}'>{inside}</source>{after}<target dev='{target}' bus='virtio'/></disk>"
    )


def start(daemon: PrivateLibvirtd, name: str, *disks: str, seclabel: str = "") -> Any:
    """A persistent domain, started and paused."""
    domain = daemon.connection.defineXML(DOMAIN.format(name=name, disks="\n".join(disks), seclabel=seclabel))
    daemon.start_paused(domain)
    return domain


def chains(domain: Any) -> list[Source]:
    """The chains of its disks: with what libvirt found, when it runs."""
    return [disk.source for disk in declared_disks(domain.XMLDesc(0).encode(), domain.name())]


def filled_chain(directory: Path, qemu_img: Callable[..., str], *names: str, size: str = "64M") -> list[Path]:
    """Real images, top first, each over the next, all but the top with data to merge."""
    paths = [directory / f"{name}.qcow2" for name in names]
    below: list[str | Path] = []
    for path in reversed(paths):
        qemu_img("create", "-q", "-f", "qcow2", *below, path, size)
        below = ["-b", path, "-F", "qcow2"]
    for number, path in enumerate(paths[1:]):
        subprocess.run(["qemu-io", "-c", f"write -q -P {number + 1} 0 16M", path], check=True, capture_output=True)
    return paths


def start_slow_commit(domain: Any, top: Path, base: Path) -> None:
    """A commit that goes on until it is told to hurry: a job that runs at 1 MiB/s."""
    domain.blockCommit("vda", str(base), str(top), 1, 0)
    wait_for(lambda: (image_locks(str(base)) or ImageLocks()).written, "the commit to write to its base")


def finish_commit(domain: Any) -> None:
    domain.blockJobSetSpeed("vda", 0, 0)
    wait_for(lambda: not domain.blockJobInfo("vda", 0), "the commit to end")
