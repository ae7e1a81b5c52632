"""`diskchain set-secret`: one layer's secret in the document, and not a byte of anything else."""

from pathlib import Path

import pytest

from diskchain.libvirtxml.edit.completion import declared_disks
from diskchain.storage.auth import SecretReference
from diskchain.storage.encryption import EncryptionFormat
from diskchain.storage.source import layers
from tests.cli.commands import diskchain

UUID = "0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f"
VM = """\
<!-- kept -->
<domain type='kvm'>
  <devices>
\t<disk type="file" device='disk'>
\t  <driver name='qemu' type='qcow2'/>
\t  <source file='/top.qcow2'/>
\t  <backingStore type='file'>
\t    <format type='qcow2'/>
\t    <source file="/middle.qcow2"></source>
\t    <backingStore type='file'>
\t      <format type='raw'/>
\t      <source file='/base.img'>
\t        <slices><slice type='storage' offset='0' size='512'/></slices>
\t      </source>
\t      <backingStore/>
\t    </backingStore>
\t  </backingStore>
\t  <target dev='vda' bus='virtio'/>
\t</disk>
    <disk type='file'><source file='/old.qcow2'/><target dev='vdb'/><encryption format='qcow'/></disk>
  </devices>
</domain>
"""


@pytest.fixture
def vm(tmp_path: Path) -> Path:
    path = tmp_path / "vm.xml"
    path.write_text(VM)
    return path


def secrets(document: str) -> list[list[tuple[SecretReference, ...] | None]]:
    disks = declared_disks(document.encode())
    return [
        [None if layer.encryption is None else layer.encryption.secrets for layer in layers(disk.source)]
        for disk in disks
    ]


@pytest.mark.parametrize(
    ("layer", "position"),
    [("vda", 0), ("vda[0]", 0), ("vda[1]", 1), ("/middle.qcow2", 1), ("vda[2]", 2), ("/base.img", 2)],
)
def test_the_layer_gets_the_secret_and_everything_else_stays(layer: str, position: int, vm: Path) -> None:
    done = diskchain("set-secret", vm, "--layer", layer, "--uuid", UUID)
    assert (done.code, done.err) == (0, "")
    wanted: list[tuple[SecretReference, ...] | None] = [None, None, None]
    wanted[position] = (SecretReference("passphrase", uuid=UUID),)
    assert secrets(done.out)[0] == wanted
    removed = done.out
    start = (
        removed.index("<encryption format='luks'>")
        if "format='luks'" in removed
        else removed.index('<encryption format="luks">')
    )
    end = removed.index("</encryption>") + len("</encryption>")
    removed = removed[:start] + removed[end:]
    assert (
        removed.split()
        == VM.replace("'/top.qcow2'/>", "'/top.qcow2'> </source>" if position == 0 else "'/top.qcow2'/>")
        .replace('qcow2"></source>', 'qcow2"> </source>' if position == 1 else 'qcow2"></source>')
        .split()
    )


def test_setting_it_again_replaces_it(vm: Path) -> None:
    assert diskchain("set-secret", vm, "--layer", "vda[2]", "--usage", "old one", "--in-place").code == 0
    first = vm.read_text()
    assert diskchain("set-secret", vm, "--layer", "vda[2]", "--uuid", UUID, "--in-place").code == 0
    assert vm.read_text() == first.replace("usage='old one'", f"uuid='{UUID}'")


def test_encryption_in_the_older_place_is_replaced_there_and_keeps_its_format(vm: Path) -> None:
    done = diskchain("set-secret", vm, "--layer", "vdb", "--uuid", UUID)
    (disk,) = declared_disks(done.out.encode())[1:]
    assert disk.encryption_in_disk
    assert disk.source.encryption is not None
    assert disk.source.encryption.format is EncryptionFormat.QCOW
    assert disk.source.encryption.secrets == (SecretReference("passphrase", uuid=UUID),)


def test_the_format_can_be_said(vm: Path) -> None:
    done = diskchain("set-secret", vm, "--layer", "vdb", "--uuid", UUID, "--format", "luks")
    encryption = declared_disks(done.out.encode())[1].source.encryption
    assert encryption is not None
    assert encryption.format is EncryptionFormat.LUKS


def test_usages_are_escaped(vm: Path) -> None:
    usage = "a'b\"c<d>&e"
    done = diskchain("set-secret", vm, "--layer", "vda", "--usage", usage)
    assert secrets(done.out)[0][0] == (SecretReference("passphrase", usage=usage),)


@pytest.mark.parametrize("layer", ["vda[3]", "vdc", "/elsewhere"])
def test_a_layer_the_document_does_not_have_is_refused_and_nothing_is_written(layer: str, vm: Path) -> None:
    done = diskchain("set-secret", vm, "--layer", layer, "--uuid", UUID, "--in-place")
    assert done.code == 2
    assert ("vda[0], vda[1], vda[2]" if layer == "vda[3]" else "the disks are: vda, vdb") in done.err
    assert vm.read_text() == VM


def test_what_is_no_uuid_is_refused(vm: Path) -> None:
    assert diskchain("set-secret", vm, "--layer", "vda", "--uuid", "my passphrase").code == 2


def test_several_secrets_of_one_layer_are_not_replaced_by_one(tmp_path: Path) -> None:
    vm = tmp_path / "vm.xml"
    secrets = "".join(f'<secret type="passphrase" usage="{usage}"/>' for usage in "ab")
    vm.write_text(
        f"""<disk type="network"><driver type="raw"/><source protocol="rbd" name="p/i"><host name="h"/>
        <encryption format="luks" engine="librbd">{secrets}</encryption></source><target dev="vda"/></disk>"""
    )
    done = diskchain("set-secret", vm, "--layer", "vda", "--usage", "x")
    assert (done.code, done.out) == (2, "")
    assert "2 times over" in done.err
