"""The one event loop: results, time limits and interruptions reach whoever waits, in a child process, too."""

import asyncio
import os
import subprocess
import sys

import pytest

from diskchain.system.event_loop import Interrupted, carry_on, interrupt, on_a_lasting_thread, wait_for


async def answer(value: int) -> int:
    await asyncio.sleep(0)
    return value


def test_a_result_is_waited_for() -> None:
    assert [wait_for(answer(number), 60) for number in range(3)] == [0, 1, 2]


def test_what_takes_too_long_times_out() -> None:
    with pytest.raises(TimeoutError):
        wait_for(asyncio.sleep(60), 0.01)


def test_who_is_interrupted_gives_up_until_all_carry_on() -> None:
    interrupt()
    try:
        with pytest.raises(Interrupted):
            wait_for(answer(1), 60)
        assert wait_for(answer(2), 60, whatever=True) == 2
    finally:
        carry_on()
    assert wait_for(answer(3), 60) == 3


def test_what_a_lasting_thread_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        on_a_lasting_thread(lambda: 1 // 0)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # Python 3.12: the loop's thread lasts
def test_a_child_process_has_a_loop_of_its_own() -> None:
    assert wait_for(answer(1), 60) == 1
    child = os.fork()
    if child == 0:
        os._exit(wait_for(answer(7), 60))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_without_threads_it_is_an_error_of_the_system() -> None:
    program = (
        "import asyncio, resource, threading\n"
        "from diskchain.system.event_loop import wait_for\n"
        "resource.setrlimit(resource.RLIMIT_AS, (1 << 28, 1 << 28))\n"
        "threading.stack_size(1 << 30)\n"
        "try:\n    wait_for(asyncio.sleep(0), 5)\nexcept OSError as error:\n    print(error.strerror)\n"
    )
    told = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True)
    assert (told.stdout, told.stderr) == ("no thread can be started for it\n", "")
