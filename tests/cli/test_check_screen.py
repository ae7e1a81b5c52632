"""What ``diskchain check`` shows of many findings: the worst first, notes and clean targets only counted."""

import json
import os
import re
from pathlib import Path

import pytest
from tests.cli.commands import diskchain
from tests.discover.chains import overlay
from tests.live.storage import QemuImg


@pytest.fixture
def sound(qemu_img: QemuImg, tmp_path: Path) -> Path:
    qemu_img("create", "-q", "-f", "qcow2", tmp_path / "sound.qcow2", "1M")
    return tmp_path / "sound.qcow2"


@pytest.fixture
def broken(qemu_img: QemuImg, tmp_path: Path) -> Path:
    return overlay(qemu_img, tmp_path / "broken.qcow2", "gone.qcow2")


@pytest.fixture
def doubtful(qemu_img: QemuImg, sound: Path, tmp_path: Path) -> Path:
    """An overlay that is smaller than its base, which everybody may write to."""
    path = tmp_path / "doubtful.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-b", sound.name, "-F", "qcow2", path, "512K")
    sound.chmod(0o666)
    return path


def test_of_one_target_notes_are_counted_and_shown_with_v(sound: Path) -> None:
    assert diskchain("check", sound).out == f"{sound}: clean, 1 note (-v)\n"
    shown = diskchain("check", "-v", sound)
    assert shown.code == 0
    assert shown.out.splitlines()[0] == f"{sound}: clean, 1 note"
    assert "  note: [0]: " in shown.out
    assert diskchain("check", "--severity", "note", sound).out == shown.out


def test_one_error_among_many_sound_files_stands_on_the_first_screen(sound: Path, broken: Path) -> None:
    copies = []
    for number in range(200):
        copies.append(sound.with_name(f"{number}.qcow2"))
        os.link(sound, copies[-1])
    shown = diskchain("check", *copies[:100], broken, *copies[100:])
    assert shown.code == 1
    lines = shown.out.splitlines()
    assert lines[0] == f"{broken}: 1 error, 1 note (-v)"
    assert lines[1].startswith("  error: [1]: no such file: ")
    assert lines[-1] == "1 error, 201 notes (-v) in 201 files; see diskchain explain missing"
    assert len(lines) < 24


def test_sound_files_are_one_line_together_and_named_with_v(sound: Path, tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(bytes(512))
    assert f"{tmp_path}/raw: clean" in diskchain("check", "-v", tmp_path / "raw", sound).out
    assert diskchain("check", sound, tmp_path / "raw").out == "clean, 3 notes (-v) in 2 files\n"


def test_errors_come_before_warnings(doubtful: Path, sound: Path) -> None:
    with doubtful.open("r+b") as file:
        file.truncate(70000)
    shown = diskchain("check", doubtful)
    severities = re.findall("^  (error|warning|note):", shown.out, re.MULTILINE)
    assert severities == sorted(severities)
    assert severities[0] == "error"
    assert sound.name in shown.out


def test_what_is_ignored_neither_shows_nor_counts_but_is_counted(doubtful: Path, broken: Path) -> None:
    assert diskchain("check", doubtful).code == 1
    shown = diskchain("check", "--ignore", "capacity-mismatch", "--ignore", "world-writable-base", doubtful)
    assert shown.code == 0
    assert shown.out.endswith(", 2 ignored\n")
    assert "[capacity-mismatch]" not in shown.out
    several = diskchain("check", "--ignore", "missing", broken, doubtful)
    assert several.out.splitlines()[-1].endswith("1 ignored in 2 files")


def test_what_is_ignored_is_counted_in_json_and_suppressed_in_sarif(broken: Path) -> None:
    (target,) = json.loads(diskchain("check", "--json", "--ignore", "missing", broken).out)["targets"]
    assert target["ignored"] == 1
    assert "missing" not in {found["id"] for found in target["findings"]}
    log = json.loads(diskchain("check", "--sarif", "--ignore", "missing", broken).out)
    suppressed = {each["ruleId"]: "suppressions" in each for each in log["runs"][0]["results"]}
    assert suppressed == {"missing": True, "format-probed": False}


def test_an_unknown_id_is_a_usage_error_with_the_nearest_word(sound: Path) -> None:
    shown = diskchain("check", "--ignore", "mising", sound)
    assert (shown.code, shown.out) == (2, "")
    assert "unknown ID 'mising' (did you mean missing?)" in shown.err


def test_severity_error_leaves_out_warnings_and_they_do_not_count(doubtful: Path) -> None:
    shown = diskchain("check", "--severity", "error", doubtful)
    assert shown.code == 0
    assert shown.out == f"{doubtful}: 2 warnings (--severity), 1 note (-v)\n"
    document = json.loads(diskchain("check", "--json", "--severity", "error", doubtful).out)
    assert document["targets"][0]["findings"] == []


def test_what_could_not_be_looked_at_counts_whatever_severity_is_asked_for(qemu_img: QemuImg, tmp_path: Path) -> None:
    top = overlay(qemu_img, tmp_path / "top.qcow2", "nbd://127.0.0.1:1/x", "raw")
    shown = diskchain("check", "--severity", "error", top)
    assert shown.code == 3
    assert "[not-inspected]" in shown.out
    assert diskchain("check", "--ignore", "not-inspected", top).code == 0


def test_errors_far_up_are_named_again_at_the_end(doubtful: Path, broken: Path) -> None:
    copies = [doubtful.with_name(f"{number}.qcow2") for number in range(20)]
    for copy in copies:
        os.link(doubtful, copy)
    lines = diskchain("check", broken, *copies).out.splitlines()
    assert lines[-2:] == [
        f"errors in {broken}",
        "1 error, 40 warnings, 21 notes (-v) in 21 files; see diskchain explain missing",
    ]
