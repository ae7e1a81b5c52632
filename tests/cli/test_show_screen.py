"""The screen of ``diskchain show``: a line for each layer, messages beside the tree at any width, colour where it is wanted."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.commands import diskchain
from tests.discover.chains import overlay
from tests.live.storage import QemuImg

_SGR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def broken(qemu_img: QemuImg, tmp_path: Path) -> Path:
    overlay(qemu_img, tmp_path / "middle.qcow2", "gone.raw", "raw")
    return overlay(qemu_img, tmp_path / "top.qcow2", "middle.qcow2")


def on_a_terminal(*words: str | Path, columns: int = 80, **environ: str) -> str:
    """What stands on a terminal of that width."""
    ours, theirs = pty.openpty()
    environment = {key: value for key, value in os.environ.items() if key not in ("NO_COLOR", "FORCE_COLOR")}
    environment |= {"TERM": "xterm", "COLUMNS": str(columns)} | environ
    command = [sys.executable, "-m", "diskchain", *map(str, words)]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment) as process:
        os.close(theirs)
        said = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # EIO: the process has ended
                break
            said += piece
        process.wait(30)
    os.close(ours)
    return said.decode().replace("\r\n", "\n")


def test_a_broken_chain_says_what_is_wrong_under_the_layer_and_the_command_below_the_tree(broken: Path) -> None:
    shown = diskchain("show", "-f", "qcow2", broken)
    assert shown.code == 1
    lines = shown.out.splitlines()
    assert lines[0].endswith(" used; 1 error")
    assert ": 1 MiB, at least " in lines[0]
    assert lines[3] == "├─ [2] gone.raw      raw                         error"
    assert lines[4] == "│      error: no such file: gone.raw, named by middle.qcow2 [missing]"
    assert lines[5] == "└─ unknown: what is below could not be found out"
    assert lines[6].startswith(f"[2] fix: head -c 65536 -- {broken.parent}/middle.qcow2 ")
    assert len(lines) == 7


def test_the_directory_stands_once(broken: Path) -> None:
    tree = diskchain("show", "-f", "qcow2", broken).out.partition("fix:")[0]
    assert tree.count(str(broken.parent)) == 1


def test_layers_of_several_directories_are_named_from_the_one_they_share(qemu_img: QemuImg, tmp_path: Path) -> None:
    for name in ("bases", "overlays"):
        (tmp_path / name).mkdir()
    qemu_img("create", "-q", "-f", "qcow2", tmp_path / "bases" / "base.qcow2", "1M")
    overlay(qemu_img, tmp_path / "overlays" / "top.qcow2", f"{tmp_path}/bases/base.qcow2")
    shown = diskchain("show", "top.qcow2", directory=tmp_path / "overlays").out
    assert shown.startswith(f"top.qcow2  2 layers in {tmp_path}: ")
    assert "├─ [0] overlays/top.qcow2  qcow2" in shown
    assert "└─ [1] bases/base.qcow2    qcow2" in shown


def test_a_path_that_ends_like_one_of_the_tree_is_left_whole(broken: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    shown = diskchain("show", "-f", "qcow2", link / broken.name).out
    assert "no such file: gone.raw, named by middle.qcow2" in shown
    assert f"there is no {tmp_path}/gone.raw" in shown


@pytest.mark.parametrize("columns", [40, 80, 160, 250])
@pytest.mark.parametrize("form", [(), ("-v",)])
def test_messages_stay_beside_the_tree_at_any_width(broken: Path, columns: int, form: tuple[str, ...]) -> None:
    shown = _SGR.sub("", on_a_terminal("show", *form, broken, columns=columns))
    lines = [line for line in shown.splitlines() if "fix: " not in line]
    assert all(len(line) <= columns for line in lines), shown
    first = next(number for number, line in enumerate(lines) if line.startswith("├"))
    last = next(number for number, line in enumerate(lines) if line.startswith("└"))
    assert all(line[0] in "├│" for line in lines[first:last]), shown
    assert all(line.startswith("   ") for line in lines[last + 1 :]), shown


@pytest.mark.parametrize("columns", [40, 80, 160])
def test_check_keeps_within_the_width_but_for_commands(broken: Path, columns: int) -> None:
    shown = _SGR.sub("", on_a_terminal("check", "-v", broken, columns=columns))
    wide = [line for line in shown.splitlines() if len(line) > columns]
    assert all("fix: " in line or line.startswith(str(broken)) for line in wide), shown


def test_a_command_is_one_line_that_can_be_copied_at_any_width(broken: Path) -> None:
    command = json.loads(diskchain("check", "--json", broken).out)["targets"][0]["findings"]
    fix = next(found["fix"] for found in command if found["id"] == "missing")
    assert f"[2] fix: {fix}\n" in on_a_terminal("show", broken, columns=40)


def test_color_says_when_whatever_the_output_is(broken: Path) -> None:
    assert "\x1b[31;1merror\x1b[0m" in diskchain("show", "--color", "always", broken).out
    assert "\x1b" not in diskchain("show", "--color=auto", broken).out
    assert "\x1b[31;1merror" in on_a_terminal("show", broken)
    assert "\x1b" not in on_a_terminal("show", "--color=never", broken)
    assert "\x1b[31;1m1 error" in diskchain("check", "--color", "always", broken).out


def test_the_environment_says_so_unless_the_option_does(broken: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "\x1b" not in on_a_terminal("show", broken, NO_COLOR="1")
    assert "\x1b" in on_a_terminal("show", "--color=always", broken, NO_COLOR="1")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b" in diskchain("show", broken).out
    assert "\x1b" not in diskchain("show", "--color=never", broken).out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in diskchain("show", broken).out


def test_what_is_ignored_changes_exit_code_and_mark(broken: Path) -> None:
    shown = diskchain("show", "-f", "qcow2", "--ignore", "missing", broken)
    assert shown.code == 0
    assert shown.out.splitlines()[0].endswith("; clean, 1 ignored")
    assert "error" not in shown.out
    document = json.loads(diskchain("show", "--json", "--ignore", "missing", broken).out)
    assert all(found["id"] != "missing" for layer in document["disks"][0]["layers"] for found in layer["findings"])


def test_an_overlay_that_a_domain_has_may_name_its_backing_file_absolutely(qemu_img: QemuImg, tmp_path: Path) -> None:
    qemu_img("create", "-q", "-f", "qcow2", tmp_path / "base.qcow2", "1M")
    top = overlay(qemu_img, tmp_path / "top.qcow2", str(tmp_path / "base.qcow2"))
    assert "[absolute-reference]" in diskchain("check", "-v", top).out
    document = tmp_path / "vm.xml"
    document.write_text(
        f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{top}'/>"
        "<target dev='vda' bus='virtio'/></disk>"
    )
    assert "[absolute-reference]" not in diskchain("check", "-v", document).out


def test_errors_of_a_disk_in_its_document_are_counted_above_its_chain(tmp_path: Path) -> None:
    (tmp_path / "a.raw").write_bytes(bytes(1 << 20))
    document = tmp_path / "vm.xml"
    document.write_text(
        f"<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{tmp_path}/a.raw'/>"
        "<target dev='vda' bus='virtio'/><serial>a/b</serial></disk>"
    )
    lines = diskchain("show", document).out.splitlines()
    assert lines[0].startswith("error: vda, line 1: a serial is made of ")
    assert lines[1].startswith(f"vda  1 layer in {tmp_path}: 1 MiB, ")
    assert lines[1].endswith("; 1 error")
