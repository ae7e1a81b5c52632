"""SIGKILL before each system call of a piece of work that could change what others see, none left out.

Between two such calls a process changes nothing that outlives it, so these are all the instants there are to die at,
those inside SQLite included. Done with ptrace(2); the code under test knows nothing of it.
"""

import ctypes
import os
import platform
import signal
import struct
from collections.abc import Callable

_PTRACE_TRACEME = 0
_PTRACE_SYSCALL = 24
_PTRACE_SETOPTIONS = 0x4200
_PTRACE_O_TRACESYSGOOD = 1
_PTRACE_O_EXITKILL = 1 << 20
_PTRACE_GET_SYSCALL_INFO = 0x420E
# struct ptrace_syscall_info at an entry: op, then from byte 24 the number and six arguments.
_INFO = struct.Struct("=B23x7Q")
_O_CREAT = os.O_CREAT
_OPENAT = {"x86_64": 257, "aarch64": 56}
# System calls that only look, or whose effect (descriptors, locks, memory) dies with the process. Elsewhere: none.
_LOOKING = {
    "x86_64": frozenset(
        {
            *(
                0,
                3,
                4,
                5,
                6,
                7,
                8,
                9,
                10,
                11,
                12,
                13,
                14,
                16,
                17,
                21,
                39,
                41,
                42,
                63,
                72,
                73,
                79,
                89,
                102,
                104,
                107,
                108,
            ),
            *(137, 138, 186, 191, 192, 193, 194, 195, 196, 202, 217, 228, 230, 262, 267, 303, 318, 332, 439),
        }
    )
}
_SYSCALL_STOP = signal.SIGTRAP | 0x80

_ptrace = ctypes.CDLL(None, use_errno=True).ptrace
_ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_ptrace.restype = ctypes.c_long


def dies_before_change(number: int, work: Callable[[], object]) -> bool:
    """Runs `work` in a forked process and kills it before its `number`-th change, counted from 0.

    False: it ended by itself before that, so there are no more instants to try.
    """
    child = os.fork()
    if child == 0:
        _die_alone(work)
    os.waitpid(child, 0)  # its SIGSTOP
    _order(_PTRACE_SETOPTIONS, child, _PTRACE_O_TRACESYSGOOD | _PTRACE_O_EXITKILL)
    entering, met = True, 0
    while True:
        _order(_PTRACE_SYSCALL, child, 0)
        _, status = os.waitpid(child, 0)
        if os.WIFEXITED(status):
            if os.WEXITSTATUS(status) != 0:
                raise AssertionError(f"the work failed by itself, after {met} changes")
            return False
        if os.WIFSTOPPED(status) and os.WSTOPSIG(status) == _SYSCALL_STOP:
            if entering and _may_change(child):
                if met == number:
                    os.kill(child, signal.SIGKILL)
                    os.waitpid(child, 0)
                    return True
                met += 1
            entering = not entering


def _may_change(child: int) -> bool:
    buffer = ctypes.create_string_buffer(_INFO.size)
    _order(_PTRACE_GET_SYSCALL_INFO, child, ctypes.addressof(buffer), _INFO.size)
    _, number, *arguments = _INFO.unpack_from(buffer)
    machine = platform.machine()
    if number == _OPENAT.get(machine):
        return bool(arguments[2] & _O_CREAT)
    return number not in _LOOKING.get(machine, ())


def _die_alone(work: Callable[[], object]) -> None:
    status = 1
    try:
        if _ptrace(_PTRACE_TRACEME, 0, None, None) != 0:
            os._exit(2)
        os.kill(os.getpid(), signal.SIGSTOP)
        work()
        status = 0
    except BaseException:  # noqa: BLE001 - a forked child must not return into the test
        import traceback

        traceback.print_exc()
    finally:
        os._exit(status)


def _order(request: int, process: int, data: int, address: int = 0) -> None:
    if _ptrace(request, process, ctypes.c_void_p(address), ctypes.c_void_p(data)) < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
