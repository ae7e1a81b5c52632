"""Reading and writing ``<disk>``: beside lxml alone, libvirt itself, and virt-manager's virtinst, on the same documents."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import NAMESPACE_DNS, uuid5

import libvirt
from lxml import etree
from rows import Row, best

from diskchain.libvirtxml.domain import format_domain, parse_domain
from diskchain.libvirtxml.view import View

DISKS, LAYERS, DOMAINS = 100, 10, 1000

#: Debian's own Python has virtinst; it measures itself and prints seconds.
_VIRTINST = """
import sys, time
sys.path.insert(0, "/usr/share/virt-manager")
import virtinst
conn = virtinst.connection.VirtinstConnection("test:///default")
conn.open(None, None)
texts = open(sys.argv[1]).read().split("\\0")
started = time.perf_counter()
for text in texts:
    guest = virtinst.Guest(conn, parsexml=text)
    for disk in guest.devices.disk:
        disk.type, disk.device, disk.driver_name, disk.driver_type, disk.driver_cache, disk.target, disk.bus
        disk.source.file, disk.read_only, disk.shareable, disk.serial
print(time.perf_counter() - started)
"""


def run() -> Iterator[Row]:
    """Rows for one large domain and for many small ones."""
    libvirt.registerErrorHandler(lambda _context, _error: None, None)
    large = domain("large", [disk(number, LAYERS) for number in range(DISKS)])
    small = [domain(f"small{number}", [disk(0, 1)]) for number in range(DOMAINS)]
    yield from _rows(f"a domain of {DISKS} disks × {LAYERS} layers", [large])
    yield from _rows(f"{DOMAINS:,} domains of one disk", small)


def disk(number: int, layers: int) -> str:
    """An ordinary disk with ``layers`` layers."""
    name = "vd" + (chr(ord("a") + number // 26 - 1) if number >= 26 else "") + chr(ord("a") + number % 26)  # noqa: PLR2004
    below = "<backingStore/>"
    for layer in range(layers - 1):
        below = (
            f"<backingStore type='file'><format type='qcow2'/><source file='/images/{number}/{layer}.qcow2'/>{below}"
            "</backingStore>"
        )
    return (
        "<disk type='file' device='disk'><driver name='qemu' type='qcow2' cache='none' io='native' discard='unmap'/>"
        f"<source file='/images/{number}/top.qcow2'/>{below}<target dev='{name}' bus='virtio'/><serial>S{number}</serial>"
        "</disk>"
    )


def domain(name: str, disks: list[str]) -> str:
    """A domain the test driver takes."""
    return (
        f"<domain type='test'><name>{name}</name><uuid>{uuid5(NAMESPACE_DNS, name)}</uuid><memory>65536</memory><os><type>hvm</type></os><devices>{''.join(disks)}"
        "</devices></domain>"
    )


def _rows(what: str, texts: list[str]) -> Iterator[Row]:
    data = [text.encode() for text in texts]
    parsed = [parse_domain(text, view=View.INACTIVE) for text in data]
    connection = libvirt.open("test:///default")
    defined = [connection.defineXML(text) for text in texts]

    def define() -> None:
        for text in texts:
            connection.defineXML(text)

    ours, lxml, theirs = best(
        lambda: [parse_domain(text, view=View.INACTIVE) for text in data],
        lambda: [etree.fromstring(text) for text in data],
        define,
        rounds=5,
    )
    yield Row(f"read {what}", ours, "lxml.etree.fromstring", lxml, 3.5)
    yield Row(f"read {what}", ours, "libvirt, define", theirs, 1.0)
    virtinst = _virtinst(texts)
    if virtinst is not None:
        yield Row(f"read {what}", ours, "virtinst.Guest", virtinst, 0.1)
    ours, theirs = best(
        lambda: [format_domain(each) for each in parsed], lambda: [each.XMLDesc(0) for each in defined], rounds=5
    )
    yield Row(f"write {what}", ours, "libvirt, XMLDesc", theirs, 2.0)
    for each in defined:
        each.undefine()


def _virtinst(texts: list[str]) -> float | None:
    with tempfile.TemporaryDirectory(prefix="diskchain-bench-") as directory:
        path = Path(directory) / "documents"
        path.write_text("\0".join(texts))
        done = subprocess.run(
            ["/usr/bin/python3", "-c", _VIRTINST, path], capture_output=True, text=True, check=False, cwd=directory
        )
    if done.returncode:
        print(f"  (virtinst was not measured: {done.stderr.strip().splitlines()[-1:]})", file=sys.stderr)
        return None
    return float(done.stdout)
