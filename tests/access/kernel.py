"""The few system calls the tests need and the standard library lacks: mounts, inode flags, capabilities. Linux only."""

import ctypes
import fcntl
import os
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from diskchain.access.kernel.identity import Capability, Identity

MS_RDONLY = 1
MS_NODEV = 4
MS_REMOUNT = 32
MS_NOSYMFOLLOW = 256
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18

FS_IMMUTABLE = 0x10
FS_APPEND = 0x20

_CLONE_NEWNS = 0x00020000
_PR_SET_KEEPCAPS = 8
_FS_IOC_GETFLAGS = 0x80086601
_FS_IOC_SETFLAGS = 0x40086602
_CAPABILITY_VERSION_3 = 0x20080522
_CAPABILITY_NUMBERS = {Capability.DAC_OVERRIDE: 1, Capability.DAC_READ_SEARCH: 2}

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def own_mounts() -> None:
    """Gives this process mounts of its own: nothing it mounts is seen outside, and all of it goes when it ends."""
    _checked(_libc.unshare(_CLONE_NEWNS))
    mount(None, "/", None, MS_REC | MS_PRIVATE)


def enter_mounts(pid: int) -> None:
    """Moves this process, which must have one thread, into the mount namespace of another."""
    descriptor = os.open(f"/proc/{pid}/ns/mnt", os.O_RDONLY | os.O_CLOEXEC)
    try:
        _checked(_libc.setns(descriptor, _CLONE_NEWNS))
    finally:
        os.close(descriptor)


def mount(source: str | Path | None, target: str | Path, fstype: str | None, flags: int, data: str = "") -> None:
    names = [None if text is None else os.fsencode(text) for text in (source, target, fstype)]
    _checked(_libc.mount(*names, ctypes.c_ulong(flags), data.encode()))


def unmount(target: str | Path) -> None:
    _checked(_libc.umount2(os.fsencode(target), 0))


def set_flags(path: str | Path, flags: int) -> None:
    """Sets the inode flags FS_IMMUTABLE and FS_APPEND; 0 takes both away."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        present = struct.unpack("l", fcntl.ioctl(descriptor, _FS_IOC_GETFLAGS, bytes(8)))[0]
        wanted = present & ~(FS_IMMUTABLE | FS_APPEND) | flags
        fcntl.ioctl(descriptor, _FS_IOC_SETFLAGS, struct.pack("l", wanted))
    finally:
        os.close(descriptor)


def become(who: Identity) -> None:
    """Turns this process into `who` for good."""
    _checked(_libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0))
    os.setgroups(sorted(who.groups))
    os.setresgid(who.gid, who.gid, who.gid)
    os.setresuid(who.uid, who.uid, who.uid)
    bits = sum(1 << _CAPABILITY_NUMBERS[capability] for capability in who.capabilities)
    header = struct.pack("Ii", _CAPABILITY_VERSION_3, 0)
    _checked(_libc.capset(header, struct.pack("6I", bits, bits, 0, 0, 0, 0)))


def open_errno(path: str | Path, flags: int) -> int:
    try:
        os.close(os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC))
    except OSError as error:
        return error.errno or -1
    return 0


def in_a_child(work: Callable[[], Any]) -> str:
    """Runs `work` in a forked process; gives `repr` of what it returned, or raises with the child's traceback."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(reader)
            try:
                text, status = repr(work()), 0
            except BaseException:  # noqa: BLE001 - everything must reach the parent, and the child must not return
                import traceback

                text = traceback.format_exc()
            with os.fdopen(writer, "w", errors="backslashreplace") as stream:
                stream.write(text)
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader, errors="backslashreplace") as stream:
        text = stream.read()
    _, status = os.waitpid(child, 0)
    if status != 0:
        raise AssertionError(f"child ended with status {status:#x}:\n{text}")
    return text


def opens_as(who: Identity, requests: Iterable[tuple[str, int]]) -> list[int]:
    """What open(2) really says to a process that is `who`: 0 or an errno for each path and flags."""

    def attempt() -> list[int]:
        become(who)
        return [open_errno(path, flags) for path, flags in requests]

    text = in_a_child(attempt)
    return [int(number) for number in text.strip("[]").split(",") if number]
