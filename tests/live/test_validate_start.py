"""What libvirt defines and refuses to start: the rules that no definition can be the judge of."""

from pathlib import Path

import libvirt
import pytest

from diskchain.behaviours import BEHAVIOURS, for_versions
from diskchain.findings import Stops, finding
from tests.libvirtxml.validate.cases import CASES
from tests.libvirtxml.validate.fragments import Case, document
from tests.live.daemons import Libvirtd

#: The rule, something to tell its cases apart, and libvirt's (or QEMU's) words; two where a newer libvirt looks when it defines.
#: Two cases are left out, because they kill libvirtd 9.0: an iscsi source without a host, and librbd without a secret.
_REFUSALS = (
    ("protocol-sheepdog", "sheepdog", "Parameter 'driver'|no longer supported by any hypervisor driver"),
    ("encryption-secret", "'file'", "missing secret info for 'luks' driver"),
    ("tls-protocol", "https", "TLS transport is not supported for disk protocol 'https'"),
    ("network-name-empty", "ssh", "argument key 'path' must not have null value"),
    ("network-name-empty", "rbd", "argument key 'image' must not have null value"),
    ("network-name-empty", "gluster", "argument key 'path' must not have null value"),
    ("host-brackets", "nbd", "address resolution failed for [::1]"),
    ("hosts", "'nbd'", "nbd protocol accepts only one host"),
    ("hosts", "'ssh'", "ssh protocol accepts only one host"),
    ("hosts", "'https'", "protocol 'https' accepts only one host"),
    ("host-transport", "rdma", "transport protocol 'rdma' is not yet supported"),
    ("host-transport", "'iscsi'", "Invalid target:(null)"),
    ("iscsi-lun", "iqn", "cannot parse target for lunStr"),
    ("usb-empty", "usb", "drive property not set|must not be empty"),
)


def _case(id: str, words: str) -> Case:
    return next(case for case in CASES if case.id == id and words in case.bad)


@pytest.mark.parametrize(("id", "words", "refusal"), _REFUSALS, ids=[f"{id}-{words}" for id, words, _ in _REFUSALS])
def test_the_domain_does_not_start(id: str, words: str, refusal: str, libvirtd: Libvirtd, image_dir: Path) -> None:
    image = image_dir / "a"
    image.write_bytes(bytes(1 << 20))
    case = _case(id, words)
    xml = document(case.bad.replace("'/a'", f"'{image}'"), case, "diskchain-validated-start")
    with pytest.raises(libvirt.libvirtError) as refused:
        libvirtd.connection.createXML(xml, libvirt.VIR_DOMAIN_START_PAUSED).destroy()
    assert any(words in str(refused.value) for words in refusal.split("|"))
    stops = for_versions(finding(id, ""), libvirtd.versions).stops
    if id in BEHAVIOURS:
        assert stops is (Stops.START if _is_defined(libvirtd, xml) else Stops.DEFINE)


def _is_defined(libvirtd: Libvirtd, xml: str) -> bool:
    try:
        libvirtd.connection.defineXML(xml).undefine()
    except libvirt.libvirtError:
        return False
    return True
