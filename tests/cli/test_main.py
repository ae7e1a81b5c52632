"""The command line as a whole: help, versions, completion, interruption, broken pipes."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.commands import diskchain
from tests.live.peers import requires

from diskchain.cli.full_parser import build_parser
from diskchain.cli.verbs import VERBS, command


def test_help_lists_every_verb() -> None:
    shown = diskchain("--help")
    assert shown.code == 0
    assert all(verb in shown.out for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help_with_an_example(verb: str) -> None:
    shown = diskchain(verb, "--help")
    assert shown.code == 0
    assert f"diskchain {verb}" in command(verb).EXAMPLE
    assert command(verb).EXAMPLE.splitlines()[-1] in shown.out


@pytest.mark.parametrize("verb", VERBS)
def test_the_help_of_every_verb_ends_with_its_exit_codes(verb: str) -> None:
    assert diskchain(verb, "--help").out.rpartition("\n\n")[2].startswith("exit codes: ")


def test_an_unknown_verb_is_a_usage_error() -> None:
    shown = diskchain("frobnicate")
    assert shown.code == 2
    assert "show" in shown.err


def test_the_version_is_printed() -> None:
    assert diskchain("--version").out.startswith("diskchain ")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "tcsh"])
def test_completion_knows_every_verb(shell: str) -> None:
    script = diskchain("completion", shell)
    assert script.code == 0
    assert all(verb in script.out for verb in VERBS)


@requires("fish")
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("", set(VERBS)),
        ("show --policy ", {"libvirt", "strict", "upload"}),
        ("complete --in", {"--in-place"}),
        ("explain trun", {"truncated"}),
        ("check --ignore world", {"world-writable-base"}),
    ],
)
def test_fish_completes_verbs_options_and_values(words: str, offered: set[str], tmp_path: Path) -> None:
    script = tmp_path / "diskchain.fish"
    script.write_text(diskchain("completion", "fish").out)
    (tmp_path / "diskchain").touch(mode=0o755)
    asked = ["fish", "--no-config", "-c", f"source {script}; complete -C 'diskchain {words}'"]
    environment = {"HOME": str(tmp_path), "PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(asked, capture_output=True, text=True, check=True, env=environment, cwd=tmp_path)
    assert done.stderr == ""
    assert {line.partition("\t")[0] for line in done.stdout.splitlines()} == offered


def test_every_parser_can_be_built_at_once() -> None:
    build_parser(tuple(VERBS))


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(512))
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "diskchain", "show", "--json", image], stdout=writer, stderr=subprocess.PIPE, check=False
    )
    os.close(writer)
    assert done.stderr == b""


@requires("root")  # who else may not see what a process waits for
def test_ctrl_c_ends_without_a_traceback() -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "diskchain", "show", "-"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not _waits_for_input(process.pid):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert err == ""


def _waits_for_input(pid: int) -> bool:
    """Whether the process is in read(2) on descriptor 0: past its imports, with nothing to read."""
    return Path(f"/proc/{pid}/syscall").read_text().startswith("0 0x0 ")


def test_a_directory_has_no_header(tmp_path: Path) -> None:
    assert diskchain("info", tmp_path).code == 2


def test_a_document_has_no_header_unless_it_is_said_to_be_an_image(tmp_path: Path) -> None:
    document = tmp_path / "vm"
    document.write_text("<domain><name>vm</name></domain>")
    shown = diskchain("info", document)
    assert (shown.code, shown.out) == (2, "")
    assert "-f raw reads it as an image" in shown.err
    assert diskchain("info", "-f", "raw", document).code == 0


def test_an_empty_name_has_no_header() -> None:
    assert diskchain("info", "").code == 2


@requires("sfdisk")
def test_what_a_raw_disk_holds_is_shown_and_it_stays_raw(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.write_bytes(bytes(4 << 20))
    table = 'label: gpt\nsize=1M,name="Größe"\n'
    subprocess.run(["sfdisk", "--quiet", disk], input=table, text=True, check=True, capture_output=True)
    shown = diskchain("info", disk)
    assert "format: raw (guessed from the header)" in shown.out
    assert "holds a partition table: gpt, id " in shown.out
    assert "1 MiB (1048576 bytes), type 0fc63daf-8483-4772-8e79-3d69d8477de4, Größe" in shown.out
    content = json.loads(diskchain("info", "--json", disk).out)["content"]
    assert content["partition-table"]["partitions"][0]["name"] == "Größe"
