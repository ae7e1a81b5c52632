"""``resume --adopt`` after another tool's merge was cut off at each of its writes: it names the right file, or none; never the wrong one.

Judged by bytes: what the disk read as before the merge is the truth. If it is said that a file is right, then what is said to be done must
make the disk read as before, and nothing said of a chain that reads wrong as it is must say that it is right.
"""

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from diskchain.actions.adopt import adopt
from diskchain.actions.target import TargetName
from diskchain.findings import Finding
from tests.cli.commands import diskchain
from tests.jobs.recorder.recording import Action, Recorder
from tests.jobs.recorder.test_write_order import POINTER_STAYS, POINTER_TOO_EARLY, Run
from tests.jobs.recorder.tree import write as write_areas
from tests.jobs.trees import DISK, content
from tests.live.storage import QemuImg

pytestmark = pytest.mark.qemu
#: Each change of the tool, or one in three: a tree is made, the tool killed, and all is compared for each.
EVERY = 1 if os.environ.get("DISKCHAIN_FULL") else 3
Tree = Callable[[], Path]


def judged(root: Path, target: Path, truth: str) -> str:
    """What is said of the target, and whether that is right: the id of the finding that counts."""
    said = adopt(TargetName(str(target))).findings
    assert all(each.id.startswith("merge-") for each in said), said
    ids = {each.id for each in said}
    right = content(root / "top", root.parent) == truth
    for each in said:
        if each.id == "merge-incomplete" and each.fix is not None:
            assert mended(root, each) == truth, each
    if "merge-incomplete" in ids:
        return "incomplete"
    if "merge-undecidable" in ids:
        return "undecidable"
    assert right, f"the disk reads wrong, and this is all that is said: {said}"
    return "complete" if ids else "nothing"


def mended(root: Path, found: Finding) -> str:
    """What the disk reads as once the command of a finding was run, on copies."""
    copy = root.parent / "mended"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(root, copy)
    fix = (found.fix or "").replace(str(root), str(copy))
    subprocess.run(["sh", "-c", fix], check=True, capture_output=True)
    return content(copy / "top", root.parent)


def cut_off(recorder: Recorder, tree: Tree, run: Run, at: int, *, alone: bool) -> Path:
    """The tree after a run that was killed before its change number ``at``. ``alone``: without a clone beside it."""
    root = tree()
    if alone:
        (root / "sib").unlink()
    recorder.reset(Action.KILL_ALL, at)
    try:
        run(recorder)
    except (AssertionError, OSError, subprocess.CalledProcessError):
        pass
    finally:
        recorder.kill()
    return root


@pytest.mark.parametrize("beside", ["no clone", "a clone"])
@pytest.mark.parametrize("name", [*POINTER_TOO_EARLY, *POINTER_STAYS])
def test_a_merge_that_was_cut_off_anywhere_is_never_called_what_it_is_not(
    recorder: Recorder, tree: Tree, name: str, beside: str, record_property: Callable[[str, object], None]
) -> None:
    run = (POINTER_TOO_EARLY | POINTER_STAYS)[name]
    root = tree()
    truth = content(root / "top", root.parent)
    run(recorder)
    changes, said = recorder.count, Counter[str]()
    instants = range(1, changes + 1, EVERY)
    for at in instants:
        root = cut_off(recorder, tree, run, at, alone=beside == "no clone")
        said[judged(root, root / "top", truth)] += 1
    record_property("instants", len(instants))
    record_property("said", dict(said))
    assert sum(said.values()) == len(instants)


@pytest.mark.parametrize("name", ["qemu-img rebase"])
def test_where_the_pointer_was_moved_too_early_the_old_place_is_named(
    recorder: Recorder, tree: Tree, name: str
) -> None:
    root = tree()
    truth = content(root / "top", root.parent)
    POINTER_TOO_EARLY[name](recorder)
    said = Counter[str]()
    for at in range(1, recorder.count + 1):
        root = cut_off(recorder, tree, POINTER_TOO_EARLY[name], at, alone=True)
        if content(root / "top", root.parent) != truth:
            said[judged(root, root / "top", truth)] += 1
    assert set(said) == {"incomplete"}, said


def test_a_guest_that_ran_on_the_base_after_a_pivot_is_not_thrown_away(tree: Tree) -> None:
    """Libvirtd died, QEMU pivoted, the guest wrote, QEMU died: the document names the old top, and the base has what was written last."""
    root = tree()
    (root / "sib").unlink()
    subprocess.run(["qemu-img", "commit", "-q", "-d", "-f", "qcow2", "-b", "base", "top"], cwd=root, check=True)
    write_areas(root / "base", "qcow2", ((0x77, 6, 1),))  # where top has data, too
    ids = [each.id for each in adopt(TargetName(str(root / "top"))).findings]
    assert ids == ["merge-undecidable"]


def test_an_unrelated_clone_is_never_called_the_old_place(qemu_img: QemuImg, tree: Tree) -> None:
    root = tree()
    qemu_img(
        "rebase", "-u", "-f", "qcow2", "-b", "base", "-F", "qcow2", root / "top"
    )  # on purpose: by hand, or a revert
    said = adopt(TargetName(str(root / "top"))).findings
    assert [each.id for each in said] == ["merge-undecidable"]
    assert all(name in said[0].message for name in ("/mid", "/sib"))


def test_a_document_that_still_names_the_old_place_proves_it(qemu_img: QemuImg, tree: Tree) -> None:
    root = tree()
    truth = content(root / "top", root.parent)
    (root / "vm.xml").write_text(DISK.format(format="qcow2", top=root / "top", below=""))
    assert diskchain("complete", root / "vm.xml", "--in-place").code == 0
    qemu_img("rebase", "-u", "-f", "qcow2", "-b", "base", "-F", "qcow2", root / "top")
    (found,) = [each for each in adopt(TargetName(str(root / "vm.xml"))).findings if each.id == "merge-incomplete"]
    assert mended(root, found) == truth


def test_a_disk_that_nobody_merged_is_left_alone(tree: Tree) -> None:
    root = tree()
    (root / "sib").unlink()
    shown = diskchain("resume", "--adopt", root / "top")
    assert shown.code == 0
    assert shown.out.startswith("nothing shows a merge that was cut off")


def test_the_command_says_what_it_found_and_changes_nothing(tree: Tree) -> None:
    root = tree()
    (root / "sib").unlink()
    subprocess.run(["qemu-img", "rebase", "-u", "-b", "base", "-F", "qcow2", "top"], cwd=root, check=True)
    before = {path: path.read_bytes() for path in root.iterdir()}
    shown = diskchain("resume", "--adopt", root / "top")
    assert shown.code == 1
    assert "[merge-undecidable]" in shown.out
    assert {path: path.read_bytes() for path in root.iterdir()} == before
