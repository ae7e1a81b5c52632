"""What a whole chain says of its layers: sizes, flags and declarations that do not fit together."""

from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.checks.examining import MakeImage, declared, image, mend, only, refused, told
from tests.discover.chains import discover, overlay
from tests.image.makers import vhd
from tests.live.daemons import Libvirtd, libvirt
from tests.live.domains import PausedDomain
from tests.live.peers import requires
from tests.live.storage import QemuImg

from diskchain.behaviours import for_versions
from diskchain.checks.consistency import Quiet, _unremarkable, examine
from diskchain.checks.messages import backing_on_raw
from diskchain.checks.relations import Use, User
from diskchain.checks.remarks import remarks
from diskchain.discover import BackingChain, Discoverer, Layer, Origin
from diskchain.findings import KINDS, Severity
from diskchain.image.encryption import ImageEncryption
from diskchain.image.header import BackingReference, Features, Identity, ImageHeader
from diskchain.readers.file_facts import ImageFacts
from diskchain.readers.policy import OpenPolicy
from diskchain.storage.location import FileLocation, NetworkLocation, VolumeLocation
from diskchain.storage.slice import Slice
from diskchain.storage.source import TERMINATOR, Source, stack
from diskchain.storage.terms import Format, Protocol, StorageType

__all__ = ["image"]

MiB = 1 << 20


def patched(path: Path, at: int, data: bytes) -> Path:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)
    return path


def test_an_ordinary_chain_has_no_findings(qemu_img: QemuImg, image: MakeImage, tmp_path: Path) -> None:
    image("base.qcow2")
    overlay(qemu_img, tmp_path / "mid.qcow2", "base.qcow2")
    assert not examine(discover(overlay(qemu_img, tmp_path / "top.qcow2", "mid.qcow2")))


@pytest.mark.parametrize("format", ["raw", "qcow2", "qed", "vmdk", "vdi", "vpc", "vhdx", "parallels", "qcow", "luks"])
def test_a_fresh_image_of_any_format_has_no_findings(qemu_img: QemuImg, tmp_path: Path, format: str) -> None:
    secret = tmp_path / "passphrase"
    secret.write_text("12345678")
    unlock = ("--object", f"secret,id=s,file={secret}", "-o", "key-secret=s,iter-time=10") if format == "luks" else ()
    qemu_img("create", "-q", "-f", format, *unlock, tmp_path / "image", "16M")
    assert not examine(discover(tmp_path / "image", Format(format)))


def test_a_broken_chain_is_examined_as_far_as_it_is_known(qemu_img: QemuImg, tmp_path: Path) -> None:
    chain = discover(overlay(qemu_img, tmp_path / "top.qcow2", str(tmp_path / "gone.qcow2")))
    assert told(chain) == [(0, "absolute-reference", Severity.INFO)]


def test_layers_elsewhere_are_notremarks() -> None:
    remote = Source(NetworkLocation(Protocol.NBD, "disk"), Format.QCOW2)
    assert not examine(Discoverer().discover(remote))


def test_an_overlay_that_is_smaller_than_its_base_hides_data(
    qemu_img: QemuImg, image: MakeImage, tmp_path: Path
) -> None:
    image("base.qcow2", "2M")
    chain = discover(overlay(qemu_img, tmp_path / "top.qcow2", "base.qcow2"))
    assert told(chain) == [(0, "capacity-mismatch", Severity.WARNING)]
    assert "1 MiB, against 2 MiB" in only(chain).message


def test_a_larger_overlay_is_how_cloud_images_are_used(qemu_img: QemuImg, image: MakeImage, tmp_path: Path) -> None:
    image("base.qcow2", "512K")
    chain = discover(overlay(qemu_img, tmp_path / "top.qcow2", "base.qcow2"))
    assert told(chain) == [(0, "capacity-mismatch", Severity.INFO)]


def test_nothing_is_offered_where_qemu_can_neither_resize_nor_rebase(
    qemu_img: QemuImg, image: MakeImage, tmp_path: Path
) -> None:
    image("base.vmdk", "2M", "vmdk")
    top = tmp_path / "top.vmdk"
    qemu_img("create", "-q", "-f", "vmdk", "-b", tmp_path / "base.vmdk", "-F", "vmdk", top, "1M")
    found = next(each for _, each in examine(discover(top, Format.VMDK)) if each.id == "capacity-mismatch")
    assert found.fix is None


def test_a_directory_that_an_overlay_names_is_no_storage(qemu_img: QemuImg, image: MakeImage, tmp_path: Path) -> None:
    base = image("base.raw", "1M", "raw")
    top = overlay(qemu_img, tmp_path / "top.qcow2", "base.raw", "raw")
    base.unlink()
    base.mkdir()
    assert told(discover(top)) == [(1, "not-storage", Severity.ERROR)]


def test_a_raw_base_that_ends_within_a_sector_fits_its_overlay(qemu_img: QemuImg, tmp_path: Path) -> None:
    (tmp_path / "base.raw").write_bytes(bytes(MiB - 100))
    assert not examine(discover(overlay(qemu_img, tmp_path / "top.qcow2", "base.raw", "raw")))


@requires("losetup", "root")
def test_a_volume_rounded_up_to_its_extents_is_not_larger(
    qemu_img: QemuImg, loop_device: Callable[[Path], Path], tmp_path: Path
) -> None:
    volume = tmp_path / "volume"
    volume.write_bytes(bytes(4 * MiB))
    top = overlay(qemu_img, tmp_path / "top.qcow2", str(loop_device(volume)), "raw")
    # Who may write to a loop device is the host's business.
    assert not [found.id for _, found in examine(discover(top)) if found.id != "world-writable-base"]


def test_of_a_sliced_container_the_slice_counts(image: MakeImage, tmp_path: Path) -> None:
    container = tmp_path / "container"
    container.write_bytes(bytes(4 * MiB))
    base = Source(FileLocation(str(container)), Format.RAW, slice=Slice(65536, MiB))
    top = Source(FileLocation(str(image("top.qcow2"))), Format.QCOW2)
    assert not examine(Discoverer().discover(stack([top, base], TERMINATOR)))
    larger = base._replace(slice=Slice(0, 2 * MiB))
    chain = Discoverer().discover(stack([top, larger], TERMINATOR))
    assert told(chain) == [(0, "capacity-mismatch", Severity.WARNING)]


def test_a_top_image_in_use_is_a_note_and_a_dirty_base_a_warning(
    qemu_img: QemuImg, image: MakeImage, tmp_path: Path
) -> None:
    base = patched(image("base.qcow2", "1M", "qcow2", "lazy_refcounts=on"), 72, (1).to_bytes(8))
    assert told(discover(base)) == [(0, "dirty", Severity.INFO)]
    chain = discover(overlay(qemu_img, tmp_path / "top.qcow2", "base.qcow2"))
    assert told(chain) == [(1, "dirty", Severity.WARNING)]


def test_a_parallels_image_in_use_does_not_open_again_or_is_repaired(qemu_img: QemuImg, image: MakeImage) -> None:
    path = patched(image("disk.hdd", "16M", "parallels"), 44, (0x746F6E59).to_bytes(4, "little"))
    found = only(discover(path, Format.PARALLELS))
    assert (found.id, found.severity) == ("dirty", Severity.WARNING)
    repairs = for_versions(found, qemu_img.versions).severity is Severity.INFO
    assert refused("qemu-io", "-f", "parallels", "-c", "read 0 512", path) != repairs
    mend(qemu_img, found)
    assert not examine(discover(path, Format.PARALLELS))


def test_an_image_marked_corrupt_is_an_error_until_it_is_repaired(qemu_img: QemuImg, image: MakeImage) -> None:
    path = patched(image("disk.qcow2"), 72, (2).to_bytes(8))
    assert told(discover(path)) == [(0, "corrupt", Severity.ERROR)]
    qemu_img("check", "-q", "-r", "all", "-f", "qcow2", path)
    assert not examine(discover(path))


def test_a_feature_nobody_knows_is_named_as_the_image_names_it(image: MakeImage) -> None:
    path = patched(image("disk.qcow2"), 72, (1 << 20).to_bytes(8))
    assert told(discover(path)) == [(0, "unknown-incompatible-feature", Severity.ERROR)]
    assert "bit 20" in only(discover(path)).message
    assert refused("qemu-img", "info", path)


@pytest.mark.parametrize("format", ["qcow2", "qcow"])
def test_the_old_aes_encryption_can_be_converted_by_its_fix(qemu_img: QemuImg, tmp_path: Path, format: str) -> None:
    secret, path = tmp_path / "passphrase", tmp_path / "a,disk"
    secret.write_text("12345678")
    options = ("-o", "encrypt.format=aes,encrypt.key-secret=s")
    qemu_img("create", "-q", "-f", format, "--object", f"secret,id=s,file={secret}", *options, path, "1M")
    found = only(discover(path, Format(format)))
    assert (found.id, found.severity) == ("legacy-qcow2-encryption", Severity.ERROR)
    mend(qemu_img, found, PASSPHRASE_FILE=secret, NEW_IMAGE=tmp_path / "new.qcow2")
    assert not examine(discover(tmp_path / "new.qcow2"))


def test_what_is_odd_about_a_header_is_a_warning(tmp_path: Path) -> None:
    footer = vhd.footer(vhd.FIXED, 4 * MiB, UUID(int=1), creator=b"wa\0\0", geometry=(120, 4, 17))
    (tmp_path / "disk.vhd").write_bytes(bytes(4 * MiB) + footer)
    found = only(discover(tmp_path / "disk.vhd", Format.VPC))
    assert (found.id, found.severity) == ("malformed", Severity.WARNING)


def test_a_document_that_puts_a_backing_file_below_raw_is_refused(image: MakeImage) -> None:
    chain = declared((image("top.raw", "1M", "raw"), Format.RAW), (image("base.qcow2"), Format.QCOW2))
    assert told(chain) == [(0, "backing-on-raw", Severity.ERROR)]


@pytest.mark.parametrize("format", [Format.RAW, Format.VPC])
def test_libvirt_refuses_a_backing_file_below_raw_as_the_finding_says(
    qemu_img: QemuImg,
    image_dir: Path,
    paused_domain: Callable[..., PausedDomain],
    libvirtd: Libvirtd,
    format: Format,
) -> None:
    qemu_img("create", "-q", "-f", str(format), image_dir / "top.raw", "1M")
    qemu_img("create", "-q", "-f", "qcow2", image_dir / "base.qcow2", "1M")
    disk = (
        f"<disk type='file'><driver name='qemu' type='{format}'/><source file='{image_dir}/top.raw'/><backingStore type='file'>"
        f"<format type='qcow2'/><source file='{image_dir}/base.qcow2'/><backingStore/></backingStore><target dev='vda'/></disk>"
    )
    found = for_versions(backing_on_raw("top.raw", format, "base.qcow2"), libvirtd.versions)
    if found.stops is None:
        assert "the guest sees that layer alone" in found.message
        paused_domain(disk)
    else:
        with pytest.raises(libvirt.libvirtError, match="does not support backing store"):
            paused_domain(disk)


def test_a_document_may_declare_what_the_overlay_records(qemu_img: QemuImg, image: MakeImage, tmp_path: Path) -> None:
    base = image("base.qcow2")
    top = overlay(qemu_img, tmp_path / "top.qcow2", "base.qcow2")
    assert not examine(declared((top, Format.QCOW2), (base, Format.QCOW2)))


def test_declared_raw_against_recorded_qcow2_shows_the_guest_a_container(
    qemu_img: QemuImg, image: MakeImage, tmp_path: Path
) -> None:
    base = image("base.qcow2")
    top = overlay(qemu_img, tmp_path / "top.qcow2", "base.qcow2")
    found = told(declared((top, Format.QCOW2), (base, Format.RAW)))
    assert (0, "format-mismatch", Severity.ERROR) in found


def test_a_wrong_record_that_the_document_overrules_is_a_warning(
    qemu_img: QemuImg, image: MakeImage, tmp_path: Path
) -> None:
    base = image("base.qcow2")
    top = overlay(qemu_img, tmp_path / "top.qcow2", "base.qcow2", "raw")
    found = told(declared((top, Format.QCOW2), (base, Format.QCOW2)))
    assert found == [(0, "format-mismatch", Severity.WARNING)]


def test_a_chain_that_is_deeper_than_it_should_be_is_a_warning_once(
    qemu_img: QemuImg, image: MakeImage, tmp_path: Path
) -> None:
    name = image("0.qcow2").name
    for number in range(1, 4):
        name = overlay(qemu_img, tmp_path / f"{number}.qcow2", name).name
    chain = discover(tmp_path / name)
    assert not told(chain, depth_warning=4)
    assert told(chain, depth_warning=3) == [(0, "chain-deeper-than", Severity.WARNING)]


def test_a_chain_too_deep_to_be_followed_is_not_called_deep_as_well(
    qemu_img: QemuImg, image: MakeImage, tmp_path: Path
) -> None:
    image("base.qcow2")
    overlay(qemu_img, tmp_path / "mid.qcow2", "base.qcow2")
    top = Source(FileLocation(str(overlay(qemu_img, tmp_path / "top.qcow2", "mid.qcow2"))), Format.QCOW2)
    chain = Discoverer(OpenPolicy(depth=2)).discover(top)
    assert [found.id for found in chain.findings] == ["too-deep"]
    assert not told(chain, depth_warning=1)


# ------------------------------------------------------------------------------------------- plain tests and full ones


@st.composite
def chains(draw: st.DrawFn) -> list[Layer]:
    """Layers of every sort, joined at random, top first."""
    below: Layer | None = None
    chain = []
    for name in draw(st.lists(st.sampled_from(["/a/x", "/a/b/y", "/z", "w", ""]), min_size=1, max_size=4)):
        capacity, format = draw(st.sampled_from([MiB, 2 * MiB])), draw(st.sampled_from(list(Format)))
        named = st.builds(
            BackingReference,
            st.sampled_from(["x", "/a/x", "/a/b/y", "json:{}", "nbd://h/x"]),
            st.sampled_from([None, "raw", "qcow2", "luks"]),
            st.booleans(),
        )
        header = draw(
            st.none()
            | st.builds(
                ImageHeader,
                st.just(format),
                st.just(capacity),
                backing=st.none() | named,
                data_file=st.sampled_from([None, None, "data"]),
                encryption=st.sampled_from([None, ImageEncryption("aes"), ImageEncryption("luks1")]),
                features=st.sampled_from([None, Features(), Features(unknown_incompatible=("bit 9",))]),
                dirty=st.booleans(),
                corrupt=st.booleans(),
                identity=st.none() | st.builds(Identity, *[st.sampled_from([None, "1", "2"])] * 2),
                remarks=st.sampled_from([(), (("malformed", "odd"),)]),
            )
        )
        mode = draw(st.sampled_from([0o100644, 0o100664, 0o100666]))
        facts = ImageFacts(StorageType.FILE, capacity, 1, 1, mode)
        origin = draw(st.sampled_from(list(Origin)))
        source = Source(draw(st.sampled_from([FileLocation(name), VolumeLocation("pool", "x")])), format)
        below = Layer(source, below, origin, header, draw(st.sampled_from([None, facts])))
        chain.append(below)
    return chain[::-1]


@st.composite
def families(draw: st.DrawFn) -> list[BackingChain]:
    """Chains that share layers, in any order, and some of them twice."""
    stock = [layer for chain in draw(st.lists(chains(), min_size=1, max_size=2)) for layer in chain]
    plain = ImageHeader(Format.QCOW2, MiB, backing=BackingReference("x", "qcow2"))
    for number in range(draw(st.integers(0, 6))):
        mode = draw(st.sampled_from([0o100644, 0o100644, 0o100666]))
        facts = ImageFacts(StorageType.FILE, MiB, 1, number, mode)
        below = draw(st.sampled_from(stock))
        stock.append(Layer(Source(FileLocation(f"/a/{number}"), Format.QCOW2), below, Origin.RECORDED, plain, facts))
    return [BackingChain(layer) for layer in draw(st.lists(st.sampled_from(stock), min_size=1, max_size=12))]


@given(
    families(),
    st.sampled_from([1, 3, 30]),
    st.sampled_from(
        [{}, {(1, 1): Use((User("vda of vm", "vm", "vda", shareable=False),), (), 2, frozenset({("db", "vda")}))}]
    ),
)
@settings(max_examples=150)
def test_what_is_passed_over_as_known_changes_no_finding(
    family: list[BackingChain], depth: int, used: dict[tuple[int, int], Use]
) -> None:
    quiet: Quiet = {}
    for chain in family:
        alone = examine(chain, depth_warning=depth, used=used)
        assert examine(chain, depth_warning=depth, used=used, quiet=quiet) == alone


def test_a_base_under_many_overlays_is_examined_once() -> None:
    header = ImageHeader(Format.QCOW2, MiB, backing=BackingReference("x", "qcow2"))
    base = Layer(Source(FileLocation("/a/base"), Format.RAW), None, Origin.RECORDED, ImageHeader(Format.RAW, MiB))
    middle = Layer(Source(FileLocation("/a/middle"), Format.QCOW2), base, Origin.RECORDED, header)
    quiet: Quiet = {}
    for number in range(3):
        top = Layer(Source(FileLocation(f"/a/{number}"), Format.QCOW2), middle, Origin.DECLARED, header)
        assert examine(BackingChain(top), quiet=quiet) == ()
        assert [(known[0], known[1], known[2]) for known in quiet.values()] == [(middle, 2, base)]


@given(chains())
def test_no_layer_that_passes_the_plain_tests_has_a_finding(chain: list[Layer]) -> None:
    above: Layer | None = None
    for layer in chain:
        if _unremarkable(layer, above):
            assert not list(remarks(layer, above, (), {}))
        above = layer


@given(chains())
def test_every_finding_is_of_a_kind_in_the_table_and_one_line(chain: list[Layer]) -> None:
    for position, found in examine(BackingChain(chain[0]), depth_warning=2):
        assert 0 <= position < len(chain)
        assert found.id in KINDS
        assert found.message.isprintable()
