"""VMDK: images built here, cross-read by libvmdk and dissect.hypervisor, and by qemu-img where it opens them."""

import contextlib
import json
import time
from collections.abc import Sequence
from pathlib import Path, PurePath

import pytest
import pyvmdk
from dissect.hypervisor.disk.vmdk import DiskDescriptor
from hypothesis import given
from hypothesis import strategies as st
from tests.image.makers import vmdk
from tests.image.windows import bytes_window, file_window
from tests.live.storage import QemuImg

from diskchain.errors import ImageError
from diskchain.image.formats.vmdk.descriptor import parse_descriptor
from diskchain.image.header import BackingReference, Extent, ImageHeader
from diskchain.image.inspect import inspect
from diskchain.storage.terms import Format

MiB = 1 << 20
CAPACITY = 20 * MiB
OWN_EXTENT = 'RW 40960 SPARSE "child.vmdk"'


def read(image: bytes, *, full: bool = True) -> ImageHeader:
    return inspect(bytes_window(image), Format.VMDK, full=full)


def differencing(kind: str) -> bytes:
    text = vmdk.descriptor(
        [OWN_EXTENT], create_type=kind, cid="0badf00d", parent_cid="cafe0001", parent="dir/bäse.vmdk"
    )
    return vmdk.sparse(CAPACITY, text) if kind == "monolithicSparse" else vmdk.stream_optimized(CAPACITY, text)


@pytest.mark.parametrize("kind", ["monolithicSparse", "streamOptimized"])
def test_a_differencing_image_names_its_parent_as_libvmdk_reads_it(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "child.vmdk"
    path.write_bytes(differencing(kind))
    theirs = pyvmdk.handle()
    theirs.open(str(path))

    header = inspect(file_window(path), Format.VMDK)

    assert header.backing == BackingReference(theirs.get_parent_filename(), "vmdk", implied=True)
    assert header.identity is not None
    assert int(header.identity.own or "", 16) == theirs.get_content_identifier()
    assert int(header.identity.parent or "", 16) == theirs.get_parent_content_identifier()
    theirs.close()


@pytest.mark.parametrize("kind", ["monolithicSparse", "streamOptimized"])
def test_sparse_images_agree_with_qemu_img(qemu_img: QemuImg, kind: str, tmp_path: Path) -> None:
    path = tmp_path / "child.vmdk"
    path.write_bytes(differencing(kind))
    theirs = json.loads(qemu_img("info", "--output=json", "-f", "vmdk", path))
    specific = theirs["format-specific"]["data"]

    header = inspect(file_window(path), Format.VMDK, full=True)

    assert (header.capacity, header.cluster_size) == (theirs["virtual-size"], theirs["cluster-size"])
    assert header.backing is not None
    assert (header.backing.text, header.backing.format) == (
        theirs["backing-filename"],
        theirs["backing-filename-format"],
    )
    details = dict(header.details)
    assert details["cid"] == specific["cid"]
    assert details["parent cid"] == specific["parent-cid"]
    assert details["create type"] == specific["create-type"]
    assert details["compressed"] == specific["extents"][0].get("compressed", False)


@pytest.mark.parametrize(("kind", "extent"), [("vmfsSparse", "VMFSSPARSE"), ("seSparse", "SESPARSE")])
def test_esx_extents_agree_with_qemu_img(qemu_img: QemuImg, kind: str, extent: str, tmp_path: Path) -> None:
    path, data = tmp_path / "disk.vmdk", tmp_path / "disk-delta.vmdk"
    data.write_bytes(vmdk.cowd(CAPACITY) if kind == "vmfsSparse" else vmdk.sesparse(CAPACITY))
    path.write_bytes(vmdk.descriptor([f'RW {CAPACITY // 512} {extent} "{data.name}"'], create_type=kind))
    theirs = json.loads(qemu_img("info", "--output=json", "-f", "vmdk", path))
    (their_extent,) = theirs["format-specific"]["data"]["extents"]

    header, inner = (inspect(file_window(file), Format.VMDK) for file in (path, data))

    assert header.extents == (Extent(data.name, extent, CAPACITY, "RW"),)
    assert header.capacity == inner.capacity == theirs["virtual-size"]
    assert inner.cluster_size == their_extent["cluster-size"]


def test_an_unclean_shutdown_makes_an_extent_dirty() -> None:
    assert read(vmdk.sparse(CAPACITY, b"", unclean=True)).dirty
    assert read(vmdk.cowd(CAPACITY, unclean=True)).dirty
    assert read(vmdk.sesparse(CAPACITY, replay=True)).dirty
    assert not read(vmdk.sparse(CAPACITY, b"")).dirty


def test_a_cowd_names_its_parent_unless_it_is_a_root() -> None:
    child, root = (read(vmdk.cowd(CAPACITY, parent=parent)) for parent in (b"b\xe4se.vmdk", b""))

    assert child.identity is not None
    assert child.identity.parent_names == ("b\udce4se.vmdk",)
    assert child.backing is None  # QEMU and libvirt do not follow it
    assert root.identity is None


EXTENTS = [
    (['RW 40960 FLAT "disk-flat.vmdk" 0'], "monolithicFlat"),
    (['RW 4192256 SPARSE "disk-s001.vmdk"', 'RW 10 SPARSE "disk-s002.vmdk"'], "twoGbMaxExtentSparse"),
    (['RW 4192256 FLAT "a b.vmdk" 7', 'RW 2048 FLAT "c=d.vmdk" 0'], "twoGbMaxExtentFlat"),
    (['RW 40960 VMFS "disk-flat.vmdk"'], "vmfs"),
]


@pytest.mark.parametrize(("lines", "kind"), EXTENTS, ids=lambda value: value if isinstance(value, str) else "")
def test_extents_are_read_like_dissect_reads_them(lines: list[str], kind: str) -> None:
    text = vmdk.descriptor(lines, create_type=kind)
    theirs = DiskDescriptor.parse(text.decode())

    header = read(text)

    assert [(extent.name, extent.kind, extent.size // 512, extent.access) for extent in header.extents] == [
        (extent.filename.strip('"'), extent.type, extent.sectors, extent.access_mode) for extent in theirs.extents
    ]
    assert header.capacity == theirs.sectors * 512
    assert dict(header.details)["create type"] == theirs.attr["createType"]


CRAFTED = [
    ['RW 2048 FLAT "flat" 0'],
    ["RW", "2048", "FLAT", '"flat"', "0"],  # sscanf reads over line ends
    ['RW\t2048FLAT "flat"0'],
    ['  RW 2048 FLAT "flat" 0'],
    ['RW +2048 FLAT "flat" +0'],
    ['RW 0 FLAT "flat" 0', 'RW 2048 FLAT "flat" 0'],
    ['RW -5 FLAT "flat" 0', 'RW 2048 FLAT "flat" 0'],
    ['RDONLY 2048 FLAT "flat" 0', 'RW 2048 FLAT "flat" 0'],
    ["NOACCESS 2048 ZERO", 'RW 2048 FLAT "flat" 0'],
    ["RW 2048 ZERO", 'RW 2048 FLAT "flat" 0'],
    ['RW 2048 STRANGE "other"', 'RW 2048 FLAT "flat" 0'],
    ['# RW 2048 FLAT "comment" 0', 'RW 2048 FLAT "flat" 0'],
    ['x = RW 2048 FLAT "value" 0', 'RW 2048 FLAT "flat" 0'],
    ['rw 2048 FLAT "small" 0', 'RW 2048 FLAT "flat" 0'],
    ['RW 1024 FLAT "flat" 0', 'RW 1024 FLAT "flat" 1024'],
]


@pytest.mark.parametrize("lines", CRAFTED, ids=" / ".join)
def test_no_extent_that_qemu_opens_escapes_us(qemu_img: QemuImg, lines: Sequence[str], tmp_path: Path) -> None:
    path = tmp_path / "disk.vmdk"
    path.write_bytes(vmdk.descriptor(lines, create_type="twoGbMaxExtentFlat"))
    (tmp_path / "flat").write_bytes(bytes(MiB))
    theirs = json.loads(qemu_img("info", "--output=json", "-f", "vmdk", path))
    opened = {PurePath(extent["filename"]).name for extent in theirs["format-specific"]["data"]["extents"]}

    header = inspect(file_window(path), Format.VMDK)

    assert opened <= {extent.name for extent in header.extents}
    assert header.capacity == theirs["virtual-size"]


def test_extents_qemu_skips_are_remarked_upon() -> None:
    header = read(vmdk.descriptor(["RW 2048 ZERO", 'RW 2048 FLAT "flat" 0'], create_type="monolithicFlat"))

    assert (len(header.extents), header.capacity) == (2, MiB)
    assert ["QEMU skips 1048576 bytes" in message for _, message in header.remarks] == [True]


HINTS = [
    (['parentFileNameHint="base.vmdk"'], "base.vmdk"),
    (['# parentFileNameHint="comment.vmdk"'], "comment.vmdk"),  # strstr sees comments
    (['ddb.xparentFileNameHint="inside.vmdk"'], "inside.vmdk"),
    (['parentFileNameHint="first"', 'parentFileNameHint="second"'], "first"),
    (["parentFileNameHint='quoted\""], "quoted"),
    (['parentFileNameHint=""'], None),
    (['parentFileNameHint=""rest"'], None),
]


@pytest.mark.parametrize(("lines", "parent"), HINTS, ids=[hint[0][0] for hint in HINTS])
@pytest.mark.parametrize("container", ["sparse", "text"])
def test_no_parent_that_qemu_opens_escapes_us(
    qemu_img: QemuImg, container: str, lines: list[str], parent: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "disk.vmdk"
    text = vmdk.descriptor(['RW 2048 FLAT "flat" 0'], create_type="monolithicFlat", more=lines)
    path.write_bytes(vmdk.sparse(CAPACITY, text) if container == "sparse" else text)
    (tmp_path / "flat").write_bytes(bytes(MiB))
    theirs = json.loads(qemu_img("info", "--output=json", "-f", "vmdk", path))

    backing = inspect(file_window(path), Format.VMDK).backing

    assert (backing.text if backing else None) == theirs.get("backing-filename") == parent


def test_a_parent_named_beyond_what_qemu_searches_is_named_all_the_same() -> None:
    text = vmdk.descriptor(['RW 2048 FLAT "flat" 0'], more=["#" + "x" * 20 * 512, 'parentFileNameHint="far.vmdk"'])

    assert read(text).backing == BackingReference("far.vmdk", "vmdk", implied=True)


def test_a_parent_hidden_behind_the_header_is_found_though_the_descriptor_is_said_to_be_elsewhere(
    qemu_img: QemuImg, tmp_path: Path
) -> None:
    hidden = vmdk.descriptor([OWN_EXTENT], parent="/etc/passwd")
    image = bytearray(
        vmdk.sparse(CAPACITY, hidden) + vmdk.descriptor([OWN_EXTENT], parent="harmless").ljust(10240, b"\0")
    )
    image[28:36] = (128).to_bytes(8, "little")
    path = tmp_path / "disk.vmdk"
    path.write_bytes(image)
    theirs = json.loads(qemu_img("info", "--output=json", "-f", "vmdk", path))

    header = inspect(file_window(path), Format.VMDK)

    assert header.backing is not None
    assert header.backing.text == theirs["backing-filename"] == "/etc/passwd"
    assert header.identity is not None
    assert header.identity.parent_names == ("/etc/passwd", "harmless")
    assert ["named more than once" in message for _, message in header.remarks] == [True]


def test_a_descriptor_behind_a_sparse_header_without_capacity_names_further_files(
    qemu_img: QemuImg, tmp_path: Path
) -> None:
    text = vmdk.descriptor(['RW 2048 FLAT "flat" 0'], create_type="monolithicFlat")
    image = bytearray(vmdk.sparse(CAPACITY, text))
    image[12:20] = bytes(8)
    path = tmp_path / "disk.vmdk"
    path.write_bytes(image)
    (tmp_path / "flat").write_bytes(bytes(MiB))
    theirs = json.loads(qemu_img("info", "--output=json", "-f", "vmdk", path))

    header = inspect(file_window(path), Format.VMDK)

    assert [extent.name for extent in header.extents] == ["flat"]
    assert header.capacity == theirs["virtual-size"] == MiB


def test_a_stream_is_as_large_as_its_footer_says(qemu_img: QemuImg, tmp_path: Path) -> None:
    image = bytearray(vmdk.stream_optimized(CAPACITY, vmdk.descriptor([OWN_EXTENT], create_type="streamOptimized")))
    image[12:20] = (7 * 2048).to_bytes(8, "little")
    path = tmp_path / "disk.vmdk"
    path.write_bytes(image)
    theirs = json.loads(qemu_img("info", "--output=json", "-f", "vmdk", path))

    assert inspect(file_window(path), Format.VMDK).capacity == theirs["virtual-size"] == CAPACITY


def test_a_name_in_another_encoding_names_the_same_bytes() -> None:
    text = vmdk.descriptor([OWN_EXTENT], parent="b\udce4se.vmdk")

    backing = read(vmdk.sparse(CAPACITY, text)).backing

    assert backing is not None
    assert backing.text.encode("utf-8", "surrogateescape") == b"b\xe4se.vmdk"


def test_the_disk_database_is_shown() -> None:
    text = vmdk.descriptor([OWN_EXTENT], more=['ddb.longContentID = "0123"', 'changeTrackPath="disk-ctk.vmdk"'])

    details = dict(read(vmdk.sparse(CAPACITY, text)).details)

    assert (details["ddb.longContentID"], details["changeTrackPath"]) == ("0123", "disk-ctk.vmdk")


@pytest.mark.parametrize(
    ("at", "value"),
    [(4, 9), (20, 0), (20, 1 << 40), (44, 0), (44, 513), (64, 1 << 40)],
    ids=["version", "no grain", "huge grain", "no table", "huge table", "cut off"],
)
def test_impossible_parameters_are_refused(at: int, value: int) -> None:
    image = bytearray(vmdk.sparse(CAPACITY, b""))
    size = 4 if at in (4, 44) else 8
    image[at : at + size] = value.to_bytes(size, "little")

    with pytest.raises(ImageError):
        read(bytes(image))


@given(st.binary(max_size=400), st.integers(1, 3000), st.binary(max_size=10))
def test_any_descriptor_is_read_or_refused(unit: bytes, times: int, tail: bytes) -> None:
    with contextlib.suppress(ImageError):
        parse_descriptor((unit * times)[: MiB - 1] + tail)


@pytest.mark.parametrize(
    "unit",
    [b"RW ", b"RW\n", b"\n", b" ", b"RW 1 F", b"1", b'RW 1 FLAT "x\n', b"a=", b"a \n", b"\x0b\n"],
    ids=repr,
)
def test_a_descriptor_of_the_largest_size_is_read_in_bounded_time(unit: bytes) -> None:
    """A megabyte of what makes regular expressions and lists slow; measured at 0.2 s at most."""
    text = (unit * MiB)[: MiB - 1]
    start = time.process_time()

    with contextlib.suppress(ImageError):
        parse_descriptor(text)

    assert time.process_time() - start < 5
