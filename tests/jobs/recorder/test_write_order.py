"""The recorder finds the instants at which QEMU's own jobs leave a disk that reads wrong; in diskchain's order of steps there are none.

Judged after every change that the real tools make (a kill), and with parts of what was not synced missing (a loss of power). Since these
faults are known (QEMU 7.2 to 10.0 move the pointer before the merged data can be found), the first tests here prove the judge.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.jobs.recorder import engine
from tests.jobs.recorder.guest_view import guest_bytes
from tests.jobs.recorder.judging import Verdict, disk_of, judge
from tests.jobs.recorder.recording import Recorder
from tests.jobs.recorder.world import World, kills, power_losses
from tests.live.storage import QemuImg

Tree = Callable[[], Path]
Run = Callable[[Recorder], object]
Say = Callable[[str, object], None]


def qemu_img_run(*arguments: str) -> Run:
    return lambda recorder: engine.tool(recorder, "qemu-img", *arguments)


POINTER_TOO_EARLY: dict[str, Run] = {
    "block-commit of a middle layer": engine.commit_by_qemu,
    "block-stream down to base": engine.stream_by_qemu,
    "block-stream of all": lambda recorder: engine.stream_by_qemu(recorder, None),
    "qemu-img rebase": qemu_img_run("rebase", "-f", "qcow2", "-F", "qcow2", "-b", "base", "top"),
    "qemu-img rebase to nothing": qemu_img_run("rebase", "-f", "qcow2", "-b", "", "top"),
}
POINTER_STAYS: dict[str, Run] = {
    "active block-commit": engine.active_commit_by_qemu,
    "qemu-img commit -d": qemu_img_run("commit", "-q", "-d", "-f", "qcow2", "top"),
}
OURS: dict[str, Run] = {
    "commit": engine.commit_by_us,
    "pull": engine.stream_by_us,
    "pull of all": lambda recorder: engine.stream_by_us(recorder, None),
}


def verdicts(recorder: Recorder, tree: Tree, run: Run, say: Say) -> tuple[Verdict, Verdict]:
    """By kill, and by loss of power."""
    root = tree()
    start = World.of(root)
    run(recorder)
    changes = recorder.changes()
    world = start.copy()
    for change in changes:
        world.apply(change)
    assert {name: world.read(name) for name in world.names} == {
        str(path): bytearray(path.read_bytes()) for path in root.iterdir()
    }, "the log does not say all that happened"
    disks = [disk_of(start, root / "top")]
    by_kill, by_loss = judge(kills(start, changes), disks), judge(power_losses(start, changes), disks)
    say("instants", f"{len(changes)} changes; by kill {by_kill}; by loss of power {by_loss}")
    return by_kill, by_loss


@pytest.mark.parametrize("run", POINTER_TOO_EARLY.values(), ids=POINTER_TOO_EARLY)
@pytest.mark.qemu
def test_qemu_moves_the_pointer_before_the_data_can_be_found(
    run: Run, recorder: Recorder, tree: Tree, record_property: Say
) -> None:
    by_kill, by_loss = verdicts(recorder, tree, run, record_property)
    assert by_kill.wrong
    assert by_loss.wrong
    # What resume and rollback stand on.
    assert not by_kill.old_wrong
    assert not by_loss.old_wrong


@pytest.mark.parametrize("run", POINTER_STAYS.values(), ids=POINTER_STAYS)
@pytest.mark.qemu
def test_a_job_that_moves_no_pointer_is_right_at_every_instant(
    run: Run, recorder: Recorder, tree: Tree, record_property: Say
) -> None:
    by_kill, by_loss = verdicts(recorder, tree, run, record_property)
    assert not by_kill.wrong
    assert not by_loss.wrong


@pytest.mark.parametrize("run", OURS.values(), ids=OURS)
@pytest.mark.qemu
def test_our_order_of_steps_is_right_at_every_instant(
    run: Run, recorder: Recorder, tree: Tree, record_property: Say
) -> None:
    by_kill, by_loss = verdicts(recorder, tree, run, record_property)
    assert not by_kill.wrong
    assert not by_loss.wrong
    assert not by_kill.old_wrong


@pytest.mark.qemu
def test_a_sibling_of_the_base_reads_wrong_from_the_first_data_on(recorder: Recorder, tree: Tree) -> None:
    root = tree()
    start = World.of(root)
    engine.commit_by_us(recorder)
    verdict = judge(kills(start, recorder.changes()), [disk_of(start, root / "sib")])
    assert verdict.wrong


@pytest.mark.qemu
def test_rebase_u_is_one_write_of_the_first_cluster_and_one_sync(recorder: Recorder, tree: Tree) -> None:
    tree()
    engine.tool(recorder, "qemu-img", "rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", "base", "top")
    assert [(change.kind, change.name, change.offset) for change in recorder.changes()] == [
        ("W", "top", 0),
        ("S", "top", 0),
    ]


@pytest.mark.qemu
def test_the_reader_of_worlds_agrees_with_qemu_img(recorder: Recorder, tree: Tree, qemu_img: QemuImg) -> None:
    root = tree()
    engine.stream_by_us(recorder)
    world = World.of(root)
    for name in ("top", "mid", "sib", "base"):
        raw = root / f"{name}.raw"
        qemu_img("convert", "-f", "qcow2", "-O", "raw", root / name, raw)
        assert guest_bytes(world, str(root / name)) == raw.read_bytes()
