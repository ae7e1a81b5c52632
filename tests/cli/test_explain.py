"""``diskchain explain`` prints the page of a finding, and the pages come with the package."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.commands import diskchain
from tests.discover.chains import overlay
from tests.live.storage import QemuImg

from diskchain.actions.explain import explain
from diskchain.errors import UsageError
from diskchain.findings import KINDS
from diskchain.report.explanation import page_lines
from diskchain.report.style import Style


def test_a_page_is_printed_and_its_commands_can_be_copied() -> None:
    shown = diskchain("explain", "missing")
    assert shown.code == 0
    lines = shown.out.splitlines()
    assert lines[:3] == ["`missing`", "", "A layer is not where its overlay says."]
    assert "    diskchain check --search /var/lib/libvirt/images top.qcow2" in lines
    assert "](" not in shown.out
    assert "##" not in shown.out


@pytest.mark.parametrize("id", KINDS)
def test_every_page_comes_with_the_package_and_keeps_within_the_width(id: str) -> None:
    page = explain(id).page
    assert page is not None
    assert page.startswith(f"# `{id}`\n")
    fixed = ("    ", "|")
    lines = list(page_lines(page, Style(width=60)))
    assert all(len(line) <= 60 for line in lines if not line.startswith(fixed))
    words = "".join(lines).split()
    assert len(words) > 20


def test_without_an_id_all_are_listed_with_one_line_each() -> None:
    lines = diskchain("explain").out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(KINDS)
    assert any(line.split(maxsplit=2)[1:] == ["error", KINDS["missing"].title] for line in lines)


def test_a_wrong_id_is_a_usage_error_with_the_nearest_word() -> None:
    shown = diskchain("explain", "mising")
    assert (shown.code, shown.out) == (2, "")
    assert "unknown ID 'mising' (did you mean missing?)" in shown.err
    with pytest.raises(UsageError):
        explain("mising")


def test_json_has_the_kinds_and_the_page_of_one() -> None:
    (kind,) = json.loads(diskchain("explain", "--json", "unreadable").out)["kinds"]
    assert (kind["id"], kind["severity"], kind["could-not-tell"]) == ("unreadable", "error", True)
    assert kind["page"].startswith("# `unreadable`\n")
    kinds = json.loads(diskchain("explain", "--json").out)["kinds"]
    assert [each["id"] for each in kinds] == sorted(KINDS)
    assert not any("page" in each for each in kinds)


def test_check_names_it_once_when_there_were_errors(qemu_img: QemuImg, tmp_path: Path) -> None:
    broken = overlay(qemu_img, tmp_path / "broken.qcow2", "gone.qcow2")
    more = overlay(qemu_img, tmp_path / "more.qcow2", "gone.qcow2")
    assert diskchain("check", broken, more).out.endswith(" in 2 files; see diskchain explain missing\n")
    assert diskchain("check", broken).out.endswith("\nsee diskchain explain missing\n")
    assert "explain" not in diskchain("check", "--ignore", "missing", broken).out


def test_a_page_is_wrapped_at_the_width_of_a_terminal() -> None:
    ours, theirs = pty.openpty()
    environ = {**os.environ, "TERM": "dumb", "COLUMNS": "50"}
    with subprocess.Popen(
        [sys.executable, "-m", "diskchain", "explain", "loop"], stdout=theirs, env=environ
    ) as process:
        os.close(theirs)
        said = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # EIO: the process has ended
                break
            said += piece
        assert process.wait(30) == 0
    os.close(ours)
    assert all(len(line) <= 50 for line in said.decode().splitlines() if not line.startswith("    "))
