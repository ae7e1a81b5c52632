"""What becomes of a domain whose source on a server has an empty name: it is defined, and lost, or it kills the daemon."""

import libvirt
import pytest

from diskchain.libvirtxml.validate.document import check_document
from tests.live.private_libvirtd import PrivateLibvirtd

pytestmark = pytest.mark.libvirtd

_DOMAIN = (
    "<domain type='qemu'><name>empty-{protocol}</name><memory unit='MiB'>64</memory><os><type arch='x86_64'>hvm</type></os>"
    "<devices><disk type='network'><driver name='qemu' type='raw'/><source protocol='{protocol}' name=''><host name='h'/>"
    "</source><target dev='vda' bus='virtio'/></disk></devices></domain>"
)
_LOST = ("http", "https", "ftp", "ftps", "ssh", "nfs")


def _said(protocol: str) -> str:
    found = check_document(_DOMAIN.format(protocol=protocol)).findings
    return " ".join(each.message for _, each in found if each.id == "network-name-empty")


def test_a_domain_with_an_empty_name_is_lost_with_the_next_start_of_the_daemon(
    private_libvirtd: PrivateLibvirtd,
) -> None:
    for protocol in ("nbd", *_LOST):
        private_libvirtd.connection.defineXML(_DOMAIN.format(protocol=protocol))
    private_libvirtd.kill()
    private_libvirtd.start()
    left = {domain.name() for domain in private_libvirtd.connection.listAllDomains()}
    assert left == {"empty-nbd"}
    assert not _said("nbd")
    assert all("no longer knows" in _said(protocol) for protocol in _LOST)


def test_an_empty_name_of_iscsi_kills_the_daemon(private_libvirtd: PrivateLibvirtd) -> None:
    with pytest.raises(libvirt.libvirtError, match=r"End of file|closed|reset"):
        private_libvirtd.connection.defineXML(_DOMAIN.format(protocol="iscsi"))
    private_libvirtd.kill()  # what is left of it
    assert "crashes" in _said("iscsi")
