"""A policy refuses what its profile forbids, after symlinks are resolved."""

from pathlib import Path

import pytest
from tests.discover.chains import ids, overlay, paths, unrecorded_overlay
from tests.live.storage import QemuImg

from diskchain.discover import Discoverer
from diskchain.errors import UsageError
from diskchain.readers.policy import LIBVIRT, STRICT, UPLOAD, OpenPolicy, policy_named, refusal
from diskchain.storage.location import FileLocation, NetworkLocation
from diskchain.storage.source import Source
from diskchain.storage.terms import Format, Protocol


def test_libvirt_refuses_nothing() -> None:
    assert refusal(LIBVIRT, FileLocation("/etc/shadow"), None, "/top") is None


def test_an_upload_may_reference_nothing() -> None:
    assert refusal(UPLOAD, FileLocation("/images/base"), Format.RAW, "/images/top")


def test_strict_stays_below_the_directory_of_the_top_image(tmp_path: Path) -> None:
    top = str(tmp_path / "top")
    assert refusal(STRICT, FileLocation(f"{tmp_path}/sub/base"), Format.RAW, top) is None
    assert refusal(STRICT, FileLocation(f"{tmp_path}/../base"), Format.RAW, top)
    assert refusal(STRICT, FileLocation(f"{tmp_path}2/base"), Format.RAW, top)


def test_strict_looks_behind_symlinks(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    assert refusal(STRICT, FileLocation(f"{tmp_path}/link"), Format.RAW, str(tmp_path / "top"))


def test_strict_follows_no_network() -> None:
    assert refusal(STRICT, NetworkLocation(Protocol.NBD), Format.RAW, "/images/top")


def test_formats_can_be_named() -> None:
    policy = OpenPolicy("mine", formats=frozenset({Format.QCOW2}))
    assert refusal(policy, FileLocation("/a"), Format.QCOW2, None) is None
    assert refusal(policy, FileLocation("/a"), Format.RAW, None)
    assert refusal(policy, FileLocation("/a"), None, None)


def test_an_unknown_profile_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="libvirt, strict, upload"):
        policy_named("lax")


def test_a_refused_reference_is_a_finding_and_is_not_opened(qemu_img: QemuImg, tmp_path: Path, fifo: Path) -> None:
    top = overlay(qemu_img, tmp_path / "top.qcow2", str(fifo), "raw")
    chain = Discoverer(UPLOAD).discover(Source(FileLocation(str(top)), Format.QCOW2))
    assert paths(chain) == [str(top)]
    assert ids(chain) == ["reference-refused"]
    assert not chain.complete


def test_a_data_file_is_a_reference_too(qemu_img: QemuImg, tmp_path: Path) -> None:
    top = tmp_path / "top.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={tmp_path}/data", top, "1M")
    chain = Discoverer(UPLOAD).discover(Source(FileLocation(str(top)), Format.QCOW2))
    assert ids(chain) == ["reference-refused"]
    assert chain.source.data_file is None


def test_strict_does_not_guess_the_format_of_a_base(qemu_img: QemuImg, tmp_path: Path) -> None:
    (tmp_path / "base").write_bytes(bytes(512))
    top = unrecorded_overlay(qemu_img, tmp_path / "top.qcow2", "base")
    chain = Discoverer(STRICT).discover(Source(FileLocation(str(top)), Format.QCOW2))
    assert ids(chain) == ["reference-refused"]
