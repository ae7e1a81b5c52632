"""What the verbs that make jobs say of targets and words that make no sense: the exit codes of every verb."""

import json
import os
from pathlib import Path
from typing import Final

import pytest

from tests.cli.commands import diskchain
from tests.jobs.trees import DISK, Tree, make
from tests.live.storage import QemuImg

pytestmark = pytest.mark.qemu
VERBS: Final = {
    "snapshot": (),
    "commit": (),
    "pull": (),
    "copy": ("/nowhere/new.qcow2",),
    "rebase": ("--onto", "/nowhere/base.qcow2"),
    "relocate": ("--map", "/a=/b"),
}


def code(verb: str, target: Path) -> int:
    return diskchain(verb, target, *VERBS[verb], "--state", target.parent / "state").code


@pytest.mark.parametrize("verb", VERBS)
def test_a_target_has_the_exit_code_that_it_has_in_every_verb(verb: str, tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "bad.xml").write_text("<domain>")
    os.mkfifo(tmp_path / "fifo")
    assert code(verb, tmp_path / "absent.qcow2") == 3
    assert code(verb, tmp_path / "fifo") == 3
    assert code(verb, tmp_path / "directory") == 2
    assert code(verb, tmp_path / "bad.xml") == 2
    assert not (tmp_path / "state").exists()


def test_a_chain_that_is_not_whole_is_refused(qemu_img: QemuImg, tmp_path: Path) -> None:
    tree = make(qemu_img, tmp_path / "images")
    Path(tree.path("mid")).unlink()
    refused = diskchain("commit", tree.top, "--state", tree.state)
    assert refused.code == 2
    assert "[missing]" in refused.err


def test_a_format_that_is_not_recorded_is_refused(qemu_img: QemuImg, tmp_path: Path) -> None:
    from tests.discover.chains import unrecorded_overlay

    tree = make(qemu_img, tmp_path / "images")
    top = unrecorded_overlay(qemu_img, tree.place / "vague.qcow2", "base.qcow2")
    refused = diskchain("commit", top, "--state", tree.state)
    assert refused.code == 2
    assert "[job-chain]" in refused.err


@pytest.mark.parametrize(
    "words",
    [
        ("--top", "{base}", "--base", "{mid}"),
        ("--top", "nothing.qcow2"),
        ("--bandwidth", "fast"),
        ("-d", "vdb"),
    ],
)
def test_words_that_make_no_sense_are_usage(qemu_img: QemuImg, tmp_path: Path, words: tuple[str, ...]) -> None:
    tree: Tree = make(qemu_img, tmp_path / "images")
    filled = [word.format(base=tree.path("base"), mid=tree.path("mid")) for word in words]
    assert diskchain("commit", tree.top, *filled, "--state", tree.state).code == 2
    assert not Path(tree.state).exists()


def test_of_several_disks_one_has_to_be_named(qemu_img: QemuImg, tmp_path: Path) -> None:
    tree = make(qemu_img, tmp_path / "images")
    one = DISK.format(format="qcow2", top=tree.top, below="")
    second = f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='{tree.path('other')}'/><target dev='vdb'/></disk>"
    document = tree.place / "two.xml"
    document.write_text(one.replace("</devices>", f"{second}</devices>"))
    refused = diskchain("snapshot", document, "--state", tree.state)
    assert refused.code == 2
    assert "vda, vdb" in refused.err
    assert diskchain("snapshot", document, "-d", "vdb", "--state", tree.state).code == 0
    assert "other.1.qcow2" in document.read_text()
    assert f"<source file='{tree.top}'/>" in document.read_text()


@pytest.mark.parametrize("verb", ["resume", "rollback", "cancel"])
def test_a_number_of_no_job_is_usage(verb: str, tmp_path: Path) -> None:
    assert diskchain(verb, "7", "--state", tmp_path / "state").code == 2
    assert not (tmp_path / "state").exists()


def test_a_journal_that_cannot_be_used_is_could_not_tell(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / "jobs.db").write_bytes(b"")
    shown = diskchain("jobs", "--state", state)
    assert shown.code == 3
    assert "what it said about jobs on chains is lost" in shown.err


def test_an_error_that_ends_a_job_is_one_line_of_json(qemu_img: QemuImg, tmp_path: Path) -> None:
    tree = make(qemu_img, tmp_path / "images")
    Path(tree.state).mkdir(mode=0o700)
    Path(tree.state, "jobs.db").write_bytes(b"")
    shown = diskchain("commit", tree.top, "--json", "--state", tree.state)
    (line,) = shown.out.splitlines()
    assert (json.loads(line)["error"], shown.code) == ("journal-error", 3)
