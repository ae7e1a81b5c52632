"""A name that only another system or program understands is known as such, and the file in it is found by its last component."""

import pytest

from diskchain.storage.reference.foreign_name import foreign_name, last_component

IN_QCOW2 = 'json:{"driver":"qcow2","file":{"driver":"file","filename":"/x/b.qcow2"}}'
OVER_NBD = 'json:{"driver":"qcow2","file":{"driver":"nbd","host":"h","port":"1"}}'


@pytest.mark.parametrize(
    ("text", "last", "says"),
    [
        ("C:\\VMs\\base.qcow2", "base.qcow2", "a path of Windows"),
        ("c:/VMs/base.qcow2", "base.qcow2", "a path of Windows"),
        ("\\\\nas\\vms\\base.qcow2", "base.qcow2", "a Windows share"),
        ("..\\base.qcow2", "base.qcow2", "looks like a path of Windows"),
        ("[datastore1] vm/base.vmdk", "base.vmdk", "VMware ESXi"),
        ("[datastore1] base.vmdk", "base.vmdk", "VMware ESXi"),
        ("/vmfs/volumes/store/vm/base.vmdk", "base.vmdk", "VMware ESXi"),
        ("file:/x/base.raw", "base.raw", "QEMU (7.2 to 10.0) opens it"),
        (IN_QCOW2, "b.qcow2", "QEMU (7.2 to 10.0) opens it"),
        (OVER_NBD, "", "QEMU (7.2 to 10.0) opens it"),
    ],
)
def test_who_opens_it_is_said(text: str, last: str, says: str) -> None:
    found = foreign_name(text)
    assert found is not None
    assert says in found.opens
    assert "libvirt (9.0 to 11.3)" in found.opens
    assert last_component(text) == last


@pytest.mark.parametrize(
    "text", ["base.qcow2", "../a/b", "/a\\b/c", "nbd://h/x", "rbd:p/i", "foo:bar", "", "[x", "a\\/b"]
)
def test_nothing_is_said_of_names_of_this_system_or_of_none(text: str) -> None:
    assert foreign_name(text) is None


def test_the_file_that_qemu_opens_is_told() -> None:
    found = foreign_name(IN_QCOW2)
    assert found is not None
    assert (found.path, found.format) == ("/x/b.qcow2", "qcow2")
    over_nbd = foreign_name(OVER_NBD)
    assert over_nbd is not None
    assert over_nbd.path is None
