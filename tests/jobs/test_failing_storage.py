"""Storage that fails while a job runs: a full disk, errors of writes, an engine that is stopped.

The job ends with findings, each disk reads as before, and once the fault is gone `resume` brings the job to its end.
"""

import contextlib
import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cli.commands import diskchain
from tests.jobs.recorder.guest_view import guest_bytes
from tests.jobs.recorder.recording import Action, Recorder
from tests.jobs.recorder.verbs import VERBS, Verb, lay_out, record, run
from tests.jobs.recorder.world import World
from tests.jobs.trees import backing
from tests.live.peers import give_up
from tests.live.storage import QemuImg
from tests.live.storage import run as run_program

pytestmark = pytest.mark.qemu

Tree = Callable[[], Path]
CHOSEN = {name: VERBS[name] for name in ("commit of a middle layer", "pull of all", "copy")}


@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC], ids=["EIO", "ENOSPC"])
@pytest.mark.parametrize("verb", CHOSEN.values(), ids=CHOSEN)
def test_when_every_write_fails_from_some_instant_on_the_job_can_be_resumed(
    verb: Verb, error: int, recorder: Recorder, tree: Tree
) -> None:
    tree()
    recording = record(recorder, verb)
    of_images = [at for at, change in enumerate(recording.changes, 1) if not recording.of_journal(change)]
    for number in (of_images[0], of_images[len(of_images) // 2], of_images[-1]):
        root = tree()
        lay_out(root, verb)
        recorder.reset(Action.FAIL, number, error)
        done = run(recorder, verb.words(root))
        where = f"errno {error} from change {number} of {len(recording.changes)} on: {done.stdout}{done.stderr}"
        assert done.returncode in {1, 3}, where
        assert recording.problem(World.of(root)) is None, where
        problem = recording.resumed()
        assert problem is None, f"{where}: {problem}"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 160 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    if os.geteuid() != 0:
        give_up("needs root")
    run_program("mount", "-t", "tmpfs", "-o", "size=160m,mode=755", "none", place)
    try:
        yield place
    finally:
        run_program("umount", "--lazy", place)


def images(place: Path, qemu_img: QemuImg) -> str:
    """base, mid with 64 MiB and top with 64 KiB of data; returns top. QEMU copies 16 MiB before it heeds a speed."""
    qemu_img("create", "-q", "-f", "qcow2", place / "base.qcow2", "80M")
    for name, below, what in (("mid", "base", "write -q -P 2 2M 64M"), ("top", "mid", "write -q -P 3 5M 64k")):
        backing = ("-b", f"{below}.qcow2", "-F", "qcow2")
        qemu_img("create", "-q", "-f", "qcow2", *backing, place / f"{name}.qcow2")
        run_program("qemu-io", "-f", "qcow2", "-c", what, place / f"{name}.qcow2")
    return str(place / "top.qcow2")


@contextlib.contextmanager
def copying(place: Path, state: Path) -> Iterator[subprocess.Popen[str]]:
    """A commit of mid that is in the midst of copying, and slow. Killed afterwards, if it has not ended."""
    words = ["commit", str(place / "top.qcow2"), "--top", str(place / "mid.qcow2"), "--bandwidth", "8M", "--json"]
    command = [sys.executable, "-m", "diskchain", *words, "--state", str(state)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout is not None
            for line in running.stdout:
                if json.loads(line)["kind"] == "progress":
                    break
            yield running
        finally:
            running.kill()


def fill(path: Path) -> None:
    """Take all the room that there is."""
    with path.open("wb", buffering=0) as stream, contextlib.suppress(OSError):
        while True:
            stream.write(bytes(1 << 20))
    assert os.statvfs(path).f_bavail < 256  # blocks


def test_a_disk_that_fills_up_leaves_the_old_chain_and_the_job_goes_on_when_there_is_room(
    small_disk: Path, tmp_path: Path, qemu_img: QemuImg
) -> None:
    top, state = images(small_disk, qemu_img), tmp_path / "state"
    before = guest_bytes(World.of(small_disk), top)
    with copying(small_disk, state) as running:
        ballast = small_disk / "ballast"
        fill(ballast)
        running.communicate(timeout=120)
        assert running.returncode == 1
    assert guest_bytes(World.of(small_disk), top) == before
    assert backing(top) == ("mid.qcow2", "qcow2")
    ballast.unlink()
    done = diskchain("resume", "--state", state, seconds=120)
    assert done.code == 0, done
    assert guest_bytes(World.of(small_disk), top) == before
    assert backing(top) == ("base.qcow2", "qcow2")


def test_an_engine_that_is_stopped_is_ended_by_resume(tmp_path: Path, qemu_img: QemuImg) -> None:
    top, state = images(tmp_path, qemu_img), tmp_path / "state"
    before = guest_bytes(World.of(tmp_path), top)
    with copying(tmp_path, state) as running:
        (engine,) = children(running.pid)
        os.kill(engine, signal.SIGSTOP)
    assert guest_bytes(World.of(tmp_path), top) == before
    done = diskchain("resume", "--state", state, seconds=120)
    assert done.code == 0, done
    assert not Path(f"/proc/{engine}").exists()
    assert guest_bytes(World.of(tmp_path), top) == before
    assert backing(top) == ("base.qcow2", "qcow2")


def children(pid: int) -> list[int]:
    """The processes that `pid` has started."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]
