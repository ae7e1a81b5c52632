"""``commit`` of ranges of a real chain: what the disk reads stays, references are right, and what must not be done is refused."""

import json
import shlex
import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from tests.cli.commands import Outcome, diskchain
from tests.jobs.trees import Tree, backing, content, left_behind, make, write
from tests.live.storage import QemuImg

pytestmark = pytest.mark.qemu


@pytest.fixture
def tree(qemu_img: QemuImg, tmp_path: Path) -> Tree:
    return make(qemu_img, tmp_path / "images")


def commit(tree: Tree, *words: str | Path) -> Outcome:
    return diskchain("commit", *words, "--state", tree.state, seconds=120)


@pytest.mark.parametrize(
    ("range_", "chain"),
    [
        (("mid", "base"), ["top", "low", "base"]),
        (("low", "base"), ["top", "base"]),
        (("low", "mid"), ["top", "mid", "base"]),
    ],
)
def test_a_range_below_the_top_goes_and_the_disk_reads_the_same(
    tree: Tree, range_: tuple[str, str], chain: list[str]
) -> None:
    before = content(tree.top, tree.place)
    done = commit(tree, tree.top, "--top", tree.path(range_[0]), "--base", tree.path(range_[1]))
    assert done.code == 0, done.err
    assert content(tree.top, tree.place) == before
    for above, below in pairwise(chain):
        assert backing(tree.path(above)) == (f"{below}.qcow2", "qcow2")
    assert all(Path(tree.path(name)).exists() for name in tree.names)
    assert left_behind(tree.place) == []


def test_the_active_layer_goes_into_the_last_one(tree: Tree) -> None:
    before = content(tree.top, tree.place)
    assert commit(tree, tree.top).code == 0
    assert content(tree.path("base"), tree.place) == before
    assert content(tree.top, tree.place) == before


def test_with_delete_the_merged_files_are_gone_and_the_disk_reads_the_same(tree: Tree) -> None:
    before = content(tree.top, tree.place)
    assert commit(tree, tree.top, "--top", tree.path("low"), "--delete").code == 0
    assert content(tree.top, tree.place) == before
    assert not Path(tree.path("low")).exists()
    assert not Path(tree.path("mid")).exists()


def test_a_document_that_names_only_the_top_names_the_base_then(tree: Tree) -> None:
    before, document = content(tree.top, tree.place), tree.document()
    assert commit(tree, document, "--delete").code == 0
    assert f"<source file='{tree.path('base')}'/>" in document.read_text()
    assert not Path(tree.top).exists()
    assert content(tree.path("base"), tree.place) == before


def test_a_document_that_declares_the_chain_loses_the_layers_that_go(tree: Tree) -> None:
    document = tree.document()
    assert diskchain("complete", document, "--in-place").code == 0
    assert commit(tree, document, "--top", tree.path("low"), "--base", tree.path("mid")).code == 0
    text = document.read_text()
    assert "low.qcow2" not in text
    assert "mid.qcow2" in text
    assert "base.qcow2" in text
    assert diskchain("diff", document).code == 0


def test_a_declared_base_becomes_the_disk(tree: Tree) -> None:
    document = tree.document()
    assert diskchain("complete", document, "--in-place").code == 0
    assert commit(tree, document).code == 0
    text = document.read_text()
    assert "top.qcow2" not in text
    assert "mid.qcow2" not in text
    assert diskchain("check", document).code == 0


def test_a_smaller_base_grows(qemu_img: QemuImg, tmp_path: Path) -> None:
    tree = make(qemu_img, tmp_path / "images")
    for name in ("mid", "low", "top"):
        qemu_img("resize", "-q", "-f", "qcow2", tree.path(name), "12M")
    write(tree.path("mid"), 9, "10M", "1M")
    before = content(tree.top, tree.place)
    assert commit(tree, tree.top, "--top", tree.path("mid")).code == 0
    assert content(tree.top, tree.place) == before


def test_a_raw_base_takes_the_data(qemu_img: QemuImg, tmp_path: Path) -> None:
    base, top = tmp_path / "base.raw", tmp_path / "top.qcow2"
    base.write_bytes(b"\1" * (4 << 20))
    qemu_img("create", "-q", "-f", "qcow2", "-b", "base.raw", "-F", "raw", top)
    write(str(top), 7, "1M", "1M")
    assert diskchain("commit", top, "--state", tmp_path / "state").code == 0
    assert base.read_bytes() == b"\1" * (1 << 20) + b"\7" * (1 << 20) + b"\1" * (2 << 20)


def test_a_device_takes_the_data_and_is_told_from_a_file(
    qemu_img: QemuImg, tmp_path: Path, loop_device: Callable[[Path], Path]
) -> None:
    file, top, mid = tmp_path / "disk", tmp_path / "top.qcow2", tmp_path / "mid.qcow2"
    file.write_bytes(b"\1" * (4 << 20))
    device = loop_device(file)
    qemu_img("create", "-q", "-f", "qcow2", "-b", device, "-F", "raw", mid)
    qemu_img("create", "-q", "-f", "qcow2", "-b", "mid.qcow2", "-F", "qcow2", top)
    write(str(mid), 7, "1M", "1M")
    before = content(top, tmp_path)
    done = diskchain("commit", top, "--top", mid, "--state", tmp_path / "state")
    assert done.code == 0, done.err
    assert content(top, tmp_path) == before
    assert backing(str(top)) == (str(device), "raw")


def test_a_larger_base_is_refused(qemu_img: QemuImg, tmp_path: Path) -> None:
    tree = make(qemu_img, tmp_path / "images")
    qemu_img("resize", "-q", "-f", "qcow2", tree.path("base"), "12M")
    before = Path(tree.path("base")).read_bytes()
    refused = commit(tree, tree.top, "--top", tree.path("mid"))
    assert refused.code == 2
    assert "[job-sizes]" in refused.err
    assert Path(tree.path("base")).read_bytes() == before


def test_another_overlay_of_the_base_is_found_and_refused(qemu_img: QemuImg, tmp_path: Path) -> None:
    tree = make(qemu_img, tmp_path / "images")
    qemu_img("create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", tree.path("sibling"))
    refused = commit(tree, tree.top, "--top", tree.path("mid"))
    assert refused.code == 2
    assert "sibling.qcow2" in refused.err
    # Over the layer that is merged it reads the same; only its deletion would spoil it.
    qemu_img("rebase", "-u", "-b", "low.qcow2", "-F", "qcow2", tree.path("sibling"))
    assert commit(tree, tree.top, "--top", tree.path("low"), "--delete").code == 2
    before = content(tree.path("sibling"), tree.place)
    assert commit(tree, tree.top, "--top", tree.path("low")).code == 0
    assert content(tree.path("sibling"), tree.place) == before


def test_an_overlay_elsewhere_is_found_where_it_is_searched(qemu_img: QemuImg, tmp_path: Path) -> None:
    tree = make(qemu_img, tmp_path / "images")
    (tmp_path / "other" / "deep").mkdir(parents=True)
    overlay = tmp_path / "other" / "deep" / "clone.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-b", tree.path("base"), "-F", "qcow2", overlay)
    refused = commit(tree, tree.top, "--top", tree.path("mid"), "--search", tmp_path / "other")
    assert refused.code == 2
    assert str(overlay) in refused.err


def test_a_file_that_another_process_has_open_is_refused_by_name(tree: Tree) -> None:
    with Path(tree.path("mid")).open("rb") as _, subprocess.Popen(["sleep", "60"], stdin=_) as holder:
        refused = commit(tree, tree.top, "--top", tree.path("mid"))
        holder.kill()
    assert refused.code == 2
    assert f"sleep (process {holder.pid})" in refused.err


def test_the_active_layer_is_not_deleted_without_its_document(tree: Tree) -> None:
    refused = commit(tree, tree.top, "--delete")
    assert refused.code == 2
    assert "[job-document]" in refused.err


def test_nothing_is_deleted_without_the_proof(tree: Tree) -> None:
    assert commit(tree, tree.top, "--top", tree.path("mid"), "--delete", "--no-verify").code == 2


def test_without_the_proof_the_disk_reads_the_same_too(tree: Tree) -> None:
    before = content(tree.top, tree.place)
    assert commit(tree, tree.top, "--top", tree.path("mid"), "--no-verify").code == 0
    assert content(tree.top, tree.place) == before


def test_one_layer_is_nothing_to_do(tree: Tree) -> None:
    done = commit(tree, tree.path("base"))
    assert (done.code, done.out) == (0, "nothing to do: the chain is as it shall be\n")
    assert not Path(tree.state).exists()


def test_a_plan_changes_nothing(tree: Tree) -> None:
    before = {path: path.read_bytes() for path in tree.place.iterdir()}
    assert commit(tree, tree.top, "--top", tree.path("mid"), "--plan").code == 0
    assert {path: path.read_bytes() for path in tree.place.iterdir()} == before


def test_the_nearest_commands_come_to_the_same(tree: Tree) -> None:
    before = content(tree.top, tree.place)
    shown = commit(tree, tree.top, "--top", tree.path("low"), "--plan", "--json")
    for command in json.loads(shown.out)["commands"]:
        subprocess.run(shlex.split(command), check=True, cwd=tree.place, capture_output=True)
    assert content(tree.top, tree.place) == before
    assert backing(tree.top) == ("base.qcow2", "qcow2")


def test_a_job_is_taken_back_until_its_layers_are_gone(tree: Tree) -> None:
    before = content(tree.top, tree.place)
    assert commit(tree, tree.top, "--top", tree.path("mid")).code == 0
    write(tree.top, 99, "7M", "64k")  # the guest ran: only the active layer changed, which stays
    after = content(tree.top, tree.place)
    assert diskchain("rollback", "1", "--state", tree.state).code == 0
    assert backing(tree.path("low")) == ("mid.qcow2", "qcow2")
    assert content(tree.top, tree.place) == after != before


def test_a_job_is_not_taken_back_where_that_would_hide_what_a_guest_wrote(tree: Tree) -> None:
    document = tree.document()
    assert commit(tree, document).code == 0
    write(tree.path("base"), 99, "7M", "64k")
    refused = diskchain("rollback", "1", "--state", tree.state)
    assert refused.code == 1
    assert "[job-undecidable]" in refused.err
    assert tree.path("base") in document.read_text()


def test_a_finished_copy_is_not_deleted_by_taking_its_job_back(tree: Tree) -> None:
    copy = tree.place / "copy"
    assert diskchain("copy", tree.top, copy, "--state", tree.state, seconds=120).code == 0
    done = diskchain("rollback", "1", "--state", tree.state)
    assert (done.code, copy.exists()) == (1, True)
    assert "may be in use" in done.out + done.err


def test_what_a_later_job_or_an_overlay_needs_is_not_deleted(qemu_img: QemuImg, tree: Tree) -> None:
    first, second = tree.place / "first", tree.place / "second"
    assert diskchain("snapshot", tree.top, first, "--state", tree.state).code == 0
    qemu_img("create", "-q", "-f", "qcow2", "-b", first, "-F", "qcow2", second)
    done = diskchain("rollback", "1", "--state", tree.state)
    assert (done.code, first.exists(), f"{second} relies on it" in done.out + done.err) == (1, True, True)
    second.unlink()
    assert diskchain("snapshot", first, second, "--state", tree.state).code == 0
    second.rename(tree.place.parent / "elsewhere")
    assert (diskchain("rollback", "1", "--state", tree.state).code, first.exists()) == (1, True)


def test_a_second_resume_does_nothing(tree: Tree) -> None:
    assert commit(tree, tree.top, "--top", tree.path("mid")).code == 0
    before = {path: path.stat() for path in tree.place.iterdir() if path.is_file()}
    assert diskchain("resume", "1", "--state", tree.state) == (0, "", "")
    assert diskchain("resume", "--state", tree.state) == (0, "", "")
    assert {path: path.stat() for path in tree.place.iterdir() if path.is_file()} == before


def test_events_are_json_lines_that_end_with_the_exit_code(tree: Tree) -> None:
    done = commit(tree, tree.top, "--top", tree.path("mid"), "--json")
    lines = [json.loads(line) for line in done.out.splitlines()]
    assert [line["state"] for line in lines if line["kind"] == "state"][-1] == "cleaned"
    assert (lines[-1]["kind"], lines[-1]["exit-code"]) == ("done", 0)
