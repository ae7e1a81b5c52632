"""Indexes count in the document of a running domain alone, as libvirt reads documents."""

from pathlib import Path

import pytest
from tests.cli.commands import diskchain

_DISK = (
    "<disk type='file'><driver type='raw'/><source file='{image}' index='7'/><alias name='virtio-disk0'/>"
    "<target dev='vda' bus='virtio'/></disk>"
)
_DOMAIN = "<domain type='kvm'{id}><name>x</name><devices>{disk}</devices></domain>"
_DOCUMENTS = {
    "running": (_DOMAIN.replace("{id}", " id='3'"), "libvirt-7-storage"),
    "a definition": (_DOMAIN.replace("{id}", ""), "libvirt-1-storage"),
    "a disk alone": ("{disk}", "libvirt-1-storage"),
}


@pytest.mark.parametrize(("document", "node"), _DOCUMENTS.values(), ids=_DOCUMENTS)
def test_an_index_is_a_number_of_nodes_where_the_domain_runs(document: str, node: str, tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(bytes(1 << 20))
    (tmp_path / "vm.xml").write_text(document.format(disk=_DISK.format(image=tmp_path / "a.raw")))
    assert f'"node-name":"{node}"' in diskchain("blockdev", tmp_path / "vm.xml").out
