"""Probing by libvirt's rules, and by those for strangers' images."""

from pathlib import Path
from uuid import UUID

import pytest
from tests.image.makers import relics, vdi, vhd, vhdx, vmdk
from tests.image.windows import bytes_window

from diskchain.errors import AmbiguousImage
from diskchain.image.inspect import inspect
from diskchain.image.probe import probe
from diskchain.storage.terms import Format

MiB = 1 << 20
ISO_AT = 32769


def qcow2_header(version: int = 3) -> bytes:
    """As much of a header as probing looks at."""
    return (b"QFI\xfb" + version.to_bytes(4, "big")).ljust(65536, b"\0")


def with_bytes(image: bytes, at: int, put: bytes) -> bytes:
    image = image.ljust(at + len(put), b"\0")
    return image[:at] + put + image[at + len(put) :]


PARTITION = b"\x80\0\0\0\x83\0\0\0\x01\0\0\0\0\x10\0\0" + bytes(48) + b"\x55\xaa"

#: image, what libvirt says, what the strict rules say
KNOWN = {
    "empty": (b"", Format.RAW, Format.RAW),
    "zeros": (bytes(65536), Format.RAW, Format.RAW),
    "partitions": (with_bytes(bytes(65536), 446, PARTITION), Format.RAW, Format.RAW),
    "qcow": (qcow2_header(1), Format.QCOW, Format.QCOW),
    "qcow2 v2": (qcow2_header(2), Format.QCOW2, Format.QCOW2),
    "qcow2 v3": (qcow2_header(3), Format.QCOW2, Format.QCOW2),
    "qed": (b"QED\0".ljust(4096, b"\0"), Format.QED, Format.QED),
    "vmdk sparse": (vmdk.sparse(MiB, b""), Format.VMDK, Format.VMDK),
    "vmdk stream": (vmdk.stream_optimized(MiB, b""), Format.VMDK, Format.VMDK),
    "vmdk text": (vmdk.descriptor(['RW 2048 FLAT "flat" 0']), Format.RAW, Format.VMDK),
    "vmdk text without title": (b"#!/bin/sh\n \nversion=1\n", Format.RAW, Format.VMDK),
    "vmdk cowd": (vmdk.cowd(MiB), Format.RAW, Format.VMDK),
    "vmdk se-sparse": (vmdk.sesparse(MiB), Format.RAW, Format.VMDK),
    "vdi": (vdi.make(vdi.Vdi()), Format.VDI, Format.VDI),
    "vpc dynamic": (vhd.dynamic(MiB), Format.VPC, Format.VPC),
    "vpc fixed": (vhd.fixed(bytes(MiB)), Format.RAW, Format.VPC),
    "vpc fixed with partitions": (vhd.fixed(with_bytes(bytes(MiB), 446, PARTITION)), Format.RAW, Format.VPC),
    "vhdx": (vhdx.make(vhdx.Vhdx()), Format.RAW, Format.VHDX),
    "parallels": (b"WithoutFreeSpace".ljust(512, b"\0"), Format.RAW, Format.PARALLELS),
    "ploop": (b"WithouFreSpacExt".ljust(512, b"\0"), Format.PARALLELS, Format.PARALLELS),
    "bochs": (relics.bochs(MiB), Format.RAW, Format.BOCHS),
    "cloop": (relics.cloop(bytes(4096)), Format.RAW, Format.CLOOP),
    "cow": (relics.cow(MiB), Format.COW, Format.COW),
    "cow v3": (relics.cow(MiB, version=3), Format.RAW, Format.COW),
    "dmg": (relics.dmg(bytes(MiB), UUID(int=1)), Format.RAW, Format.DMG),
    "luks": (b"LUKS\xba\xbe\0\1".ljust(4096, b"\0"), Format.RAW, Format.LUKS),
    "iso": (with_bytes(b"", ISO_AT, b"CD001"), Format.ISO, Format.ISO),
    "bootable iso": (with_bytes(with_bytes(b"", 446, PARTITION), ISO_AT, b"CD001"), Format.ISO, Format.ISO),
}


@pytest.mark.parametrize("name", KNOWN)
def test_each_format_is_known_by_its_signature(name: str) -> None:
    image, by_libvirt, strictly = KNOWN[name]

    assert (probe(bytes_window(image)), probe(bytes_window(image), "untrusted")) == (by_libvirt, strictly)


#: image, what libvirt says, the strict rules' candidates
POLYGLOTS = {
    "qcow2 that is an ISO": (with_bytes(qcow2_header(), ISO_AT, b"CD001"), Format.ISO, {"qcow2", "iso"}),
    "qcow2 that is a VDI": (with_bytes(qcow2_header(), 64, b"\x7f\x10\xda\xbe\1\0\1\0"), Format.VDI, {"qcow2", "vdi"}),
    "qcow2 that is a fixed VHD": (vhd.fixed(qcow2_header()), Format.QCOW2, {"qcow2", "vpc"}),
    "qcow2 that is a DMG": (relics.dmg(qcow2_header(), UUID(int=1)), Format.QCOW2, {"qcow2", "dmg"}),
    "qcow2 that boots as raw": (with_bytes(qcow2_header(), 446, PARTITION), Format.QCOW2, {"qcow2", "raw"}),
    "VMDK that is an ISO": (with_bytes(vmdk.sparse(MiB, b""), ISO_AT, b"CD001"), Format.ISO, {"vmdk", "iso"}),
    "VMDK text that is a DMG": (relics.dmg(b"version=1\n".ljust(512, b"\n"), UUID(int=1)), Format.RAW, {"vmdk", "dmg"}),
    "cloop that is a VMDK": (b"#!/bin/sh\n#V2.0 Format\nversion=1\n".ljust(512, b"\0"), Format.RAW, {"cloop", "vmdk"}),
    "ISO that is a fixed VHD": (vhd.fixed(with_bytes(bytes(MiB), ISO_AT, b"CD001")), Format.ISO, {"iso", "vpc"}),
    "LUKS that is a VHD": (vhd.fixed(b"LUKS\xba\xbe\0\1".ljust(MiB, b"\0")), Format.RAW, {"luks", "vpc"}),
}


@pytest.mark.parametrize("name", POLYGLOTS)
def test_an_image_in_two_formats_is_refused_by_the_strict_rules_only(name: str) -> None:
    image, by_libvirt, candidates = POLYGLOTS[name]

    assert probe(bytes_window(image)) == by_libvirt
    with pytest.raises(AmbiguousImage) as refusal:
        probe(bytes_window(image), "untrusted")
    assert set(refusal.value.candidates) == candidates
    for candidate in candidates:
        assert candidate in str(refusal.value)


@pytest.mark.parametrize(
    ("image", "format"),
    [
        (qcow2_header(4), "qcow2"),
        (b"KDMV\x04\0\0\0".ljust(512, b"\0"), "vmdk"),
        (b"OOOM\0\0\0\x09".ljust(2048, b"\0"), "cow"),
        (b"conectix\0\0\0\2\0\2\0\0".ljust(512, b"\0"), "vpc"),
        (b"LUKS\xba\xbe\0\3".ljust(512, b"\0"), "luks"),
        (with_bytes(b"", 64, b"\x7f\x10\xda\xbe\2\0\1\0").ljust(512, b"\0"), "vdi"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_version_nobody_knows_is_raw_to_libvirt_and_refused_by_the_strict_rules(image: bytes, format: str) -> None:
    assert probe(bytes_window(image)) == Format.RAW
    with pytest.raises(AmbiguousImage, match="version nobody knows") as refusal:
        probe(bytes_window(image), "untrusted")
    assert refusal.value.candidates == (format,)


def test_inspecting_a_raw_image_never_probes_it() -> None:
    header = inspect(bytes_window(qcow2_header()), Format.RAW, full=True)

    assert (header.format, header.capacity, header.backing) == (Format.RAW, 65536, None)


def test_probing_a_large_image_reads_five_bytes_beyond_the_head() -> None:
    read: list[int] = []

    probe(bytes_window(qcow2_header(), 1 << 40, read.append))

    assert read == [5]


def test_the_probe_module_loads_no_format_module() -> None:
    source = (Path(__file__).parents[2] / "src/diskchain/image/probe.py").read_text()

    assert "formats" not in "".join(line for line in source.splitlines() if "import" in line)
