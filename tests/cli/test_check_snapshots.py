"""``diskchain check`` of a ``<domainsnapshot>`` with no ``<domain>`` inside: its overlays are looked at, those that are there."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.cli.commands import diskchain
from tests.discover.written import write_qcow2


def told(directory: Path, disks: str, *words: str) -> tuple[int, list[tuple[str, str, str]]]:
    """The exit code, and the id, severity and file of each finding."""
    path = directory / "snapshot.xml"
    path.write_text(f"<domainsnapshot><name>monday</name><disks>{disks}</disks></domainsnapshot>")
    shown = diskchain("check", "--json", path, *words)
    (target,) = json.loads(shown.out)["targets"]
    found: list[dict[str, Any]] = target["findings"]
    return shown.code, [(each["id"], each["severity"], Path(each["file"]).name) for each in found]


def external(target: str, path: Path, driver: str = "<driver type='qcow2'/>") -> str:
    return f"<disk name='{target}' snapshot='external'>{driver}<source file='{path}'/></disk>"


@pytest.mark.parametrize("driver", ["<driver type='qcow2'/>", ""])
def test_an_overlay_that_is_there_is_looked_at(tmp_path: Path, driver: str) -> None:
    top = write_qcow2(tmp_path / "a.monday", "gone.qcow2")
    assert told(tmp_path, external("vda", top, driver)) == (1, [("missing", "error", "gone.qcow2")])


def test_one_that_is_yet_to_be_made_is_a_note(tmp_path: Path) -> None:
    (tmp_path / "base.raw").write_bytes(bytes(1 << 20))
    there = external("vda", write_qcow2(tmp_path / "a.monday", "base.raw", "raw"))
    assert told(tmp_path, there + external("vdb", tmp_path / "b.monday")) == (
        0,
        [("not-inspected", "info", "b.monday")],
    )


def test_one_disk_can_be_asked_for(tmp_path: Path) -> None:
    disks = "".join(external(each, write_qcow2(tmp_path / each, f"{each}.base")) for each in ("vda", "vdb"))
    assert told(tmp_path, disks, "-d", "vdb") == (1, [("missing", "error", "vdb.base")])


@pytest.mark.parametrize(
    "disks",
    [
        "<disk name='vda' snapshot='external'/>",
        "",
        "<disk name='vda' snapshot='internal'/>",
        "<disk name='vda'><source file='/nowhere/a'/></disk>",
    ],
    ids=["unnamed", "none", "internal", "absent"],
)
def test_a_document_with_nothing_to_look_at_is_not_clean(tmp_path: Path, disks: str) -> None:
    code, found = told(tmp_path, disks)
    assert code == 3
    assert found[-1] == ("not-inspected", "warning", "snapshot.xml")
