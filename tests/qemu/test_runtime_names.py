"""The objects of a running domain keep the names that its status document has for them, or that follow from its device."""

from typing import Any

from diskchain.libvirtxml.documents.domain import post_parse_domain
from diskchain.libvirtxml.documents.status import parse_status
from diskchain.qemu.blockdev import blockdev
from diskchain.qemu.emission import ObjectItem, SecretItem
from diskchain.qemu.policy import LIBVIRT_11
from diskchain.storage.source import Source

_STATUS = """\
<domstatus state='running' pid='7'><domain type='kvm' id='3'><name>web</name><devices>
<disk type='{type}' device='{device}'><driver name='qemu' type='raw'/>
<source {source} index='4'>{inside}<privateData>
<nodenames><nodename type='storage' name='libvirt-4-storage'/><nodename type='format' name='libvirt-4-format'/></nodenames>
{private}</privateData></source><target dev='sda' bus='scsi'/><alias name='scsi0-0-0-0'/></disk></devices></domain></domstatus>
"""
_ID = "9f8e0f4e-1111-4222-8333-0123456789ab"
_AUTH = f"<auth username='u'><secret type='iscsi' uuid='{_ID}'/></auth>"
_KEY = f"<encryption format='luks' engine='qemu'><secret type='passphrase' uuid='{_ID}'/></encryption>"
_ISCSI = "protocol='iscsi' name='iqn.2001-01.org:t/1'"
_NBD = "protocol='nbd' name='x' tls='yes'"
_HOST = "<host name='h' port='1'/>"


def _source(source: str, inside: str = "", private: str = "", type: str = "network", device: str = "disk") -> Source:
    text = _STATUS.format(type=type, device=device, source=source, inside=inside, private=private)
    return post_parse_domain(parse_status(text).domain).disks[0].source


def _ids(source: Source) -> list[str]:
    """What the emission makes, and what its nodes refer to."""
    items = blockdev(source, profile=LIBVIRT_11).items
    made = [item.id if isinstance(item, SecretItem) else item.properties["id"] for item in items if _is_object(item)]
    used = [
        value
        for node in blockdev(source, profile=LIBVIRT_11).nodes()
        for key, value in node.items()
        if key in ("password-secret", "key-secret", "tls-creds", "pr-manager")
    ]
    assert set(used) <= set(made)
    return made


def _is_object(item: Any) -> bool:
    return isinstance(item, SecretItem | ObjectItem)


def test_secrets_keep_the_names_they_have() -> None:
    private = "<objects><secret type='auth' alias='a7'/><secret type='encryption' alias='k7'/></objects>"
    assert _ids(_source(_ISCSI, _HOST + _AUTH + _KEY, private)) == ["a7", "k7"]


def test_secrets_of_an_older_status_document_are_named_after_the_device() -> None:
    assert _ids(_source(_ISCSI, _HOST + _AUTH + _KEY)) == ["scsi0-0-0-0-secret0", "scsi0-0-0-0-luks-secret0"]


def test_certificates_keep_their_name_and_the_secret_of_their_key() -> None:
    private = "<objects><secret type='tlskey' alias='t7'/><TLSx509 alias='c7'/></objects>"
    source = _source(_NBD, _HOST, private)
    assert _ids(source) == ["t7", "c7"]
    (credentials,) = (item for item in blockdev(source).items if isinstance(item, ObjectItem))
    assert credentials.properties["passwordid"] == "t7"


def test_certificates_of_an_older_status_document_are_named_after_the_device() -> None:
    assert _ids(_source(_NBD, _HOST)) == ["objscsi0-0-0-0_tls0"]


def test_a_reservation_helper_keeps_its_name() -> None:
    reservations = "<reservations managed='no'><source type='unix' path='/s' mode='client'/></reservations>"
    source = _source("dev='/dev/x'", reservations, "<reservations mgralias='p7'/>", type="block", device="lun")
    assert _ids(source) == ["p7"]


def test_a_volume_is_read_from_where_libvirt_found_it() -> None:
    source = _source("pool='p' volume='v' actualType='file' file='/pool/v'", type="volume")
    assert blockdev(source).nodes()[0]["filename"] == "/pool/v"
