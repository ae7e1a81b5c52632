"""From documents to findings about rights, on real files."""

import os
from pathlib import Path

import pytest

from diskchain.actions.rights_audit import label_findings
from diskchain.errors import XmlError
from diskchain.libvirtxml.documents.domain_labels import DomainSeclabel, parse_domain_labels
from tests.live.peers import requires
from tests.live.storage import QemuImg

USER = 64999


def document(image: Path, *, running: bool = False, relabel: str = "yes") -> bytes:
    label = f"<seclabel type='static' model='dac' relabel='{relabel}'><label>+{USER}:+{USER}</label></seclabel>"
    return (
        f"<domain type='kvm'{' id=' + repr('3') if running else ''}><name>web</name><devices><disk type='file'>"
        f"<driver name='qemu' type='qcow2'/><source file='{image}'/><target dev='vda' bus='virtio'/></disk></devices>"
        f"{label}</domain>"
    ).encode()


@pytest.fixture
def chain(image_dir: Path, qemu_img: QemuImg) -> tuple[Path, Path]:
    top, base = image_dir / "top.qcow2", image_dir / "base.raw"
    qemu_img("create", "-q", "-f", "raw", base, "1M")
    qemu_img("create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", top)
    return top, base


def found(state: Path, *documents: bytes) -> list[tuple[str, str]]:
    return [(finding.id, Path(finding.file or "").name) for finding in label_findings(documents, state=state)]


@requires("root")
def test_a_base_that_only_the_header_names_is_looked_at(chain: tuple[Path, Path], tmp_path: Path) -> None:
    top, base = chain
    os.chown(base, USER, USER)
    assert found(tmp_path, document(top)) == [("owned-by-qemu", "base.raw")]
    assert found(tmp_path, document(top), document(top, running=True)) == [("access-denied", "top.qcow2")]
    os.chown(top, USER, USER)
    assert found(tmp_path, document(top), document(top, running=True)) == []


def test_documents_that_are_no_domain_or_malformed_are_passed_over(tmp_path: Path) -> None:
    assert found(tmp_path, b"<disk/>", b"<domain", b"<domain><seclabel model='dac' relabel='perhaps'/></domain>") == []


def test_a_label_of_a_snapshot_s_domain_is_read() -> None:
    text = "<domainsnapshot><domain id='1'><name>a</name><seclabel model='dac'><label>+1:+2</label></seclabel></domain></domainsnapshot>"
    labels = parse_domain_labels(text)
    assert labels is not None
    assert labels.of("dac") == DomainSeclabel("dac", "+1:+2", None, relabel=True)
    assert labels.of("selinux") is None


def test_a_static_label_is_not_given_to_files_unless_said() -> None:
    labels = parse_domain_labels("<domain><seclabel type='static' model='dac'><label>+1:+2</label></seclabel></domain>")
    assert labels is not None
    assert labels.of("dac") == DomainSeclabel("dac", "+1:+2", None, relabel=False)


def test_what_libvirt_refuses_is_refused() -> None:
    with pytest.raises(XmlError, match="relabel"):
        parse_domain_labels("<domain><seclabel model='dac' relabel='perhaps'/></domain>")
