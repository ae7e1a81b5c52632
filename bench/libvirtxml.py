"""Domains to values and back, beside the least anybody could do (lxml's tree), libvirt itself and virt-manager's model.

Two fleets: one domain of 100 disks with chains of ten layers, and 1,000 ordinary domains of one disk. Both are
as libvirt prints them. The peers read the same text in the same run.
"""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import libvirt
from lxml import etree
from rows import Row, best

from diskchain.libvirtxml.documents.domain import Domain, format_domain, parse_domain
from diskchain.libvirtxml.view import View

DISKS, LAYERS, DOMAINS = 100, 10, 1000
MANY = 10_000

_DOMAIN = """\
<domain type='test'>
  <name>{name}</name>
  <uuid>{uuid}</uuid>
  <memory unit='KiB'>4194304</memory>
  <currentMemory unit='KiB'>4194304</currentMemory>
  <vcpu placement='static'>2</vcpu>
  <os>
    <type arch='x86_64'>hvm</type>
    <boot dev='hd'/>
  </os>
  <features>
    <acpi/>
    <apic/>
  </features>
  <clock offset='utc'>
    <timer name='rtc' tickpolicy='catchup'/>
    <timer name='pit' tickpolicy='delay'/>
  </clock>
  <on_poweroff>destroy</on_poweroff>
  <on_reboot>restart</on_reboot>
  <on_crash>destroy</on_crash>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
{disks}    <controller type='pci' index='0' model='pci-root'/>
    <interface type='user'>
      <mac address='52:54:00:12:34:56'/>
      <model type='virtio'/>
    </interface>
    <serial type='pty'>
      <target port='0'/>
    </serial>
    <console type='pty'>
      <target type='serial' port='0'/>
    </console>
    <memballoon model='virtio'/>
  </devices>
</domain>
"""
_DISK = """\
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2' cache='none' io='native' discard='unmap'/>
      <source file='/var/lib/libvirt/images/{name}.qcow2'/>
{chain}      <target dev='{dev}' bus='virtio'/>
      <serial>{name}</serial>
      <address type='pci' domain='0x0000' bus='0x{bus:02x}' slot='0x01' function='0x0'/>
    </disk>
"""

# Debian's virtinst runs under Debian's own Python. Times itself: reading the text, then every property it knows of the
# disks and their sources. It knows nothing of the layers below.
_VIRTINST = Path("/usr/share/virt-manager")
_VIRTINST_RUN = """
import json, sys, time
sys.path.insert(0, "/usr/share/virt-manager")
from virtinst import Guest
from virtinst.connection import VirtinstConnection
from virtinst.devices.disk import DeviceDisk, _DiskSource
from virtinst.xmlbuilder import XMLProperty
def properties(kind):
    return [name for name in dir(kind) if isinstance(getattr(kind, name), XMLProperty)]
of_disk, of_source = properties(DeviceDisk), properties(_DiskSource)
connection = VirtinstConnection("test:///default")
connection.open(lambda *_: None, None)
times = []
for fleet in json.load(sys.stdin):
    started = time.perf_counter()
    for text in fleet:
        for disk in Guest(connection, parsexml=text).devices.disk:
            for name in of_disk:
                getattr(disk, name)
            for name in of_source:
                getattr(disk.source, name)
    times.append(time.perf_counter() - started)
print(json.dumps(times))
"""


def _chain(name: str, depth: int, pad: str = " " * 6) -> str:
    if depth == 0:
        return f"{pad}<backingStore/>\n"
    return (
        f"{pad}<backingStore type='file'>\n{pad}  <format type='qcow2'/>\n"
        f"{pad}  <source file='/var/lib/libvirt/images/{name}-{depth}.qcow2'/>\n"
        f"{_chain(name, depth - 1, pad + '  ')}{pad}</backingStore>\n"
    )


def _dev(number: int) -> str:
    letters = ""
    number += 1
    while number:
        number, letter = divmod(number - 1, 26)
        letters = chr(ord("a") + letter) + letters
    return f"vd{letters}"


def domain_xml(number: int, disks: int, layers: int) -> str:
    """A domain with that many disks, each a chain of that many layers."""
    name = f"diskchain-bench-{number}"
    parts = (
        _DISK.format(
            name=f"{name}-{disk}", dev=_dev(disk), bus=1 + disk % 200, chain=_chain(f"{name}-{disk}", layers - 1)
        )
        for disk in range(disks)
    )
    return _DOMAIN.format(name=name, uuid=UUID(int=number + 1, version=4), disks="".join(parts))


def _virtinst(fleets: list[list[str]]) -> list[float] | None:
    if not _VIRTINST.exists():
        return None
    done = subprocess.run(
        ["/usr/bin/python3", "-c", _VIRTINST_RUN], input=json.dumps(fleets), capture_output=True, text=True, check=False
    )
    return json.loads(done.stdout) if done.returncode == 0 else None


def _each(action: Callable[[bytes], object], texts: list[bytes]) -> Callable[[], None]:
    def run_all() -> None:
        for text in texts:
            action(text)

    return run_all


def run() -> Iterator[Row]:
    """Rows for both fleets, and for the cost per disk of a very large domain."""
    libvirt.registerErrorHandler(lambda *_: None, None)
    connection = libvirt.open("test:///default")
    fleets = {
        f"1 domain, {DISKS} disks × {LAYERS}": [domain_xml(0, DISKS, LAYERS)],
        f"{DOMAINS} domains, 1 disk": [domain_xml(number, 1, 1) for number in range(DOMAINS)],
    }
    virtinst = _virtinst(list(fleets.values()))
    for position, (name, fleet) in enumerate(fleets.items()):
        texts = [text.encode() for text in fleet]
        ours, tree, define = best(
            _each(parse_domain, texts),
            _each(etree.fromstring, texts),
            lambda fleet=fleet: [connection.defineXML(text) for text in fleet],
            rounds=8 if len(fleet) > 1 else 150,
        )
        yield Row(f"{name}: parse", ours, "lxml.etree.fromstring", tree, 3.5)
        yield Row(f"{name}: parse", ours, "libvirt's test driver, define", define, 1)
        if virtinst is not None:
            yield Row(f"{name}: parse", ours, "virtinst.Guest, disks read", virtinst[position], 0.1)
        yield _formatting(name, [connection.lookupByUUIDString(_uuid(text)) for text in fleet])
        for text in fleet:
            connection.lookupByUUIDString(_uuid(text)).undefine()
    connection.close()
    yield _growth()


def _uuid(text: str) -> str:
    return text.partition("<uuid>")[2].partition("</uuid>")[0]


def _formatting(name: str, domains: list[libvirt.virDomain]) -> Row:
    texts = [domain.XMLDesc() for domain in domains]
    values: list[Domain] = [parse_domain(text) for text in texts]
    assert [format_domain(value, view=View.LIVE) for value in values] == texts
    ours, theirs = best(
        lambda: [format_domain(value, view=View.LIVE) for value in values],
        lambda: [domain.XMLDesc() for domain in domains],
        rounds=8 if len(texts) > 1 else 150,
    )
    return Row(f"{name}: format", ours, "libvirt's XMLDesc", theirs, 2)


def _growth() -> Row:
    """Reading ten times the disks should cost ten times as much."""
    small, large = (domain_xml(0, disks, 1).encode() for disks in (MANY // 10, MANY))
    ours, theirs = best(lambda: parse_domain(large), lambda: parse_domain(small), rounds=3)
    return Row(f"{MANY} disks: parse", ours, f"ten times {MANY // 10} disks", 10 * theirs, 2)
