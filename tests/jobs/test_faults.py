"""What goes wrong while a job runs: engines that die, no room, signals, other processes, torn clusters, foreign changes."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import diskchain
from diskchain.actions.job_plans import PlannedJob
from diskchain.jobs.evidence import cluster_size
from diskchain.jobs.journal import JobJournal
from diskchain.jobs.states import State
from tests.cli.commands import diskchain as command
from tests.jobs.trees import Tree, backing, content, left_behind, make, write
from tests.live.peers import requires
from tests.live.storage import QemuImg

pytestmark = pytest.mark.qemu
#: So slow that a copy is still going on when something is done to it.
SLOW = 1 << 20


@pytest.fixture
def tree(qemu_img: QemuImg, tmp_path: Path) -> Tree:
    return make(qemu_img, tmp_path / "images")


def resume(tree: Tree) -> None:
    done = command("resume", "--state", tree.state, seconds=120)
    assert done.code == 0, done.err


def engine(tree: Tree) -> int:
    """The process id of the engine of the job."""
    with JobJournal(Path(tree.state), "read") as journal:
        (holder,) = journal.engines(1)
        return holder.pid


def test_an_engine_that_is_killed_stops_the_job_and_the_disk_reads_the_same(tree: Tree) -> None:
    before = content(tree.top, tree.place)
    plan = diskchain.plan_commit(tree.top, top=tree.path("low"), bandwidth=SLOW)
    with pytest.raises(diskchain.JobStopped) as stopped:
        run_and_kill_the_engine(plan, tree)
    assert [found.id for found in stopped.value.findings] == ["job-engine-failed"]
    assert content(tree.top, tree.place) == before
    assert "stopped: " in command("jobs", "--state", tree.state).out
    resume(tree)
    assert content(tree.top, tree.place) == before
    assert left_behind(tree.place) == []


def run_and_kill_the_engine(plan: PlannedJob, tree: Tree) -> None:
    with diskchain.run(plan, state=tree.state) as job:
        for event in job:
            if event.kind == "progress":
                os.kill(engine(tree), signal.SIGKILL)


def test_us_and_the_engine_killed_at_once_leave_nothing_that_resume_does_not_finish(tree: Tree) -> None:
    before = content(tree.top, tree.place)
    with running(tree, "--bandwidth", str(SLOW)) as process:
        os.kill(engine(tree), signal.SIGKILL)
        process.kill()
    assert content(tree.top, tree.place) == before
    resume(tree)
    assert content(tree.top, tree.place) == before
    assert backing(tree.top) == ("base.qcow2", "qcow2")
    assert left_behind(tree.place) == []


def running(tree: Tree, *words: str) -> "Running":
    return Running(tree, words)


class Running:
    """``diskchain commit`` of the tree, copying. Ended at the end."""

    def __init__(self, tree: Tree, words: tuple[str, ...]) -> None:
        line = ["commit", tree.top, "--top", tree.path("low"), "--json", "--state", tree.state, *words]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "diskchain", *line], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def __enter__(self) -> "subprocess.Popen[str]":
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if json.loads(line)["kind"] == "progress":
                break
        return self.process

    def __exit__(self, *_: object) -> None:
        self.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_pauses_a_job_in_good_order(tree: Tree, number: signal.Signals) -> None:
    before = content(tree.top, tree.place)
    with running(tree, "--bandwidth", str(SLOW)) as process:
        process.send_signal(number)
        out, _ = process.communicate()
    last = json.loads(out.splitlines()[-1])
    assert (last["kind"], last["exit-code"], process.returncode) == ("paused", 130, 130)
    assert content(tree.top, tree.place) == before
    assert left_behind(tree.place) == []
    resume(tree)
    assert content(tree.top, tree.place) == before


def test_a_running_job_is_cancelled_from_elsewhere(tree: Tree) -> None:
    before = content(tree.top, tree.place)
    with running(tree, "--bandwidth", str(SLOW)) as process:
        assert command("cancel", "1", "--state", tree.state).code == 0
        process.wait(20)
    assert content(tree.top, tree.place) == before
    assert backing(tree.top) == ("low.qcow2", "qcow2")
    assert "rolled-back" in command("jobs", "--all", "--state", tree.state).out
    assert command("resume", "--state", tree.state).code == 0


def test_two_processes_never_work_on_one_chain(tree: Tree) -> None:
    with running(tree, "--bandwidth", str(SLOW)) as process:
        other = command("commit", tree.top, "--top", tree.path("mid"), "--state", tree.state + "2")
        again = command("resume", "1", "--state", tree.state)
        process.send_signal(signal.SIGINT)
        process.wait(20)
    assert other.code == again.code == 2
    assert f"(process {process.pid})" in other.err + again.err


def test_a_paused_engine_is_waited_for(tree: Tree) -> None:
    before = content(tree.top, tree.place)
    with running(tree, "--bandwidth", str(SLOW)) as process:
        held = engine(tree)
        os.kill(held, signal.SIGSTOP)
        process.kill()
        process.wait(20)
        os.kill(held, signal.SIGCONT)
    resume(tree)
    assert content(tree.top, tree.place) == before


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of a few MiB."""
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24M", "none", place], check=True)
    yield place
    subprocess.run(["umount", place], check=True)


@requires("root", "mount", "umount")
def test_a_full_disk_stops_the_job_and_room_lets_it_go_on(qemu_img: QemuImg, small: Path, tmp_path: Path) -> None:
    tree = make(qemu_img, small / "images")
    before = content(tree.top, tmp_path)
    plan = diskchain.plan_commit(tree.top, top=tree.path("low"))
    filler = small / "filler"
    with filler.open("wb") as file:
        status = os.statvfs(small)
        file.write(bytes(status.f_bavail * status.f_frsize - (256 << 10)))
    state = tmp_path / "state"
    with pytest.raises(diskchain.JobStopped) as stopped, diskchain.run(plan, state=state) as job:
        assert [*job]
    assert "No space left" in stopped.value.findings[0].message
    filler.unlink()
    assert content(tree.top, tmp_path) == before
    assert command("resume", "--state", state).code == 0
    assert content(tree.top, tmp_path) == before


def killed_before_the_pointer(tree: Tree) -> None:
    """A commit that was killed when the intent to write the pointer was in the journal, and nothing was written."""
    words = ["commit", tree.top, "--top", tree.path("low"), "--state", tree.state]
    for number in range(12, 40):
        done = subprocess.run(
            [sys.executable, "-m", "tests.jobs.killed", "after", str(number), *words], check=False, capture_output=True
        )
        assert done.returncode == -signal.SIGKILL
        with JobJournal(Path(tree.state), "change") as journal:
            jobs, _ = journal.jobs()
            last = journal.history(jobs[-1].id)[-1]
            if last.state is State.PROVEN and last.phase == "intent":
                return
            assert command("rollback", str(jobs[-1].id), "--state", tree.state).code == 0
    raise AssertionError("no pointer was about to be written")


def test_a_torn_first_cluster_is_put_back_and_written_again(qemu_img: QemuImg, tree: Tree) -> None:
    name = "low-" + "x" * 200 + ".qcow2"  # the header takes two sectors
    os.link(tree.path("low"), tree.place / name)
    qemu_img("rebase", "-u", "-b", str(tree.place / name), "-F", "qcow2", tree.top)
    before = content(tree.top, tree.place)
    killed_before_the_pointer(tree)
    old = Path(tree.top).read_bytes()
    qemu_img("rebase", "-u", "-b", tree.path("base"), "-F", "qcow2", tree.top)
    new = Path(tree.top).read_bytes()
    size = cluster_size(old)
    differing = [at for at in range(0, size, 512) if old[at : at + 512] != new[at : at + 512]]
    assert len(differing) > 1
    torn = new[:512] + old[512:size] + new[size:]
    Path(tree.top).write_bytes(torn)
    resume(tree)
    assert content(tree.top, tree.place) == before
    assert backing(tree.top) == (tree.path("base"), "qcow2")


def test_a_pointer_that_names_something_else_is_undecidable_until_it_is_mended(qemu_img: QemuImg, tree: Tree) -> None:
    before = content(tree.top, tree.place)
    killed_before_the_pointer(tree)
    qemu_img("rebase", "-u", "-b", "other.qcow2", "-F", "qcow2", tree.top)
    files = {path: path.read_bytes() for path in tree.place.glob("*.qcow2")}
    stopped = command("resume", "--state", tree.state)
    assert stopped.code == 1
    assert "[job-undecidable]" in stopped.err
    assert command("rollback", number(tree), "--state", tree.state).code == 1
    assert {path: path.read_bytes() for path in tree.place.glob("*.qcow2")} == files
    qemu_img("rebase", "-u", "-b", "low.qcow2", "-F", "qcow2", tree.top)
    resume(tree)
    assert content(tree.top, tree.place) == before
    assert backing(tree.top) == ("base.qcow2", "qcow2")


def number(tree: Tree) -> str:
    with JobJournal(Path(tree.state), "read") as journal:
        return str(journal.jobs()[0][-1].id)


def test_a_layer_that_is_another_file_is_undecidable(tree: Tree) -> None:
    killed_before_the_pointer(tree)
    mid = Path(tree.path("mid"))
    data = mid.read_bytes()
    mid.unlink()
    (tree.place / "spare").write_bytes(b"takes the inode")
    mid.write_bytes(data)
    (tree.place / "spare").unlink()
    stopped = command("resume", "--state", tree.state)
    assert (stopped.code, "[job-undecidable]" in stopped.err) == (1, True)
    assert backing(tree.top) == ("low.qcow2", "qcow2")


def test_a_guest_that_ran_over_the_old_chain_meanwhile_loses_nothing(tree: Tree) -> None:
    killed_before_the_pointer(tree)
    write(tree.top, 99, "7M", "64k")
    before = content(tree.top, tree.place)
    resume(tree)
    assert content(tree.top, tree.place) == before
    assert backing(tree.top) == ("base.qcow2", "qcow2")


def test_a_base_that_somebody_wrote_to_is_copied_to_again(tree: Tree) -> None:
    before = content(tree.top, tree.place)
    killed_before_the_pointer(tree)
    write(tree.path("base"), 99, "1M", "64k")  # where a layer above has data: the old chain hides it
    resume(tree)
    assert content(tree.top, tree.place) == before


def test_a_file_that_changed_since_the_plan_is_refused(tree: Tree) -> None:
    plan = diskchain.plan_commit(tree.top, top=tree.path("low"))
    write(tree.path("mid"), 99, "1M", "64k")
    with pytest.raises(diskchain.JobRefused) as refused, diskchain.run(plan, state=tree.state) as job:
        assert [*job]
    assert [found.id for found in refused.value.findings] == ["job-file-changed"]


def test_a_document_that_changed_meanwhile_is_not_written_over(tree: Tree) -> None:
    document = tree.document()
    plan = diskchain.plan_commit(document)
    document.write_text(document.read_text().replace("<memory unit='MiB'>64<", "<memory unit='MiB'>65<"))
    with pytest.raises(diskchain.JobStopped), diskchain.run(plan, state=tree.state) as job:
        assert [*job]
    assert "<memory unit='MiB'>65<" in document.read_text()
    assert tree.top in document.read_text()


def test_leaving_the_block_early_pauses_the_job(tree: Tree) -> None:
    before = content(tree.top, tree.place)
    with diskchain.run(diskchain.plan_commit(tree.top, top=tree.path("low"), bandwidth=SLOW), state=tree.state) as job:
        for event in job:
            if event.kind == "progress":
                break
    assert content(tree.top, tree.place) == before
    assert left_behind(tree.place) == []
    resume(tree)
    assert content(tree.top, tree.place) == before
