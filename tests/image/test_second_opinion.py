"""oslo.utils' format inspector, OpenStack's gate for uploaded images, asked about the same images.

The verdict compared: may an image from a stranger be handed to QEMU? Ours is *no* when the strict rules refuse to name a format, when
the header is malformed, or when it refers to anything or has a feature nobody knows. Whatever oslo.utils refuses we refuse, except:

* QED images: oslo.utils refuses them all, as a format nobody should use; ours only those with a backing file.
* LUKS: oslo.utils has an opinion on the contents only with the passphrase at hand.
* Text descriptors and ESX extents of VMDK: oslo.utils does not know them and calls them raw.
* Sparse VMDKs whose descriptor is missing, or has a line oslo.utils does not understand: ours is read as QEMU reads it (`test_vmdk`).
* qcow2 with extended L2 entries: a feature oslo.utils does not know, QEMU has had it since 5.2.
* A qcow2 that says where its backing file's name is, and that it has no bytes: no backing file to QEMU and libvirt.
* Raw disks with an odd partition table: oslo.utils checks MBR entries; contents of a raw disk are no danger to QEMU.
"""

import io
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oslo_utils.imageutils import format_inspector
from tests.image import test_qcow2 as qcow2
from tests.image.makers import vdi, vhd, vhdx, vmdk
from tests.image.test_against_qemu import Case, create
from tests.image.test_probe import KNOWN, POLYGLOTS
from tests.image.windows import bytes_window
from tests.live.storage import QemuImg

from diskchain.errors import ImageError
from diskchain.image.inspect import inspect
from diskchain.image.probe import probe

MiB = 1 << 20


def we_refuse(image: bytes) -> str | None:
    """Why we would not hand this image to QEMU."""
    try:
        format = probe(bytes_window(image), "untrusted")
        header = inspect(bytes_window(image), format, full=True)
    except ImageError as error:
        return str(error)
    if header.backing or (header.identity and header.identity.parent):
        return "refers to a backing file"
    if header.data_file is not None or header.extents:
        return "refers to other files"
    if header.features and header.features.unknown_incompatible:
        return "has features nobody knows"
    return None


def oslo_refuses(image: bytes) -> str | None:
    """Why oslo.utils would not."""
    wrapper = format_inspector.InspectWrapper(io.BytesIO(image))
    while wrapper.read(65536):
        pass
    wrapper.close()
    try:
        found = wrapper.format
        if found is None:
            return "no format"
        found.safety_check()
    except (format_inspector.ImageFormatError, format_inspector.SafetyCheckFailed) as error:
        return f"{type(error).__name__}: {error}"
    return None


_NO_OPINION = ("luks", "qed", "partitions", "vmdk sparse", "vmdk stream")


@pytest.mark.parametrize("name", [name for name in KNOWN if name not in _NO_OPINION])
def test_what_oslo_refuses_of_known_signatures_we_refuse(name: str) -> None:
    image = KNOWN[name][0]

    assert we_refuse(image) or not oslo_refuses(image)


@pytest.mark.parametrize("name", POLYGLOTS)
def test_what_is_in_two_formats_we_refuse_whether_or_not_oslo_does(name: str) -> None:
    assert we_refuse(POLYGLOTS[name][0])


@pytest.mark.parametrize("name", ["qcow2 that is an ISO", "qcow2 that is a VDI", "qcow2 that boots as raw"])
def test_oslo_refuses_the_same_two_formats(name: str) -> None:
    assert "Multiple formats" in (oslo_refuses(POLYGLOTS[name][0]) or "")


_SAFE = [
    Case("qcow2"),
    Case("qcow2", options=("compat=0.10",)),
    Case("qcow2", options=("compression_type=zstd,lazy_refcounts=on",)),
    Case("vdi"),
    Case("vhdx"),
    Case("vpc", options=("force_size=on",)),
    Case("vmdk"),
    Case("vmdk", options=("subformat=streamOptimized",)),
    Case("raw"),
]
_UNSAFE = [
    Case("qcow2", backing="base.raw", backing_format="raw"),
    Case("qcow2", backing="json:{}", backing_format="raw"),
    Case("qcow2", options=("data_file=content.raw",)),
]


@pytest.mark.parametrize("case", _SAFE, ids=str)
def test_both_accept_images_that_refer_to_nothing(qemu_img: QemuImg, case: Case, tmp_path: Path) -> None:
    image = create(qemu_img, case._replace(size=MiB), tmp_path).read_bytes()

    assert (we_refuse(image), oslo_refuses(image)) == (None, None)


@pytest.mark.parametrize("case", _UNSAFE, ids=str)
def test_both_refuse_images_that_refer_to_other_files(qemu_img: QemuImg, case: Case, tmp_path: Path) -> None:
    image = create(qemu_img, case._replace(size=MiB), tmp_path).read_bytes()

    assert we_refuse(image)
    assert oslo_refuses(image)


@pytest.mark.parametrize(
    "image",
    [
        vmdk.sparse(MiB, vmdk.descriptor(['RW 2048 SPARSE "/etc/passwd"'], parent="base.vmdk")),
        vmdk.sparse(MiB, vmdk.descriptor(['RW 2048 FLAT "x" 0'], create_type="monolithicFlat", parent="b")),
        (b"QFI\xfb\0\0\0\3").ljust(79, b"\0") + b"\x20" + bytes(65536),
    ],
    ids=["VMDK with a path", "flat VMDK", "unknown feature"],
)
def test_both_refuse_what_was_crafted(image: bytes) -> None:
    assert we_refuse(image)
    assert oslo_refuses(image)


@pytest.mark.parametrize(
    "image",
    [
        vhd.differencing(MiB, vhd.NIL, vhd.Parent(vhd.NIL, vhd.EPOCH, "base.vhd", {})),
        vhdx.make(vhdx.Vhdx(locator={"relative_path": ".\\base.vhdx"})),
        vdi.make(vdi.Vdi(link=UUID(int=1), kind=vdi.DIFFERENCING)),
    ],
    ids=["VHD", "VHDX", "VDI"],
)
def test_we_refuse_differencing_images_that_oslo_lets_through(image: bytes) -> None:
    assert we_refuse(image)
    assert not oslo_refuses(image)


_MUTATED = {
    "vdi": vdi.make(vdi.Vdi(capacity=MiB)),
    "vhdx": vhdx.make(vhdx.Vhdx(capacity=MiB)),
    "vmdk": vmdk.sparse(MiB, vmdk.descriptor(['RW 2048 SPARSE "x.vmdk"'])),
    "qcow2": qcow2.header(capacity=MiB).ljust(65536 + 512, b"\0"),
}


@settings(max_examples=300)
@given(
    st.integers(4, 111).flatmap(lambda at: st.tuples(st.just(at), st.binary(min_size=1, max_size=4))),
    st.sampled_from(["vdi", "vhdx", "qcow2"]),
)
def test_what_oslo_refuses_after_any_change_to_a_header_we_refuse(change: tuple[int, bytes], kind: str) -> None:
    image = bytearray(_MUTATED[kind])
    at, put = change
    image[at : at + len(put)] = put

    refusal = oslo_refuses(bytes(image))
    assert we_refuse(bytes(image)) or not refusal or (kind == "qcow2" and _tolerated(image, refusal))


def _tolerated(qcow2: bytearray, refusal: str) -> bool:
    """Whether oslo.utils refuses for the listed differences alone."""
    allowed = set()
    if qcow2[16:20] == bytes(4):
        allowed.add("backing_file")
    if qcow2[79] & 0x10:
        allowed.add("unknown_features")
    return {check.strip() for check in refusal.rpartition(":")[2].split(",")} <= allowed


def test_the_images_to_change_are_accepted_unchanged_by_both() -> None:
    for image in _MUTATED.values():
        assert (we_refuse(image), oslo_refuses(image)) == (None, None)


@pytest.mark.parametrize(
    ("name", "theirs"), [("qcow2 v3", "qcow2"), ("vdi", "vdi"), ("vhdx", "vhdx"), ("vpc dynamic", "vhd")]
)
def test_probing_names_the_format_oslo_names(name: str, theirs: str) -> None:
    wrapper = format_inspector.InspectWrapper(io.BytesIO(KNOWN[name][0]))
    while wrapper.read(65536):
        pass
    wrapper.close()

    assert str(wrapper.format) == theirs
