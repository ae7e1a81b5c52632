"""VHD: images built here, cross-read by libvhdi and dissect.hypervisor, and by qemu-img where it opens them."""

import json
from pathlib import Path
from uuid import UUID

import pytest
import pyvhdi
from dissect.hypervisor.disk.vhd import VHD
from tests.image.makers import vhd
from tests.image.windows import bytes_window, file_window
from tests.live.storage import QemuImg

from diskchain.behaviours import statement
from diskchain.errors import ImageError
from diskchain.image.header import BackingReference, ImageHeader
from diskchain.image.inspect import inspect
from diskchain.storage.terms import Format

MiB = 1 << 20
CHILD = UUID("11111111-2222-3333-4444-555555555555")
PARENT = UUID("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee")
CHANGED = 1700000000

LOCATORS = {
    "W2ru": vhd.windows_path(".\\bäse.vhd"),
    "W2ku": vhd.windows_path("C:\\disks\\bäse.vhd"),
    "MacX": b"file://./b%C3%A4se.vhd",
}


def child(locators: dict[str, bytes], name: str = "bäse.vhd", capacity: int = 20 * MiB) -> bytes:
    return vhd.differencing(capacity, CHILD, vhd.Parent(PARENT, CHANGED, name, locators))


def test_a_differencing_image_names_its_parent_as_libvhdi_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "child.vhd"
    path.write_bytes(child(LOCATORS))
    theirs = pyvhdi.file()
    theirs.open(str(path))

    header = inspect(file_window(path), Format.VPC, full=True)

    assert header.identity is not None
    assert (header.identity.own, header.identity.parent) == (theirs.get_identifier(), theirs.get_parent_identifier())
    assert header.capacity == theirs.get_media_size()
    assert theirs.get_parent_filename() in header.identity.parent_names
    assert (theirs.get_disk_type(), dict(header.details)["disk type"]) == (vhd.DIFFERENCING, "differencing")
    theirs.close()


def test_a_differencing_image_is_read_like_dissect_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "child.vhd"
    path.write_bytes(child(LOCATORS))
    with path.open("rb") as file:
        theirs = VHD(file).disk

    header = inspect(file_window(path), Format.VPC)

    assert header.capacity == theirs.size
    assert header.cluster_size == theirs.header.block_size
    assert header.identity is not None
    assert header.identity.parent == str(UUID(bytes=bytes(theirs.header.parent_unique_id)))
    assert header.identity.parent_time == theirs.header.parent_timestamp + vhd.EPOCH == CHANGED


def test_every_parent_locator_is_kept_by_platform_code() -> None:
    header = inspect(bytes_window(child(LOCATORS | {"Mac ": b"\0\1alias"})), Format.VPC, full=True)

    shown = {name: value for name, value in header.details if name.startswith("parent locator")}
    assert shown == {
        "parent locator W2ru": ".\\bäse.vhd",
        "parent locator W2ku": "C:\\disks\\bäse.vhd",
        "parent locator MacX": "file://./b%C3%A4se.vhd",
        "parent locator Mac ": "",
    }
    assert header.identity is not None
    assert header.identity.parent_names == ("bäse.vhd", ".\\bäse.vhd", "C:\\disks\\bäse.vhd", "file://./b%C3%A4se.vhd")


@pytest.mark.parametrize(
    ("codes", "path"),
    [
        (("W2ku", "W2ru", "MacX"), "./bäse.vhd"),
        (("MacX", "W2ku"), "./bäse.vhd"),
        (("W2ku",), "C:/disks/bäse.vhd"),
        ((), "bäse.vhd"),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, tuple) else None,
)
def test_a_relative_locator_is_preferred_and_becomes_a_path_here(codes: tuple[str, ...], path: str) -> None:
    header = inspect(bytes_window(child({code: LOCATORS[code] for code in codes})), Format.VPC)

    assert header.backing == BackingReference(path, "vpc", implied=True)


def test_a_parent_known_by_id_alone_is_no_backing_reference() -> None:
    header = inspect(bytes_window(child({}, name="")), Format.VPC)

    assert header.backing is None
    assert header.identity is not None
    assert header.identity.parent == str(PARENT)


@pytest.mark.parametrize("kind", ["fixed", "dynamic"])
def test_fixed_and_dynamic_images_are_read_like_qemu_img_reads_them(
    qemu_img: QemuImg, kind: str, tmp_path: Path
) -> None:
    path = tmp_path / "disk.vhd"
    path.write_bytes(vhd.fixed(bytes(3 * MiB), CHILD) if kind == "fixed" else vhd.dynamic(3 * MiB, CHILD))
    theirs = json.loads(qemu_img("info", "--output=json", "-f", "vpc", path))

    header = inspect(file_window(path), Format.VPC, full=True)

    assert (header.capacity, header.cluster_size) == (theirs["virtual-size"], theirs.get("cluster-size"))
    assert dict(header.details)["disk type"] == kind
    assert header.remarks == ()


@pytest.mark.parametrize("creator", [b"win ", b"qem2", b"d2v ", b"tap\0", b"CTXS", b"vpc ", b"qemu", b"vbox"])
@pytest.mark.parametrize("geometry", [(100, 16, 63), (65535, 16, 255)], ids=["small", "largest"])
def test_size_or_geometry_counts_as_qemu_decides(
    qemu_img: QemuImg, creator: bytes, geometry: tuple[int, int, int], tmp_path: Path
) -> None:
    path = tmp_path / "disk.vhd"
    path.write_bytes(bytes(2 * MiB) + vhd.footer(vhd.FIXED, 2 * MiB, CHILD, creator=creator, geometry=geometry))
    theirs = json.loads(qemu_img("info", "--output=json", "-f", "vpc", path))["virtual-size"]

    header = inspect(file_window(path), Format.VPC)
    assert theirs == header.capacity or (theirs == 2 * MiB and _differs(header))


def _differs(header: ImageHeader) -> bool:
    """Whether it is said that QEMU's versions see another size."""
    return any(statement("malformed/vhd-size") in message for _, message in header.remarks)


@pytest.mark.parametrize("creator", [b"wa\0\0", b"vbox", b"\0\0\0\0", b"\xff\x1b[m"])
def test_where_qemus_versions_see_another_size_it_is_remarked_upon(creator: bytes) -> None:
    image = bytes(2 * MiB) + vhd.footer(vhd.FIXED, 2 * MiB, CHILD, creator=creator, geometry=(100, 16, 63))

    header = inspect(bytes_window(image), Format.VPC)

    assert header.capacity == 100 * 16 * 63 * 512
    assert _differs(header)


def test_a_footer_of_511_bytes_is_found() -> None:
    image = bytes(MiB) + vhd.footer(vhd.FIXED, MiB, CHILD)[:511]

    assert inspect(bytes_window(image), Format.VPC).capacity == MiB


@pytest.mark.parametrize(
    ("at", "problem"),
    [
        (100, "checksum"),  # in the copy's reserved area
        (-300, "differ"),  # in the footer's
        (512 + 800, "dynamic header"),
    ],
)
def test_a_damaged_header_is_read_and_remarked_upon(at: int, problem: str) -> None:
    image = bytearray(vhd.dynamic(20 * MiB, CHILD))
    image[at] ^= 0xFF

    remarks = inspect(bytes_window(bytes(image)), Format.VPC, full=True).remarks

    assert any(problem in message for _, message in remarks), remarks


def test_a_dynamic_image_without_the_copy_at_the_start_is_still_dynamic() -> None:
    image = bytes(512) + vhd.dynamic(20 * MiB, CHILD)[512:]

    header = inspect(bytes_window(image), Format.VPC, full=True)

    assert header.cluster_size == 2 * MiB
    assert [message for _, message in header.remarks] == [
        "the footer's copy at the start is gone: QEMU refuses to open it"
    ]


def test_a_locator_too_long_for_any_path_is_refused() -> None:
    with pytest.raises(ImageError, match="parent locator of 70000 bytes"):
        inspect(bytes_window(child({"W2ku": bytes(70000)})), Format.VPC)


def test_a_name_that_is_not_utf_16_still_is_a_name() -> None:
    header = inspect(bytes_window(child({"W2ru": b"\x00\xd8a\x00"}, name="")), Format.VPC)

    assert header.backing is not None
    assert header.backing.text == "\ufffda"


def test_the_first_part_of_a_split_vhd_is_told() -> None:
    whole = vhd.dynamic(16 << 20)
    for image, remarks in ((whole, 0), (whole[:-512], 1), (whole[:-1], 0), (whole + bytes(512), 1)):
        found = inspect(bytes_window(image), Format.VPC).remarks
        assert len(found) == remarks
        assert all(id == "malformed" and ".v01" in message for id, message in found)


def test_the_last_part_of_a_split_fixed_vhd_is_told() -> None:
    whole = vhd.fixed(bytes(1 << 20))
    assert not inspect(bytes_window(whole), Format.VPC).remarks
    [(id, message)] = inspect(bytes_window(whole[512:]), Format.VPC).remarks
    assert id == "truncated"
    assert message.startswith(f"only {(1 << 20) - 512} of {1 << 20} bytes")
