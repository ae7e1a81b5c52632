"""Real domains, paused before their first instruction: libvirt has opened the disks, and no guest runs.

Every name carries the process id of its test run: what the host knows of a guest besides libvirtd, such as a machine's
registration, has no second one of the same name.
"""

import itertools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.live.daemons import Libvirtd, libvirt

_PREFIX = "diskchain-test"
_numbers = itertools.count(1)

# No KVM, no USB, no balloon, no display: the quickest start, and disks at predictable addresses.
_DOMAIN_XML = """\
<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>64</memory>
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    {disks}
    <controller type='usb' model='none'/>
    <memballoon model='none'/>
  </devices>
</domain>
"""


@dataclass(frozen=True)
class PausedDomain:
    """A started and paused domain."""

    domain: Any  # libvirt.virDomain, which has no types
    name: str

    def live_xml(self) -> str:
        """What QEMU runs with: with `<backingStore>`, indexes and aliases."""
        return str(self.domain.XMLDesc(0))

    def inactive_xml(self) -> str:
        """What the next start would take (of a transient domain: the live one without its run-time parts)."""
        return str(self.domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE))


@pytest.fixture
def paused_domain(libvirtd: Libvirtd) -> Iterator[Callable[..., PausedDomain]]:
    """Call it with the XML of the disks: `paused_domain("<disk …/>", persistent=False)`; removed after the test."""

    def start(disks: str, *, persistent: bool = False) -> PausedDomain:
        name = f"{_PREFIX}-{os.getpid()}-{next(_numbers)}"
        xml = _DOMAIN_XML.format(name=name, disks=disks)
        if persistent:
            domain = libvirtd.connection.defineXML(xml)
            domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
        else:
            domain = libvirtd.connection.createXML(xml, libvirt.VIR_DOMAIN_START_PAUSED)
        return PausedDomain(domain, name)

    yield start
    for domain in libvirtd.connection.listAllDomains():
        if domain.name().startswith(f"{_PREFIX}-"):
            _remove(domain)


def _remove(domain: Any) -> None:
    persistent = domain.isPersistent()
    if domain.isActive():
        domain.destroy()
    if persistent:
        domain.undefineFlags(
            libvirt.VIR_DOMAIN_UNDEFINE_MANAGED_SAVE
            | libvirt.VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA
            | libvirt.VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA
        )
