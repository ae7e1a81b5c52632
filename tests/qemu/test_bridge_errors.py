"""What keeps a server from being asked is no word about the image: never missing, and could not tell."""

from pathlib import Path

import pytest

from diskchain.errors import LoginRefused, StorageDenied, StorageError, StorageMissing
from diskchain.qemu.bridge import meaning
from diskchain.qemu.daemon import QmpRefused
from diskchain.storage.location import NetworkHost, NetworkLocation
from diskchain.storage.terms import Protocol
from tests.cli.commands import diskchain
from tests.discover.chains import overlay
from tests.live.storage import QemuImg

#: Texts of QEMU 7.2 and its libraries, and what each means.
TEXTS = [
    (Protocol.RBD, "error connecting: No such file or directory", StorageError),
    (Protocol.RBD, "error reading conf file /etc/ceph/ceph.conf: No such file or directory", StorageError),
    (Protocol.RBD, "error connecting: Permission denied", LoginRefused),
    (Protocol.RBD, "error opening pool vms: No such file or directory", StorageError),
    (Protocol.RBD, "error reading header from disk1: No such file or directory", StorageMissing),
    (Protocol.ISCSI, "iSCSI: Failed to connect to LUN : Failed to log in to target. Status: Target not found(515)", StorageMissing),
    (Protocol.ISCSI, "iSCSI: ... SENSE KEY:ILLEGAL_REQUEST(5) ASCQ:LOGICAL_UNIT_NOT_SUPPORTED(0x2500)", StorageMissing),
    (Protocol.ISCSI, "iSCSI: Failed to connect to LUN : iscsi_service failed with : Can not reconnect right now.", StorageError),
    (Protocol.NFS, "Failed to mount nfs share: mount_cb: RPC error: MNT3ERR_NOENT", StorageError),
    (Protocol.NFS, "Failed to open file : open call failed with \"NFS: Lookup of /x failed with NFS3ERR_NOENT(-2)\"", StorageMissing),
    (Protocol.NFS, "Failed to open file : open call failed with \"... NFS3ERR_ACCES Permission denied\"", StorageDenied),
    (Protocol.NBD, "Requested export not available", StorageMissing),
    (Protocol.NBD, "Unable to access credentials /etc/pki/qemu/ca-cert.pem: No such file or directory", StorageError),
    (Protocol.HTTPS, "CURL: Error opening file: The requested URL returned error: 404", StorageMissing),
    (Protocol.HTTPS, "CURL: Error opening file: SSL certificate problem: certificate not found", StorageError),
]  # fmt: skip


@pytest.mark.parametrize(("protocol", "text", "kind"), TEXTS)
def test_only_the_word_of_a_server_that_was_reached_makes_an_image_missing(
    protocol: Protocol, text: str, kind: type[StorageError]
) -> None:
    location = NetworkLocation(protocol, "x", (NetworkHost("h", 1),))
    assert type(meaning(QmpRefused(text, command="blockdev-add"), location, "x")) is kind


NAMES = ["rbd:pool/image", "nbd://127.0.0.1:1/x", "iscsi://127.0.0.1:1/iqn.2020-01.x:t/1", "nfs://127.0.0.1/a/b"]


@pytest.mark.parametrize("name", NAMES)
def test_a_server_that_cannot_be_asked_leaves_it_open_and_no_command_is_given(
    qemu_img: QemuImg, tmp_path: Path, name: str
) -> None:
    if Path("/etc/ceph/ceph.conf").exists() and name.startswith("rbd:"):
        pytest.skip("this host has a ceph.conf, so rbd may be reached")
    top = overlay(qemu_img, tmp_path / "top", name)
    shown = diskchain("check", "--remote", "--timeout", "5", "-f", "qcow2", top)
    assert shown.code == 3
    assert "could not tell whether" in shown.out
    assert "[unreachable]" in shown.out or "[timeout]" in shown.out
    assert "no such file" not in shown.out
    assert "fix:" not in shown.out


def test_certificates_that_are_not_there_are_named(tmp_path: Path) -> None:
    document = tmp_path / "vm.xml"
    document.write_text(
        "<disk type='network' device='disk'><driver name='qemu' type='raw'/>"
        "<source protocol='nbd' name='x' tls='yes'><host name='127.0.0.1' port='1'/></source>"
        "<target dev='vda' bus='virtio'/></disk>"
    )
    shown = diskchain("check", "--remote", "--tls-dir", tmp_path / "gone", document)
    assert shown.code == 3
    assert f"the certificates in {tmp_path}/gone cannot be used: Unable to access credentials" in shown.out
