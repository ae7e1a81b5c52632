"""``rebase`` and ``relocate``: an overlay over another backing file, and over the same one in another place."""

import json
import shlex
import shutil
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


def test_over_another_chain_the_disk_reads_the_same(tree: Tree) -> None:
    before = content(tree.top, tree.place)
    others = {name: Path(tree.path(name)).read_bytes() for name in (*tree.names[1:], "other")}
    done = diskchain("rebase", tree.top, "--onto", tree.path("other"), "--state", tree.state)
    assert done.code == 0, done.err
    assert content(tree.top, tree.place) == before
    assert backing(tree.top) == ("other.qcow2", "qcow2")
    assert {name: Path(tree.path(name)).read_bytes() for name in (*tree.names[1:], "other")} == others
    assert left_behind(tree.place) == []
    assert not list(tree.place.glob("*.diskchain-rebase"))
    assert diskchain("rollback", "1", "--state", tree.state).code == 0
    assert backing(tree.top) == ("low.qcow2", "qcow2")
    assert content(tree.top, tree.place) == before


def test_over_a_branch_of_its_own_chain_too(qemu_img: QemuImg, tree: Tree) -> None:
    qemu_img("create", "-q", "-f", "qcow2", "-b", "mid.qcow2", "-F", "qcow2", tree.path("branch"))
    write(tree.path("branch"), 50, "2M", "3M")
    before = content(tree.top, tree.place)
    assert diskchain("rebase", tree.top, "--onto", tree.path("branch"), "--state", tree.state).code == 0
    assert content(tree.top, tree.place) == before
    assert backing(tree.top) == ("branch.qcow2", "qcow2")


@pytest.mark.parametrize("size", ["4M", "16M"])
def test_over_a_base_of_another_size_too(qemu_img: QemuImg, tree: Tree, size: str) -> None:
    qemu_img("create", "-q", "-f", "qcow2", tree.path("sized"), size)
    write(tree.path("sized"), 50, "1M", "3M")
    before = content(tree.top, tree.place)
    assert diskchain("rebase", tree.top, "--onto", tree.path("sized"), "--state", tree.state).code == 0
    assert content(tree.top, tree.place) == before


def test_over_a_layer_further_down_it_is_a_pull(tree: Tree) -> None:
    before = content(tree.top, tree.place)
    assert diskchain("rebase", tree.top, "--onto", tree.path("mid"), "--state", tree.state).code == 0
    assert content(tree.top, tree.place) == before
    assert backing(tree.top) == ("mid.qcow2", "qcow2")


def test_the_metadata_alone_is_written_where_both_chains_read_the_same(tree: Tree) -> None:
    shutil.copy(tree.path("low"), tree.path("copy"))
    before, size = content(tree.top, tree.place), Path(tree.top).stat().st_size
    done = diskchain("rebase", tree.top, "--onto", tree.path("copy"), "--metadata-only", "--state", tree.state)
    assert done.code == 0, done.err
    assert content(tree.top, tree.place) == before
    assert backing(tree.top) == ("copy.qcow2", "qcow2")
    assert Path(tree.top).stat().st_size == size


def test_the_metadata_alone_is_not_written_where_the_disk_would_read_differently(tree: Tree) -> None:
    before = Path(tree.top).read_bytes()
    stopped = diskchain("rebase", tree.top, "--onto", tree.path("other"), "--metadata-only", "--state", tree.state)
    assert stopped.code == 1
    assert "[job-unequal]" in stopped.err
    assert Path(tree.top).read_bytes() == before
    assert diskchain("rollback", "1", "--state", tree.state).code == 0


@pytest.mark.parametrize("onto", ["top", "above"])
def test_an_overlay_is_not_put_over_itself(qemu_img: QemuImg, tree: Tree, onto: str) -> None:
    qemu_img("create", "-q", "-f", "qcow2", "-b", "top.qcow2", "-F", "qcow2", tree.path("above"))
    refused = diskchain("rebase", tree.top, "--onto", tree.path(onto), "--state", tree.state)
    assert refused.code == 2
    assert "[job-chain]" in refused.err


def test_the_nearest_command_comes_to_the_same(tree: Tree) -> None:
    before = content(tree.top, tree.place)
    shown = diskchain("rebase", tree.top, "--onto", tree.path("other"), "--plan", "--json")
    (command,) = json.loads(shown.out)["commands"]
    subprocess.run(shlex.split(command), check=True, cwd=tree.place, capture_output=True)
    assert content(tree.top, tree.place) == before
    assert backing(tree.top) == ("other.qcow2", "qcow2")


def absolute(qemu_img: QemuImg, tree: Tree) -> None:
    """Have the headers name files by their whole paths."""
    for above, below in (("top", "low"), ("low", "mid"), ("mid", "base")):
        qemu_img("rebase", "-u", "-b", tree.path(below), "-F", "qcow2", tree.path(above))


def test_moved_files_are_found_by_their_new_names(qemu_img: QemuImg, tree: Tree) -> None:
    absolute(qemu_img, tree)
    document, before = tree.document(), content(tree.top, tree.place)
    new = Tree(tree.place.parent / "moved")
    tree.place.rename(new.place)
    move = ("--map", f"{tree.place}={new.place}", "--state", new.state)
    planned = diskchain("relocate", new.place / document.name, *move, "--plan")
    assert planned.code == 0, planned.err + planned.out
    assert backing(new.top)[0] == tree.path("low")
    done = diskchain("relocate", new.place / document.name, *move)
    assert done.code == 0, done.err
    assert content(new.top, new.place) == before
    assert f"<source file='{new.top}'/>" in (new.place / document.name).read_text()
    assert diskchain("check", new.place / document.name).code == 0
    assert diskchain("relocate", new.place / document.name, *move).out.startswith("nothing to do")


def test_names_within_another_root_are_those_of_that_system(qemu_img: QemuImg, tree: Tree) -> None:
    absolute(qemu_img, tree)
    new = Tree(tree.place.parent / "root" / "srv")
    new.place.parent.mkdir()
    tree.place.rename(new.place)
    root = str(new.place.parent)
    done = diskchain("relocate", new.top, "--map", f"{tree.place}=/srv", "--root", root, "--state", new.state)
    assert done.code == 0, done.err
    assert [backing(new.path(name))[0] for name in ("top", "low", "mid")] == [
        f"/srv/{n}.qcow2" for n in ("low", "mid", "base")
    ]


def test_relative_names_that_lead_to_their_file_stay(tree: Tree) -> None:
    new = Tree(tree.place.parent / "moved")
    tree.place.rename(new.place)
    done = diskchain("relocate", new.top, "--map", f"{tree.place}={new.place}", "--state", new.state)
    assert done.out == "nothing to do: the chain is as it shall be\n"


def test_a_name_that_leads_nowhere_and_is_in_no_map_is_refused(qemu_img: QemuImg, tree: Tree) -> None:
    absolute(qemu_img, tree)
    new = Tree(tree.place.parent / "moved")
    tree.place.rename(new.place)
    refused = diskchain("relocate", new.top, "--map", f"/elsewhere={new.place}", "--state", new.state)
    assert refused.code == 2
    assert tree.path("low") in refused.err


def test_what_is_no_image_of_the_recorded_format_is_refused(qemu_img: QemuImg, tree: Tree) -> None:
    absolute(qemu_img, tree)
    Path(tree.path("low")).unlink()
    Path(tree.path("low") + ".new").write_bytes(bytes(65536))
    words = ("--map", f"{tree.path('low')}={tree.path('low')}.new", "--state", tree.state)
    assert diskchain("relocate", tree.top, *words).code == 2
