"""A question to storage that is not answered in time is left behind, and told."""

import math
import os
import subprocess
import sys
import time
from _thread import allocate_lock, get_ident
from collections.abc import Callable, Iterator
from gc import collect
from pathlib import Path
from weakref import ref

import pytest
from tests.live.hung import Served

from diskchain.errors import StorageMissing, StorageTimeout
from diskchain.readers.local import open_local
from diskchain.system import deadline, mounts
from diskchain.system.deadline import deadline_for, is_open, left_behind, within


def size(path: Path) -> int:
    with open_local(str(path)) as image:
        return image.facts.size


def test_an_answer_in_time_is_the_answer(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(600))
    assert within(60, str(image), lambda: size(image)) == 600
    assert not left_behind()


def test_what_asking_raises_is_raised(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    with pytest.raises(StorageMissing, match="no such file"):
        within(60, str(gone), lambda: size(gone))


def test_no_answer_is_an_error_and_others_on_the_mount_get_a_short_deadline(
    tmp_path: Path, serve: Callable[[Path], Served]
) -> None:
    image, other = tmp_path / "image", tmp_path / "other"
    image.write_bytes(bytes(1 << 16))
    served = serve(image)
    served.hang()
    with pytest.raises(StorageTimeout, match=r"no answer within 0\.5 s") as caught:
        within(0.5, str(image), lambda: size(image))
    assert caught.value.path == str(image)
    assert left_behind()
    assert deadline_for(str(image), 5) < 1
    assert deadline_for(str(other), 5) == 5
    served.answer()
    while left_behind():
        time.sleep(0.01)
    assert deadline_for(str(image), 5) == 5
    assert within(60, str(image), lambda: size(image)) == 1 << 16


@pytest.fixture
def gate() -> Iterator[Callable[[], None]]:
    """What does not answer until the test is over."""
    held = allocate_lock()
    held.acquire()

    def ask() -> None:
        held.acquire()
        held.release()

    yield ask
    held.release()
    while left_behind():
        time.sleep(0.01)


def threads() -> int:
    return len([*Path("/proc/self/task").iterdir()])


def test_all_questions_are_asked_by_one_thread() -> None:
    asked = {within(60, "/", get_ident) for _ in range(50)}
    assert len(asked) == 1
    assert asked != {get_ident()}


def test_without_a_deadline_no_other_thread_asks() -> None:
    assert within(math.inf, "/", get_ident) == get_ident()


def test_a_question_asked_while_another_is_answered_has_a_thread_of_its_own() -> None:
    outer, inner = within(60, "/", lambda: (get_ident(), within(60, "/", get_ident)))
    assert outer != inner


def test_a_worker_that_is_held_up_is_replaced_and_ends_once_it_is_answered(gate: Callable[[], None]) -> None:
    usual = within(60, "/", get_ident)
    with pytest.raises(StorageTimeout):
        within(0.05, "/", gate)
    other = within(60, "/", get_ident)
    assert other != usual
    assert within(60, "/", get_ident) == other


def test_a_worker_keeps_nothing_of_what_it_was_asked() -> None:
    class Answer:
        pass

    kept = ref(within(60, "/", Answer))
    collect()
    assert kept() is None


@pytest.mark.parametrize("ask", [lambda: os._exit(within(60, "/", lambda: 7)), lambda: os._exit(left_behind())])
def test_a_child_process_asks_by_a_thread_of_its_own(ask: Callable[[], None]) -> None:
    within(60, "/", get_ident)
    child = os.fork()
    if child == 0:
        ask()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) in (0, 7)


def test_no_idle_thread_is_there_when_the_process_forks() -> None:
    before = threads()
    within(60, "/", get_ident)
    counted = []
    os.register_at_fork(before=lambda: counted.append(threads()))  # what is registered last is called first
    os.register_at_fork(after_in_parent=lambda: counted.append(threads()))
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    with_worker, without = counted[-2:]
    assert without < with_worker
    assert without <= before


def test_a_mount_of_which_much_does_not_answer_is_asked_nothing_more(
    gate: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "MOST_OPEN", 3)
    monkeypatch.setattr(mounts, "mount_points", lambda: frozenset({"/dead"}))
    for number in range(3):
        assert not is_open(f"/dead/{number}")
        with pytest.raises(StorageTimeout, match="no answer"):
            within(0.02, f"/dead/{number}", gate)
        assert is_open(f"/dead/{number}")
    with pytest.raises(StorageTimeout, match="not asked"):
        within(5, "/dead/3", get_ident)
    assert is_open("/dead/3")
    assert not is_open("/living")
    assert within(5, "/living", lambda: 1) == 1


def test_what_no_thread_can_be_started_for_is_an_error_of_storage(tmp_path: Path) -> None:
    program = (
        "import resource\n"
        "from diskchain.errors import StorageError\n"
        "from diskchain import Discoverer, FileLocation, Source\n"
        "from diskchain.system.deadline import within\n"
        "import _thread\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 28, 1 << 28))\n"
        "_thread.stack_size(1 << 30)\n"
        "try:\n    within(5, '/x', int)\nexcept StorageError as error:\n    print(error)\n"
        "chain = Discoverer().discover(Source(FileLocation('/x')))\n"
        "print([each.id for each in chain.findings])\n"
    )
    told = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert told.stdout == "/x: cannot be asked: no thread can be started\n['unreadable']\n"
