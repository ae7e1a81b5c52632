"""What QEMU does not open is an error with one verdict, and names of formats agree between libvirt, QEMU and us."""

import struct
from pathlib import Path
from uuid import UUID

import pytest
from tests.checks.examining import declared, mend, refused
from tests.checks.test_whole_files import faults
from tests.image.makers import relics, vhd, vhdx, vmdk
from tests.live.peers import demand
from tests.live.storage import QemuImg, run

from diskchain.checks.closer import closer
from diskchain.checks.consistency import examine
from diskchain.discover import Discoverer
from diskchain.findings import Finding, Severity
from diskchain.storage.auth import SecretReference
from diskchain.storage.encryption import Encryption, EncryptionFormat
from diskchain.storage.location import FileLocation
from diskchain.storage.source import Source
from diskchain.storage.terms import Format

MiB = 1 << 20


def said(source: Source) -> list[Finding]:
    """All findings that are no note of the chain of ``source``."""
    chain = Discoverer(closer=closer).discover(source)
    found = [*chain.findings, *(each for _, each in examine(chain))]
    return [each for each in found if each.severity is not Severity.INFO]


CREATE_TYPES = [
    "monolithicFlat",
    "twoGbMaxExtentFlat",
    "vmfs",
    "monolithicSparse",
    "monolithicflat",
    "fullDevice",
    "custom",
    "",
]
EXTENTS = [
    'RW 16384 FLAT "disk.img" 0',
    'RW 16384 FLAT "disk.img"',
    'RW 16384 FLAT "disk.img" -1',
    'RW 16384 VMFS "disk.img"',
    'RW 16384 VMFS "disk.img" 5',
    "RW 16384 ZERO",
    'RDONLY 16384 FLAT "disk.img" 0',
    'RW 0 FLAT "disk.img" 0',
    'RW 16384 BOGUS "disk.img" 0',
]


@pytest.mark.parametrize(
    ("kind", "extent"), [*((kind, EXTENTS[0]) for kind in CREATE_TYPES), *(("vmfs", extent) for extent in EXTENTS)]
)
def test_a_vmdk_descriptor_is_refused_where_qemu_refuses_it(tmp_path: Path, kind: str, extent: str) -> None:
    demand("qemu-img")
    path = tmp_path / "disk.vmdk"
    (tmp_path / "disk.img").write_bytes(bytes(8 * MiB))
    path.write_bytes(vmdk.descriptor([extent], create_type=kind))
    errors = [found.id for found in faults(path, "vmdk") if found.severity is Severity.ERROR]
    assert ("unsupported-image" in errors) is refused("qemu-img", "info", "-f", "vmdk", path)


def luks2(path: Path) -> Path:
    demand("cryptsetup")
    with path.open("wb") as file:
        file.truncate(32 * MiB)
    key = path.with_name("key")
    key.write_text("key")
    run(
        "cryptsetup",
        "-q",
        "luksFormat",
        "--type",
        "luks2",
        "--pbkdf",
        "pbkdf2",
        "--pbkdf-force-iterations",
        "1000",
        path,
        key,
    )
    return path


def test_luks2_is_an_error_for_whoever_has_to_open_it(tmp_path: Path) -> None:
    path = luks2(tmp_path / "disk")
    location = FileLocation(str(path))
    secret = (SecretReference("passphrase", uuid="f981dd17-143f-45bc-88e6-ed1fe20ce9da"),)
    encrypted = Source(location, Format.RAW, encryption=Encryption(EncryptionFormat.LUKS, secret))
    for source in (Source(location, Format.LUKS), encrypted):
        (found,) = said(source)
        assert (found.id, found.stops, "LUKS version 2" in found.message) == ("unsupported-image", "start", True)
    assert said(Source(location, Format.RAW)) == []  # its guest may open it


def test_a_vhdx_whose_log_has_to_be_replayed_is_an_error_where_it_is_opened_read_only(tmp_path: Path) -> None:
    path = tmp_path / "disk.vhdx"
    path.write_bytes(vhdx.make(vhdx.Vhdx(log=UUID(int=9))))
    top = Source(FileLocation(str(path)), Format.VHDX)
    assert said(top) == []
    (found,) = said(top._replace(readonly=True))
    assert (found.id, found.severity, found.stops) == ("dirty", Severity.ERROR, "start")
    over = declared((tmp_path / "top", Format.QCOW2), (path, Format.VHDX))
    assert ("dirty", Severity.ERROR) in [(each.id, each.severity) for _, each in examine(over)]


def sealed(image: bytes, at: int, checksum_at: int, words: bytes) -> bytes:
    """``image`` with ``words`` at ``at`` and the checksum of the header of 1024 bytes at 512 made right."""
    changed = bytearray(image)
    changed[at : at + len(words)] = words
    changed[checksum_at : checksum_at + 4] = bytes(4)
    changed[checksum_at : checksum_at + 4] = struct.pack(">I", ~sum(changed[512:1536]) & 0xFFFFFFFF)
    return bytes(changed)


@pytest.mark.parametrize("entries", [10, (1 << 29) - 1, 1 << 29, 754227938, 0xFFFFFFFF])
def test_a_block_table_that_qemu_takes_for_impossible(tmp_path: Path, entries: int) -> None:
    demand("qemu-img")
    path = tmp_path / "disk.vhd"
    path.write_bytes(sealed(vhd.dynamic(20 * MiB), 512 + 28, 512 + 36, struct.pack(">I", entries)))
    assert bool(faults(path, "vpc")) is refused("qemu-img", "info", "-f", "vpc", path)


def test_of_a_differencing_vhd_that_qemu_refuses_it_is_not_said_what_the_guest_reads(tmp_path: Path) -> None:
    path = tmp_path / "disk.vhd"
    parent = vhd.Parent(UUID(int=1), 1_700_000_000, "base.vhd", {"W2ru": vhd.windows_path(".\\base.vhd")})
    image = vhd.differencing(4 * MiB, UUID(int=2), parent)
    path.write_bytes(image)
    assert "the guest reads zeros" in "".join(found.message for found in faults(path, "vpc"))
    path.write_bytes(image[:72] + b"\xff" + image[73:])  # in its id: the checksum is wrong
    found = faults(path, "vpc")
    assert refused("qemu-img", "info", "-f", "vpc", path)
    assert {"qemu-refuses", "parent-unsupported"} <= {each.id for each in found}
    assert "the guest reads" not in "".join(each.message for each in found)


@pytest.mark.parametrize(
    ("format", "image"), [(Format.COW, relics.cow(MiB)), (Format.BOCHS, relics.bochs(MiB, subtype=b"Undoable"))]
)
def test_what_qemu_has_no_driver_for(tmp_path: Path, format: Format, image: bytes) -> None:
    path = tmp_path / "disk"
    path.write_bytes(image)
    assert [found.id for found in faults(path, format.value)] == ["unsupported-image"]
    assert refused("qemu-img", "info", "-f", format.value, path)


DESCRIPTOR = """<?xml version='1.0' encoding='UTF-8'?>
<Parallels_disk_image Version="1.0"><!-- <Image><GUID>{0}</GUID><File>other.hds</File></Image> -->
<StorageData>%s</StorageData>
<Snapshots><TopGUID>{3}</TopGUID>
<Shot><GUID>{3}</GUID><ParentGUID>{2}</ParentGUID></Shot><Shot><GUID>{2}</GUID><ParentGUID>{1}</ParentGUID></Shot>
<Shot><GUID>{1}</GUID><ParentGUID>{00000000-0000-0000-0000-000000000000}</ParentGUID></Shot></Snapshots></Parallels_disk_image>"""
STORAGE = """<Storage><Start>0</Start><End>16384</End>
<Image><GUID>{1}</GUID><Type>Compressed</Type><File>base.hds</File></Image>
<Image><GUID>{2}</GUID><Type>Compressed</Type><File>mid &amp; more.hds</File></Image>
<Image><GUID>{3}</GUID><Type>Compressed</Type><File>top.hds</File></Image></Storage>"""


def test_the_delta_of_a_parallels_disk_is_not_all_of_it(qemu_img: QemuImg, tmp_path: Path) -> None:
    names = ("base.hds", "mid & more.hds", "top.hds", "strange.hds")
    for name in names:
        qemu_img("create", "-q", "-f", "parallels", tmp_path / name, "8M")
        assert faults(tmp_path / name, "parallels") == []
    (tmp_path / "DiskDescriptor.xml").write_text(DESCRIPTOR % STORAGE)
    for name, parent in zip(names, (None, "base.hds", "mid & more.hds", None), strict=True):
        found = faults(tmp_path / name, "parallels")
        assert [each.id for each in found] == (["parent-unsupported"] if parent else [])
        assert not parent or f"the differences to {parent}," in found[0].message
    (tmp_path / "DiskDescriptor.xml").write_text(DESCRIPTOR % (STORAGE * 2))
    assert [found.id for found in faults(tmp_path / "base.hds", "parallels")] == ["unsupported-image"]


def test_a_vmware_chain_is_clean_and_a_third_layer_needs_the_document(qemu_img: QemuImg, tmp_path: Path) -> None:
    base, mid, top = (tmp_path / name for name in ("a.vmdk", "b.vmdk", "c.vmdk"))
    qemu_img("create", "-q", "-f", "vmdk", base, "8M")
    qemu_img("create", "-q", "-f", "vmdk", "-b", base.name, "-F", "vmdk", mid)
    qemu_img("create", "-q", "-f", "vmdk", "-b", mid.name, "-F", "vmdk", top)
    assert faults(mid, "vmdk") == []
    assert [(found.id, found.stops) for found in faults(top, "vmdk")] == [("format-not-recorded", "start")]  # libvirt
    chain = declared(*((path, Format.VMDK) for path in (top, mid, base)))
    assert [each for _, each in examine(chain) if each.severity is not Severity.INFO] == []
    base.rename(tmp_path / "gone.vmdk")
    assert [found.id for found in faults(mid, "vmdk")] == ["missing"]


@pytest.mark.parametrize("format", ["vhdx", "parallels"])
def test_an_overlay_records_qemus_name_and_the_document_has_libvirts(
    qemu_img: QemuImg, tmp_path: Path, format: str
) -> None:
    base, top = tmp_path / "base", tmp_path / "top"
    qemu_img("create", "-q", "-f", format, base, "8M")
    qemu_img("create", "-q", "-f", "qcow2", "-b", base, "-F", format, top)
    chain = declared((top, Format.QCOW2), (base, Format(format)))
    assert [each.id for _, each in examine(chain) if each.severity is not Severity.INFO] == []


def test_libvirts_name_is_the_one_to_declare(qemu_img: QemuImg, tmp_path: Path) -> None:
    path = tmp_path / "disk"
    for format, name in (("vhdx", "vhd"), ("parallels", "ploop"), ("vpc", "vpc")):
        path.unlink(missing_ok=True)
        qemu_img("create", "-q", "-f", format, path, "8M")
        assumed = Discoverer().discover(Source(FileLocation(str(path)), None))
        assert [
            f"type='{name}'" in found.message for found in assumed.findings if found.id == "format-assumed-raw"
        ] in ([True], [])
    found = faults(path, "vhdx")
    assert ["vpc is a VHD, vhd is a VHDX" in each.message for each in found] == [True]


def test_a_corrupt_bit_is_an_error_and_its_cure_works(qemu_img: QemuImg, tmp_path: Path) -> None:
    path = tmp_path / "disk.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", path, "8M")
    image = bytearray(path.read_bytes())
    image[79] |= 2
    path.write_bytes(image)
    (found,) = faults(path, "qcow2")
    assert found.id == "corrupt"
    mend(qemu_img, found)
    assert faults(path, "qcow2") == []
