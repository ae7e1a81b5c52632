"""``pull`` and ``copy`` of a real chain: what the disk reads stays, and nothing but the layer or the new file is written to."""

import json
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.cli.commands import diskchain
from tests.jobs.trees import Tree, backing, content, left_behind, make, write
from tests.live.storage import QemuImg

pytestmark = pytest.mark.qemu


@pytest.fixture
def tree(qemu_img: QemuImg, tmp_path: Path) -> Tree:
    return make(qemu_img, tmp_path / "images")


@pytest.mark.parametrize("base", ["base", "mid", None])
def test_the_active_layer_takes_in_what_is_below(tree: Tree, base: str | None) -> None:
    before = content(tree.top, tree.place)
    others = {name: Path(tree.path(name)).read_bytes() for name in tree.names[1:]}
    words = () if base is None else ("--base", tree.path(base))
    done = diskchain("pull", tree.top, *words, "--state", tree.state)
    assert done.code == 0, done.err
    assert content(tree.top, tree.place) == before
    assert backing(tree.top) == ((None, None) if base is None else (f"{base}.qcow2", "qcow2"))
    assert {name: Path(tree.path(name)).read_bytes() for name in tree.names[1:]} == others
    assert left_behind(tree.place) == []


def test_nothing_between_is_nothing_to_do(tree: Tree) -> None:
    assert diskchain("pull", tree.top, "--base", tree.path("low"), "--state", tree.state).code == 0
    assert not Path(tree.state).exists()


def test_a_shared_base_does_not_keep_a_layer_from_taking_it_in(qemu_img: QemuImg, tree: Tree) -> None:
    qemu_img("create", "-q", "-f", "qcow2", "-b", "mid.qcow2", "-F", "qcow2", tree.path("sibling"))
    before = content(tree.path("sibling"), tree.place)
    assert diskchain("pull", tree.top, "--state", tree.state).code == 0
    assert content(tree.path("sibling"), tree.place) == before


def test_a_pull_is_taken_back(tree: Tree) -> None:
    before = content(tree.top, tree.place)
    assert diskchain("pull", tree.top, "--state", tree.state).code == 0
    assert diskchain("rollback", "1", "--state", tree.state).code == 0
    assert backing(tree.top) == ("low.qcow2", "qcow2")
    assert content(tree.top, tree.place) == before


def test_a_declared_chain_loses_the_layers_that_go(tree: Tree) -> None:
    document = tree.document()
    assert diskchain("complete", document, "--in-place").code == 0
    assert diskchain("pull", document, "--state", tree.state).code == 0
    text = document.read_text()
    assert "top.qcow2" in text
    assert not any(f"{name}.qcow2" in text for name in ("low", "mid", "base"))
    assert diskchain("diff", document).code == 0


@pytest.mark.parametrize("words", [(), ("--shallow",), ("--output-format", "raw")])
def test_a_copy_reads_the_same_and_the_chain_is_only_read(tree: Tree, words: tuple[str, ...]) -> None:
    before = content(tree.top, tree.place)
    others = {name: Path(tree.path(name)).read_bytes() for name in tree.names}
    copy = tree.place / "copy.qcow2"
    done = diskchain("copy", tree.top, copy, *words, "--state", tree.state)
    assert done.code == 0, done.err
    assert content(copy, tree.place) == before
    assert {name: Path(tree.path(name)).read_bytes() for name in tree.names} == others
    if words == ("--shallow",):
        assert backing(str(copy)) == ("low.qcow2", "qcow2")
    assert left_behind(tree.place) == []


def test_a_copy_has_the_rights_of_the_disk(tree: Tree) -> None:
    Path(tree.top).chmod(0o604)
    copy = tree.place / "copy.qcow2"
    assert diskchain("copy", tree.top, copy, "--state", tree.state).code == 0
    assert copy.stat().st_mode & 0o777 == 0o604


def test_nothing_is_written_over(tree: Tree) -> None:
    refused = diskchain("copy", tree.top, tree.path("base"), "--state", tree.state)
    assert refused.code == 2
    assert "[job-target]" in refused.err


def test_a_pivot_is_not_taken_back_once_the_copy_was_written_to(tree: Tree) -> None:
    document = tree.document()
    assert diskchain("copy", document, tree.path("new"), "--pivot", "--state", tree.state).code == 0
    write(tree.path("new"), 99, "7M", "64k")
    assert diskchain("rollback", "1", "--state", tree.state).code == 1
    assert Path(tree.path("new")).exists()


@pytest.mark.parametrize(
    "words",
    [
        ("pull", "{top}", "--base", "{base}"),
        ("pull", "{top}"),
        ("copy", "{top}", "{new}"),
        ("snapshot", "{top}", "{new}"),
    ],
)
def test_the_nearest_commands_come_to_the_same(tree: Tree, words: tuple[str, ...]) -> None:
    before = content(tree.top, tree.place)
    filled = [word.format(top=tree.top, base=tree.path("base"), new=tree.path("new")) for word in words]
    shown = diskchain(*filled, "--plan", "--json", "--state", tree.state)
    commands = json.loads(shown.out)["commands"]
    assert commands
    for command in commands:
        subprocess.run(shlex.split(command), check=True, cwd=tree.place, capture_output=True)
    disk = tree.path("new") if "{new}" in words else tree.top
    assert content(disk, tree.place) == before
    if words[0] == "pull":
        assert backing(tree.top)[0] == ("base.qcow2" if "{base}" in words else None)


def test_layers_with_data_files_are_merged_and_deleted_whole(qemu_img: QemuImg, tmp_path: Path) -> None:
    tree = Tree(tmp_path, ("top", "mid", "base"))
    below: tuple[str, ...] = ()
    for number, name in enumerate(("base", "mid", "top"), 1):
        data = ("-o", f"data_file={tmp_path / name}.data") if name != "top" else ()
        qemu_img("create", "-q", "-f", "qcow2", *data, *below, tree.path(name), "8M")
        write(tree.path(name), number, f"{number}M", "2M")
        below = ("-b", f"{name}.qcow2", "-F", "qcow2")
    before = content(tree.top, tmp_path)
    done = diskchain("commit", tree.top, "--top", tree.path("mid"), "--delete", "--state", tree.state)
    assert done.code == 0, done.err
    assert content(tree.top, tmp_path) == before
    assert not (tmp_path / "mid.data").exists()
    assert (tmp_path / "base.data").exists()


def test_a_pull_into_a_layer_with_a_data_file_reads_the_same(qemu_img: QemuImg, tree: Tree) -> None:
    top = tree.path("with-data")
    data = f"data_file={tree.place}/with-data.raw"
    qemu_img("create", "-q", "-f", "qcow2", "-o", data, "-b", "top.qcow2", "-F", "qcow2", top)
    write(top, 9, "3M", "1M")
    before = content(top, tree.place)
    assert diskchain("pull", top, "--state", tree.state).code == 0
    assert content(top, tree.place) == before
    assert backing(top) == (None, None)
