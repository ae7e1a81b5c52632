"""SIGKILL at every write of the journal, then ``resume``: the disk reads the same, references are right, nothing is left behind.

After the kill and before the resume the disk must read the same, too: a guest may be started at any time.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.commands import diskchain
from tests.jobs.trees import Tree, backing, content, left_behind, make
from tests.live.storage import QemuImg

#: Each write, or one in four: a job is killed, resumed and judged twice a write, which takes seconds.
EVERY = 1 if os.environ.get("DISKCHAIN_FULL") else 4

pytestmark = [pytest.mark.qemu, pytest.mark.timeout(1800)]


@dataclass(frozen=True)
class Case:
    """``words`` of a tree; ``disk``: the image its guest uses after it, ``before`` it; ``gone``: names that are deleted."""

    words: Callable[[Tree], list[str]]
    disk: str
    pointers: dict[str, str]
    gone: tuple[str, ...] = ()
    before: str = "top"
    document: bool = False


CASES = {
    "commit a middle layer, delete it": Case(
        lambda tree: ["commit", tree.top, "--top", tree.path("low"), "--base", tree.path("mid"), "--delete"],
        "top",
        {"top": "mid.qcow2", "mid": "base.qcow2"},
        gone=("low",),
    ),
    "commit the active layer of a document, delete it": Case(
        lambda tree: ["commit", str(tree.document()), "--delete"], "base", {}, gone=("top", "low", "mid"), document=True
    ),
    "pull down to the last layer": Case(
        lambda tree: ["pull", tree.top, "--base", tree.path("base")], "top", {"top": "base.qcow2", "low": "mid.qcow2"}
    ),
    "pull all": Case(lambda tree: ["pull", tree.top], "top", {"low": "mid.qcow2"}),
    "copy of a document's disk, pivoted": Case(
        lambda tree: ["copy", str(tree.document()), tree.path("new"), "--pivot"],
        "new",
        {"top": "low.qcow2"},
        document=True,
    ),
    "rebase onto another chain": Case(
        lambda tree: ["rebase", tree.top, "--onto", tree.path("other")],
        "top",
        {"top": "other.qcow2", "low": "mid.qcow2"},
    ),
    "snapshot of a document": Case(
        lambda tree: ["snapshot", str(tree.document()), tree.path("new")], "new", {"new": "top.qcow2"}, document=True
    ),
}


def run(when: str, number: int, tree: Tree, case: Case) -> subprocess.CompletedProcess[str]:
    words = [*case.words(tree), "--state", tree.state]
    command = [sys.executable, "-m", "tests.jobs.killed", when, str(number), *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def named(tree: Tree) -> str:
    """The image that the document names."""
    return next(
        name
        for name in (*tree.names, "new")
        if f"<source file='{tree.path(name)}'/>" in (tree.place / "vm.xml").read_text()
    )


@pytest.mark.parametrize("name", CASES)
def test_killed_at_any_write_of_the_journal_a_job_is_finished(
    qemu_img: QemuImg, tmp_path: Path, name: str, record_property: Callable[[str, object], None]
) -> None:
    case, start = CASES[name], make(qemu_img, tmp_path / "start")
    before = content(start.top, tmp_path)
    counted = fresh(start, tmp_path)
    done = run("count", 0, counted, case)
    assert done.returncode == 0, done.stderr
    writes = int(done.stdout.splitlines()[-1])
    assert writes > 10
    instants = 0
    for number in range(1, writes + 1, EVERY):
        for when in ("before", "after"):
            tree = fresh(start, tmp_path)
            assert run(when, number, tree, case).returncode == -9
            disk = named(tree) if case.document else case.before
            assert content(tree.path(disk), tmp_path) == before, f"{when} {number}: before the resume"
            resumed = diskchain("resume", "--state", tree.state, seconds=120)
            assert resumed.code == 0, (when, number, resumed.err)
            judge(tree, case, before, begun=Path(tree.state, "jobs.db").exists() and jobs(tree))
            instants += 1
    record_property("instants", instants)


def fresh(start: Tree, tmp_path: Path) -> Tree:
    place = tmp_path / "tree"
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(start.place, place)
    return Tree(place)


def jobs(tree: Tree) -> bool:
    return "no unfinished jobs" not in diskchain("jobs", "--all", "--state", tree.state).out


def judge(tree: Tree, case: Case, before: str, *, begun: bool) -> None:
    """The end of a job, or, of one that was not in the journal yet, the beginning."""
    assert "no unfinished jobs" in diskchain("jobs", "--state", tree.state).out
    assert left_behind(tree.place) == []
    if not begun:
        assert content(tree.top, tree.place) == before
        return
    assert content(tree.path(case.disk), tree.place.parent) == before
    for overlay, below in case.pointers.items():
        assert backing(tree.path(overlay)) == (below, "qcow2")
    assert not any(Path(tree.path(name)).exists() for name in case.gone)
    if case.document:
        assert named(tree) == case.disk
    for image in tree.place.glob("*.qcow2"):
        checked = subprocess.run(["qemu-img", "check", "-q", str(image)], check=False)
        assert checked.returncode in (0, 3), image  # 3: leaked clusters, which do no harm


@pytest.mark.parametrize("name", CASES)
def test_killed_at_some_writes_a_job_is_taken_back(qemu_img: QemuImg, tmp_path: Path, name: str) -> None:
    case, start = CASES[name], make(qemu_img, tmp_path / "start")
    before = content(start.top, tmp_path)
    writes = int(run("count", 0, fresh(start, tmp_path), case).stdout.splitlines()[-1])
    for number in range(2, writes - 2 * len(case.gone) - 1, 3 * EVERY):
        tree = fresh(start, tmp_path)
        assert run("after", number, tree, case).returncode == -9
        taken_back = diskchain("rollback", "1", "--state", tree.state, seconds=120)
        assert taken_back.code == 0, (number, taken_back.err)
        assert content(tree.top, tmp_path) == before
        assert backing(tree.top) == ("low.qcow2", "qcow2")
        assert not Path(tree.path("new")).exists()
        assert left_behind(tree.place) == []
        if case.document:
            assert named(tree) == "top"
