"""``diskchain check`` of documents: what libvirt would refuse, with lines, besides what is to be said about chains."""

import json
from pathlib import Path

import pytest
from tests.cli.commands import diskchain

_DOMAIN = """\
<domain type='kvm'>
  <devices>
    <disk type='file'>
      <driver name='qemu' type='raw' cache='sometimes' io='quickly'/>
      <source file='{directory}/a.raw'/>
      <target dev='vda' bus='virtio'/>
    </disk>
    <disk type='file'>
      <driver name='qemu' type='raw'/>
      <source file='{directory}/b.raw'/>
      <target dev='vda' bus='sata'/>
      <readonly/>
    </disk>
    <disk type='file'>
      <driver name='tap' type='raw'/>
      <source file='{directory}/missing.raw'/>
      <target dev='vdc' bus='virtio'/>
    </disk>
  </devices>
</domain>
"""


@pytest.fixture
def document(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        (tmp_path / f"{name}.raw").write_bytes(bytes(4096))
    path = tmp_path / "vm.xml"
    path.write_text(_DOMAIN.format(directory=tmp_path))
    return path


def _found(*arguments: str | Path) -> set[tuple[str, int | None]]:
    shown = diskchain("check", "--json", *arguments)
    (target,) = json.loads(shown.out)["targets"]
    return {(found["id"], found.get("line")) for found in target["findings"]}


def test_everything_is_told_with_its_line(document: Path) -> None:
    assert _found(document) == {
        ("document", 4),
        ("target-duplicate", 11),
        ("readonly-bus", 12),
        ("driver-name", 15),
        ("missing", None),
    }


def test_one_disk_can_be_asked_for(document: Path) -> None:
    assert _found(document, "-d", "vdc") == {("driver-name", 15), ("missing", None)}


def test_rules_for_all_hypervisors_can_be_asked_for(document: Path) -> None:
    assert _found(document, "--profile", "generic") == {("document", 4), ("target-duplicate", 11), ("missing", None)}


def test_people_see_line_and_allowed_values(document: Path) -> None:
    shown = diskchain("check", document)
    assert shown.code == 1
    assert "line 4: io of <driver> is 'quickly' (allowed: native, threads, io_uring) [document]" in shown.out
    assert "vda, line 12: a disk on sata cannot be read-only (allowed: virtio, scsi, usb) [readonly-bus]" in shown.out


def test_every_rule_in_sarif_has_a_title(document: Path) -> None:
    (run,) = json.loads(diskchain("check", "--sarif", document).out)["runs"]
    titles = {rule["id"]: rule["shortDescription"]["text"] for rule in run["tool"]["driver"]["rules"]}
    assert titles["readonly-bus"] == "a disk on this bus cannot be read-only"
