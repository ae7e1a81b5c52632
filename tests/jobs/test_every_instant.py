"""After every write of a verb, its engine's and its journal's, each disk reads as before, and `resume` brings the job to its end.

A short form runs with the other tests: all instants are looked at in memory, and some of them resumed. `make test-full` resumes them all
(of those that do not differ for `resume`, one), and kills the processes themselves at each.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path

import pytest

from tests.jobs.recorder.recording import Action, Recorder
from tests.jobs.recorder.verbs import VERBS, Recording, Verb, lay_out, record, run
from tests.jobs.recorder.world import Instant, World, kills, power_losses

#: `make test-full` sets it.
FULL = os.environ.get("DISKCHAIN_FULL", "0") not in {"", "0"}
#: Of each kind, in the short form.
_RESUMED = {"kill": 1, "loss of power": 2}
pytestmark = [pytest.mark.qemu, pytest.mark.timeout(7200 if FULL else 300)]

Tree = Callable[[], Path]
Say = Callable[[str], None]


@pytest.fixture
def say(record_property: Callable[[str, object], None]) -> Say:
    """Has the counts printed at the end of the test run."""
    return lambda text: record_property("instants", text)


def some(recording: Recording, instants: Iterable[Instant], total: int, wanted: int) -> Iterator[Instant]:
    """A few, evenly spread; in the whole form one of each that `resume` can tell apart."""
    step = 1 if FULL else max(1, total // wanted)
    seen: set[bytes] = set()
    for instant in islice(instants, step // 2, None, step):
        alike = recording.likeness(instant.world) if FULL else None
        if alike is None or alike not in seen:
            yield instant
        if alike is not None:
            seen.add(alike)


def every(recording: Recording) -> dict[str, Callable[[], Iterator[Instant]]]:
    return {
        "kill": lambda: kills(recording.start, recording.changes),
        "loss of power": lambda: power_losses(recording.start, recording.changes),
    }


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_a_disk_reads_the_same_after_every_write_and_resume_ends_the_job(
    verb: Verb, recorder: Recorder, tree: Tree, say: Say
) -> None:
    tree()
    recording = record(recorder, verb)
    for kind, instants in every(recording).items():
        total, looked_at, wrong = 0, 0, []
        for instant in instants():
            total += 1
            if instant.done and recording.of_journal(recording.changes[instant.done - 1]):
                continue  # the disks are as at the instant before
            looked_at += 1
            # One write of a header may reach the disk in part: then the guest does not start until `resume` has mended that.
            torn = instant.loss == "torn" and not recording.changes[instant.done - 1].offset
            problem = recording.problem(instant.world, closed=torn or bool(verb.moved))
            if problem is not None:
                wrong.append(f"after {instant.done} changes, {instant.loss or 'killed'}: {problem}")
        assert not wrong, wrong
        resumed = 0
        for instant in some(recording, instants(), total, _RESUMED[kind]):
            resumed += 1
            problem = recording.after_resume(instant.world)
            where = f"{instant.loss or 'killed'} after {instant.done} of {len(recording.changes)} changes"
            assert problem is None, f"{where} ({recording.changes[instant.done - 1]}): {problem}"
        say(f"{len(recording.changes)} changes, {total} instants by {kind}, {looked_at} of images, {resumed} resumed")


WHO = {"diskchain": Action.KILL_FIRST, "the one that writes": Action.KILL_WRITER, "all": Action.KILL_ALL}


@pytest.mark.parametrize("who", WHO)
@pytest.mark.parametrize(
    "verb", VERBS.values() if FULL else list(VERBS.values())[:1], ids=VERBS if FULL else list(VERBS)[:1]
)
def test_killed_at_a_write_a_job_can_be_resumed(verb: Verb, who: str, recorder: Recorder, tree: Tree, say: Say) -> None:
    tree()
    recording = record(recorder, verb)
    total = len(recording.changes)
    # Before each change of images and documents, and before and after SQLite has carried a transaction out.
    marked = [
        number
        for number, change in enumerate(recording.changes, 1)
        if not recording.of_journal(change) or change.kind == "U" or recording.changes[number - 2].kind == "U"
    ]
    instants = marked if FULL else marked[len(marked) // 2 :: len(marked)]
    for number in instants:
        root = tree()
        lay_out(root, verb)
        recorder.reset(WHO[who], number)
        done = run(recorder, verb.words(root))
        where = f"{who} killed at change {number} of {total}: "
        assert recording.problem(World.of(root), closed=bool(verb.moved)) is None, where + done.stderr
        problem = recording.resumed()
        assert problem is None, where + problem + done.stderr
    say(f"{len(instants)} of {total} instants at which {who} was killed")
