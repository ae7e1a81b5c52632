"""Discovery follows real chains by libvirt's rules, and names faults instead of stopping at them."""

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.discover.chains import discover, ids, overlay, paths, unrecorded_overlay
from tests.image.makers import vmdk
from tests.live.storage import QemuImg

from diskchain.discover import Discoverer, Origin
from diskchain.findings import Severity
from diskchain.readers.policy import LIBVIRT, STRICT, UPLOAD, OpenPolicy
from diskchain.storage.encryption import Encryption, EncryptionFormat
from diskchain.storage.location import BlockLocation, DirLocation, FileLocation
from diskchain.storage.seclabel import SecLabel
from diskchain.storage.source import DETECTED_TERMINATOR, TERMINATOR, UNKNOWN, Source
from diskchain.storage.terms import Format


@pytest.fixture
def base(tmp_path: Path) -> Path:
    path = tmp_path / "base.raw"
    path.write_bytes(bytes(1 << 20))
    return path


def test_a_chain_is_followed_to_its_raw_base(qemu_img: QemuImg, base: Path, tmp_path: Path) -> None:
    overlay(qemu_img, tmp_path / "mid.qcow2", str(base), "raw")
    top = overlay(qemu_img, tmp_path / "top.qcow2", str(tmp_path / "mid.qcow2"))
    chain = discover(top)
    assert paths(chain) == [str(top), str(tmp_path / "mid.qcow2"), str(base)]
    assert [layer.origin for layer in chain.layers] == [Origin.DECLARED, Origin.RECORDED, Origin.RECORDED]
    assert chain.complete
    assert not ids(chain)


def test_layers_found_are_detected_and_read_only(qemu_img: QemuImg, base: Path, tmp_path: Path) -> None:
    top = overlay(qemu_img, tmp_path / "top.qcow2", str(base), "raw")
    below = discover(top).source.backing
    assert isinstance(below, Source)
    assert below.detected
    assert below.readonly
    assert below.backing is DETECTED_TERMINATOR


def test_layers_found_inherit_security_labels_and_sharing(qemu_img: QemuImg, base: Path, tmp_path: Path) -> None:
    top = overlay(qemu_img, tmp_path / "top.qcow2", str(base), "raw")
    label = SecLabel("dac", relabel=False)
    source = Source(FileLocation(str(top)), Format.QCOW2, seclabels=(label,), shared=True)
    below = Discoverer().discover(source).source.backing
    assert isinstance(below, Source)
    assert below.seclabels == (label,)
    assert below.shared


def test_a_relative_name_is_resolved_against_the_overlay_as_named(qemu_img: QemuImg, base: Path) -> None:
    tmp_path = base.parent
    (tmp_path / "sub").mkdir()
    overlay(qemu_img, tmp_path / "sub" / "mid.qcow2", "../base.raw", "raw")
    top = overlay(qemu_img, tmp_path / "top.qcow2", "sub/mid.qcow2")
    assert paths(discover(top)) == [str(top), f"{tmp_path}/sub/mid.qcow2", f"{tmp_path}/sub/../base.raw"]


def test_a_symlinked_overlay_resolves_names_beside_the_symlink(qemu_img: QemuImg, tmp_path: Path) -> None:
    (tmp_path / "base.raw").touch()
    overlay(qemu_img, tmp_path / "top.qcow2", "base.raw", "raw")
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "elsewhere" / "link.qcow2"
    link.symlink_to(tmp_path / "top.qcow2")
    chain = discover(link)
    assert paths(chain)[1] == f"{tmp_path}/elsewhere/base.raw"
    assert ids(chain) == ["missing"]


def test_an_undeclared_top_is_raw_and_says_what_it_looks_like(qemu_img: QemuImg, base: Path, tmp_path: Path) -> None:
    top = overlay(qemu_img, tmp_path / "top.qcow2", str(base), "raw")
    chain = discover(top, None)
    assert paths(chain) == [str(top)]
    assert chain.source.format is Format.RAW
    assert ids(chain) == ["format-assumed-raw"]


def test_an_undeclared_top_is_probed_when_asked(qemu_img: QemuImg, base: Path, tmp_path: Path) -> None:
    top = overlay(qemu_img, tmp_path / "top.qcow2", str(base), "raw")
    chain = discover(top, None, probe=True)
    assert paths(chain) == [str(top), str(base)]
    assert chain.top.origin is Origin.PROBED


def test_an_unrecorded_format_is_inferred_when_nothing_is_below(qemu_img: QemuImg, base: Path, tmp_path: Path) -> None:
    top = unrecorded_overlay(qemu_img, tmp_path / "top.qcow2", str(base))
    chain = discover(top)
    assert chain.complete
    found = next(chain.findings)
    assert (found.id, found.severity) == ("format-not-recorded", Severity.WARNING)
    assert found.fix == f"qemu-img rebase -u -b {base} -F raw {top}"


def test_an_unrecorded_format_is_refused_when_something_is_below(qemu_img: QemuImg, base: Path, tmp_path: Path) -> None:
    mid = overlay(qemu_img, tmp_path / "mid.qcow2", str(base), "raw")
    chain = discover(unrecorded_overlay(qemu_img, tmp_path / "top.qcow2", str(mid)))
    assert paths(chain)[1:] == [str(mid)]
    assert not chain.complete
    assert next(chain.findings).severity is Severity.ERROR


def test_a_format_name_libvirt_does_not_know_is_raw(qemu_img: QemuImg, base: Path, tmp_path: Path) -> None:
    top = overlay(qemu_img, tmp_path / "top.qcow2", str(base), "raw")
    top.write_bytes(top.read_bytes().replace(b"\0\0\0\x03raw\0", b"\0\0\0\x03nbd\0"))
    chain = discover(top)
    assert [layer.source.format for layer in chain.layers] == [Format.QCOW2, Format.RAW]
    assert ids(chain) == ["format-unknown"]


def test_a_missing_layer_is_shown_and_named(qemu_img: QemuImg, tmp_path: Path) -> None:
    top = overlay(qemu_img, tmp_path / "top.qcow2", "gone.qcow2")
    chain = discover(top)
    assert paths(chain) == [str(top), f"{tmp_path}/gone.qcow2"]
    (found,) = chain.findings
    assert (found.id, found.file, found.referrer) == ("missing", f"{tmp_path}/gone.qcow2", str(top))
    assert not chain.complete


def test_a_declared_chain_is_taken_as_it_is(qemu_img: QemuImg, base: Path, tmp_path: Path) -> None:
    top = overlay(qemu_img, tmp_path / "top.qcow2", "gone.qcow2")
    declared = Source(FileLocation(str(base)), Format.RAW, TERMINATOR, readonly=True)
    chain = Discoverer().discover(Source(FileLocation(str(top)), Format.QCOW2, declared))
    assert paths(chain) == [str(top), str(base)]
    assert chain.source.backing == declared


def test_a_terminator_above_more_files_is_respected(qemu_img: QemuImg, base: Path, tmp_path: Path) -> None:
    top = overlay(qemu_img, tmp_path / "top.qcow2", str(base), "raw")
    chain = Discoverer().discover(Source(FileLocation(str(top)), Format.QCOW2, TERMINATOR))
    assert paths(chain) == [str(top)]
    assert ids(chain) == ["terminated-early"]


def test_detection_goes_on_below_the_last_declared_layer(qemu_img: QemuImg, base: Path, tmp_path: Path) -> None:
    mid = overlay(qemu_img, tmp_path / "mid.qcow2", str(base), "raw")
    top = overlay(qemu_img, tmp_path / "top.qcow2", str(mid))
    declared = Source(FileLocation(str(mid)), Format.QCOW2, readonly=True)
    chain = Discoverer().discover(Source(FileLocation(str(top)), Format.QCOW2, declared))
    assert [layer.source.detected for layer in chain.layers] == [False, False, True]


@pytest.mark.parametrize("name", ["top.qcow2", "./top.qcow2", "link.qcow2", "sub/../top.qcow2"])
def test_a_loop_is_found_whatever_its_names(qemu_img: QemuImg, tmp_path: Path, name: str) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "link.qcow2").symlink_to("top.qcow2")
    overlay(qemu_img, tmp_path / "mid.qcow2", name)
    top = overlay(qemu_img, tmp_path / "top.qcow2", "mid.qcow2")
    started = time.perf_counter()
    chain = discover(top)
    assert time.perf_counter() - started < 0.1
    assert ids(chain) == ["loop"]
    assert len(paths(chain)) == 2
    assert chain.source.backing is not UNKNOWN


@pytest.mark.parametrize("kind", ["fifo", "socket", "character device"])
def test_what_is_no_storage_is_never_opened(qemu_img: QemuImg, tmp_path: Path, kind: str) -> None:
    path = tmp_path / "odd"
    with socket.socket(socket.AF_UNIX) as listener:
        if kind == "fifo":
            os.mkfifo(path)
        elif kind == "socket":
            listener.bind(str(path))
        else:
            path = Path("/dev/tty")
        top = overlay(qemu_img, tmp_path / "top.qcow2", str(path))
        started = time.perf_counter()
        chain = discover(top)
        assert time.perf_counter() - started < 1  # an open would wait for ever
    assert ids(chain) == ["not-storage"]


def test_a_directory_is_shown_as_fat_below(qemu_img: QemuImg, tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    chain = discover(overlay(qemu_img, tmp_path / "top.qcow2", "dir", "raw"))
    below = list(chain.layers)[1]
    assert below.source.location == DirLocation(f"{tmp_path}/dir")
    assert below.source.format is Format.DIR


def test_a_block_device_is_recognised(
    qemu_img: QemuImg, base: Path, tmp_path: Path, loop_device: Callable[[Path], Path]
) -> None:
    device = loop_device(base)
    chain = discover(overlay(qemu_img, tmp_path / "top.qcow2", str(device), "raw"))
    below = list(chain.layers)[1]
    assert below.source.location == BlockLocation(str(device))
    assert below.header is not None
    assert below.header.capacity == 1 << 20


def test_what_a_guest_wrote_into_its_data_file_is_no_header(qemu_img: QemuImg, tmp_path: Path) -> None:
    top, data = tmp_path / "top.qcow2", tmp_path / "data"
    qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={data},data_file_raw=on", top, "1M")
    for start in (b"LUKS\xba\xbe\0\x01", b"LUKS\xba\xbe\0\x09"):
        data.write_bytes(start.ljust(1 << 20, b"\xff"))
        chain = discover(top)
        assert not ids(chain)
        assert chain.top.data_file is not None
        assert chain.top.data_file.source.encryption is None
        assert chain.top.data_file.header is not None
        assert chain.top.data_file.header.capacity == 1 << 20


def test_a_data_file_that_is_missing_or_a_directory_is_told(qemu_img: QemuImg, tmp_path: Path) -> None:
    top, data = tmp_path / "top.qcow2", tmp_path / "data"
    qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={data}", top, "1M")
    data.unlink()
    [found] = discover(top).findings
    assert (found.id, found.referrer) == ("missing", str(top))
    data.mkdir()
    assert [(each.id, each.fix) for each in discover(top).findings] == [("not-storage", None)]


def test_a_data_file_is_followed(qemu_img: QemuImg, tmp_path: Path) -> None:
    top = tmp_path / "top.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={tmp_path}/data", top, "1M")
    chain = discover(top)
    data = chain.source.data_file
    assert data is not None
    assert (data.location, data.format) == (FileLocation(f"{tmp_path}/data"), Format.RAW)
    (tmp_path / "data").unlink()
    assert ids(discover(top)) == ["missing"]


def test_encryption_in_a_header_is_taken_over_without_a_secret(qemu_img: QemuImg, tmp_path: Path) -> None:
    base = tmp_path / "base.qcow2"
    secret = ("--object", "secret,id=s,data=passphrase")
    luks = ("-o", "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=100")
    qemu_img("create", "-q", *secret, "-f", "qcow2", *luks, base, "1M")
    below = discover(overlay(qemu_img, tmp_path / "top.qcow2", str(base))).source.backing
    assert isinstance(below, Source)
    assert below.encryption == Encryption(EncryptionFormat.LUKS)


def test_a_layer_that_is_not_what_was_recorded_is_a_mismatch(qemu_img: QemuImg, base: Path, tmp_path: Path) -> None:
    chain = discover(overlay(qemu_img, tmp_path / "top.qcow2", str(base), "qcow2"))
    (found,) = chain.findings
    assert found.id == "format-mismatch"
    assert "raw" in found.message


def test_200_layers_are_accepted_and_201_are_not(qemu_img: QemuImg, base: Path, tmp_path: Path) -> None:
    below, format = str(base), "raw"
    for number in range(200):
        path = tmp_path / f"{number}.qcow2"
        overlay(qemu_img, path, below, format)
        below, format = str(path), "qcow2"
    assert discover(tmp_path / "198.qcow2").complete
    deepest = discover(tmp_path / "199.qcow2")
    assert ids(deepest) == ["too-deep"]
    assert not deepest.complete


def test_a_base_under_many_overlays_is_one_object(qemu_img: QemuImg, base: Path, tmp_path: Path) -> None:
    mid = overlay(qemu_img, tmp_path / "mid.qcow2", str(base), "raw")
    tops = [overlay(qemu_img, tmp_path / f"{number}.qcow2", str(mid)) for number in range(5)]
    discoverer = Discoverer()
    chains = [discoverer.discover(Source(FileLocation(str(top)), Format.QCOW2)) for top in tops]
    assert len({id(chain.top.below) for chain in chains}) == 1
    assert len({id(chain.source.backing) for chain in chains}) == 1


def test_a_shared_tail_does_not_hide_that_a_chain_is_too_deep(qemu_img: QemuImg, base: Path, tmp_path: Path) -> None:
    below, format = str(base), "raw"
    for number in range(200):
        path = tmp_path / f"{number}.qcow2"
        overlay(qemu_img, path, below, format)
        below, format = str(path), "qcow2"
    discoverer = Discoverer()
    assert discoverer.discover(Source(FileLocation(str(tmp_path / "150.qcow2")), Format.QCOW2)).complete
    deepest = discoverer.discover(Source(FileLocation(str(tmp_path / "199.qcow2")), Format.QCOW2))
    assert ids(deepest) == ["too-deep"]


@pytest.mark.parametrize("policy", [LIBVIRT._replace(depth=2), STRICT._replace(depth=2), UPLOAD])
def test_it_is_the_policy_that_a_chain_is_too_deep_for(
    qemu_img: QemuImg, base: Path, tmp_path: Path, policy: OpenPolicy
) -> None:
    mid = overlay(qemu_img, tmp_path / "mid.qcow2", base.name, "raw")
    top = overlay(qemu_img, tmp_path / "top.qcow2", mid.name)
    declared = Source(FileLocation(str(mid)), Format.QCOW2)
    source = Source(FileLocation(str(top)), Format.QCOW2, declared if policy is UPLOAD else UNKNOWN)
    chain = Discoverer(policy).discover(source)
    assert ids(chain) == ["too-deep"]
    assert next(chain.findings).message.endswith(f"layer number {policy.depth}: policy {policy.name} allows no more")


def test_a_tail_is_not_shared_between_different_recorded_formats(qemu_img: QemuImg, base: Path, tmp_path: Path) -> None:
    mid = overlay(qemu_img, tmp_path / "mid.qcow2", str(base), "raw")
    first = overlay(qemu_img, tmp_path / "first.qcow2", str(mid), "qcow2")
    second = overlay(qemu_img, tmp_path / "second.qcow2", str(mid), "raw")
    discoverer = Discoverer()
    chains = [discoverer.discover(Source(FileLocation(str(top)), Format.QCOW2)) for top in (first, second)]
    assert [len(paths(chain)) for chain in chains] == [3, 2]


def test_an_image_read_as_a_layer_is_not_read_again_as_a_top(qemu_img: QemuImg, base: Path, tmp_path: Path) -> None:
    mid = overlay(qemu_img, tmp_path / "mid.qcow2", str(base), "raw")
    top = overlay(qemu_img, tmp_path / "top.qcow2", str(mid))
    discoverer = Discoverer()
    discoverer.discover(Source(FileLocation(str(top)), Format.QCOW2))
    mid.unlink()
    again = discoverer.discover(Source(FileLocation(str(mid)), Format.QCOW2))
    assert again.top.origin is Origin.DECLARED
    assert not again.source.detected
    assert paths(again) == [str(mid), str(base)]


def test_what_was_declared_for_one_disk_is_not_taken_for_another(qemu_img: QemuImg, base: Path, tmp_path: Path) -> None:
    top = overlay(qemu_img, tmp_path / "top.qcow2", str(base), "raw")
    discoverer = Discoverer()
    plain = Source(FileLocation(str(top)), Format.QCOW2)
    first = discoverer.discover(plain._replace(chain_index=1))
    second = discoverer.discover(plain._replace(chain_index=7))
    ended = discoverer.discover(plain._replace(backing=TERMINATOR))
    assert [first.source.chain_index, second.source.chain_index] == [1, 7]
    assert first.source.backing is second.source.backing
    assert paths(ended) == [str(top)]


def test_a_vmdk_parent_is_probed_as_libvirt_does_though_qemu_takes_its_format_for_granted(tmp_path: Path) -> None:
    for name, parent in (("top", "mid.vmdk"), ("mid", "base.vmdk"), ("base", None)):
        text = vmdk.descriptor([f'RW 32768 SPARSE "{name}.vmdk"'], parent=parent, parent_cid="12345678")
        (tmp_path / f"{name}.vmdk").write_bytes(vmdk.sparse(16 << 20, text))
    assert discover(tmp_path / "mid.vmdk", Format.VMDK).complete
    chain = discover(tmp_path / "top.vmdk", Format.VMDK)
    assert len(paths(chain)) == 2
    assert not chain.complete
    assert ids(chain) == ["format-not-recorded"]


@pytest.mark.parametrize(("at", "byte", "problem"), [(13, 7, "unknown version 7.0"), (60, 9, "unknown disk type")])
def test_an_image_that_has_its_signature_is_malformed_and_not_of_another_format(
    qemu_img: QemuImg, tmp_path: Path, at: int, byte: int, problem: str
) -> None:
    path = tmp_path / "disk.vhd"
    qemu_img("create", "-q", "-f", "vpc", "-o", "subformat=fixed", path, "1M")
    data = bytearray(path.read_bytes())
    data[len(data) - 512 + at] = byte
    path.write_bytes(data)
    [found] = discover(path, Format.VPC).findings
    assert found.id == "malformed"
    assert problem in found.message


def test_what_has_no_signature_at_all_looks_like_nothing(tmp_path: Path) -> None:
    (tmp_path / "disk.vhd").write_bytes(bytes(1 << 20))
    [found] = discover(tmp_path / "disk.vhd", Format.VPC).findings
    assert found.id == "format-mismatch"
    assert found.message.endswith("though it is declared vpc: it has no header that is known")
