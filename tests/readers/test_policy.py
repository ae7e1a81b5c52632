"""A policy refuses what its profile forbids, after symlinks are resolved."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.discover.chains import ids, overlay, paths, unrecorded_overlay
from tests.discover.opened import opened
from tests.discover.written import write_qcow2
from tests.live.peers import requires
from tests.live.storage import QemuImg

from diskchain.discover import Discoverer
from diskchain.errors import UsageError
from diskchain.readers.local import open_local
from diskchain.readers.policy import LIBVIRT, STRICT, UPLOAD, OpenPolicy, policy_named, refusal
from diskchain.storage.location import FileLocation, NetworkLocation
from diskchain.storage.source import Source
from diskchain.storage.terms import Format, Protocol, StorageType


def test_libvirt_refuses_nothing() -> None:
    assert refusal(LIBVIRT, FileLocation("/etc/shadow"), None, "/top") is None


def test_an_upload_may_reference_nothing() -> None:
    assert refusal(UPLOAD, FileLocation("/images/base"), Format.RAW, "/images/top")


def test_strict_stays_below_the_directory_of_the_top_image(tmp_path: Path) -> None:
    home = str(tmp_path)
    assert refusal(STRICT, FileLocation(f"{tmp_path}/sub/base"), Format.RAW, home) is None
    assert refusal(STRICT, FileLocation(f"{tmp_path}/../base"), Format.RAW, home)
    assert refusal(STRICT, FileLocation(f"{tmp_path}2/base"), Format.RAW, home)


def test_strict_looks_behind_symlinks(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc/passwd")
    assert refusal(STRICT, FileLocation(f"{tmp_path}/link"), Format.RAW, str(tmp_path))


def test_where_the_top_is_not_on_this_host_there_is_no_directory_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "base").write_bytes(bytes(512))
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    policy = OpenPolicy(name="beside", directories=())
    assert refusal(policy, FileLocation(f"{tmp_path}/base"), Format.RAW, None)


def test_directories_allow_nothing_on_another_host_unless_the_type_is_named() -> None:
    nbd = NetworkLocation(Protocol.NBD)
    assert refusal(OpenPolicy(name="pool", directories=("/pool",)), nbd, Format.RAW, "/pool")
    assert refusal(
        OpenPolicy(name="pool", directories=("/pool",), types=frozenset({StorageType.FILE})), nbd, Format.RAW, "/"
    )
    both = OpenPolicy(name="pool", directories=("/pool",), types=frozenset({StorageType.FILE, StorageType.NETWORK}))
    assert refusal(both, nbd, Format.RAW, "/pool") is None
    assert refusal(both, FileLocation("/etc/passwd"), Format.RAW, "/pool")


def test_a_top_on_another_host_makes_us_open_nothing_here(tmp_path: Path) -> None:
    """Its backing string names a file of this host; whoever serves it chose that."""
    served, secret = tmp_path / "served", tmp_path / "secret"
    secret.write_bytes(bytes(512))
    write_qcow2(served, f'json:{{"driver":"raw","file":{{"driver":"file","filename":"{secret}"}}}}')
    top = Source(NetworkLocation(Protocol.NBD, "x"), Format.QCOW2)
    chain = Discoverer(OpenPolicy(name="beside", directories=()), lambda _: open_local(str(served))).discover(top)
    assert ids(chain) == ["reference-refused"]
    assert len(list(chain.layers)) == 1


@requires("losetup", "root")
@pytest.mark.parametrize("policy", [STRICT, OpenPolicy(name="files", types=frozenset({StorageType.FILE}))])
def test_what_is_there_decides_about_the_type_not_the_name(
    loop_device: Callable[[Path], Path], tmp_path: Path, policy: OpenPolicy
) -> None:
    (tmp_path / "content").write_bytes(bytes(1 << 20))
    device = loop_device(tmp_path / "content")
    (tmp_path / "directory").mkdir()
    (tmp_path / "node").symlink_to(device)
    os.mknod(tmp_path / "own-node", stat.S_IFBLK | 0o600, device.stat().st_rdev)
    for name in ("node", "own-node", "directory"):
        top = Source(FileLocation(str(write_qcow2(tmp_path / "top", name, "raw"))), Format.QCOW2)
        with opened() as files:
            chain = Discoverer(policy).discover(top)
        assert ids(chain) == ["reference-refused"], name
        assert not files & {str(device), f"{tmp_path}/{name}"}
        assert not chain.complete


def test_a_policy_may_allow_devices_alone(loop_device: Callable[[Path], Path], tmp_path: Path) -> None:
    (tmp_path / "content").write_bytes(bytes(1 << 20))
    device = loop_device(tmp_path / "content")
    discoverer = Discoverer(OpenPolicy(name="devices", types=frozenset({StorageType.BLOCK})))
    on_device = write_qcow2(tmp_path / "top", str(device), "raw")
    assert discoverer.discover(Source(FileLocation(str(on_device)), Format.QCOW2)).complete
    content = Source(FileLocation(f"{tmp_path}/content"), Format.RAW)
    assert discoverer.discover(content).complete  # declared, so no policy has a say
    on_file = write_qcow2(tmp_path / "top2", f"{tmp_path}/content", "raw")
    assert ids(discoverer.discover(Source(FileLocation(str(on_file)), Format.QCOW2))) == ["reference-refused"]


def test_strict_follows_no_network() -> None:
    assert refusal(STRICT, NetworkLocation(Protocol.NBD), Format.RAW, "/images/top")


def test_formats_can_be_named() -> None:
    policy = OpenPolicy(name="mine", formats=frozenset({Format.QCOW2}))
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


def test_a_profile_is_not_had_by_naming_a_policy_like_it() -> None:
    with pytest.raises(TypeError):
        OpenPolicy("upload")  # type: ignore[call-arg]
    assert policy_named("upload") is UPLOAD
    assert OpenPolicy(name="mine", depth=3)._replace(depth=4).depth == 4
