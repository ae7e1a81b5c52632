"""A libvirtd that answers at qemu:///system: the host's own if there is one, else one of ours.

A daemon found running is used and left alone. One started here is a child of the test run: it is stopped at the end by
its process id, and the kernel stops it (`setpriv --pdeathsig`) when the test run is killed.
"""

import grp
import os
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.live.peers import PEER_VERSIONS, demand, give_up

__all__ = ["Libvirtd", "libvirt", "libvirtd", "own_daemons"]

try:
    import libvirt
except ModuleNotFoundError:  # only the `test` extra has it; tests without peers run all the same
    libvirt = None
else:
    # By default the binding prints each error to stderr, also those that are handled.
    libvirt.registerErrorHandler(lambda _context, _error: None, None)

URI = "qemu:///system"
_VIRTLOGD_SOCKET = Path("/run/libvirt/virtlogd-sock")
_START_SECONDS = 60
_STOP_SECONDS = 20
_POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Libvirtd:
    """An open connection; `started_here` tells whether the daemon belongs to this test run."""

    connection: Any  # libvirt.virConnect, which has no types
    version: str
    started_here: bool
    uri: str = URI


@pytest.fixture(scope="session")
def libvirtd(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Libvirtd]:
    if libvirt is None:
        give_up("needs the Python package libvirt-python")
    with ExitStack() as stack:
        started_here = _connect() is None
        if started_here:
            stack.enter_context(own_daemons(tmp_path_factory.mktemp("daemons")))
        connection = libvirt.open(URI)
        stack.callback(connection.close)
        version = _dotted(connection.getLibVersion())
        versions = request.config.stash[PEER_VERSIONS]
        versions["libvirtd"] = f"libvirtd {version}"
        versions["qemu"] = f"QEMU {_dotted(connection.getVersion())}"
        yield Libvirtd(connection, version, started_here)


@contextmanager
def own_daemons(log_dir: Path) -> Iterator[None]:
    """Runs virtlogd (unless one answers) and libvirtd until the block is left."""
    demand("root", "libvirtd", "virtlogd", "setpriv")
    open_kvm_to_its_group()
    with ExitStack() as stack:
        if not _accepts(_VIRTLOGD_SOCKET):
            stack.enter_context(_daemon("virtlogd", log_dir, lambda: _accepts(_VIRTLOGD_SOCKET)))
        stack.enter_context(_daemon("libvirtd", log_dir, lambda: _connect() is not None))
        yield


@contextmanager
def _daemon(program: str, log_dir: Path, answers: Callable[[], bool]) -> Iterator[None]:
    log = log_dir / f"{program}.log"
    with log.open("wb") as sink:
        # A session of its own: Ctrl-C must reach the tests first, not the daemon they are still using.
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "TERM", "--", program],
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=sink,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not answers():
            if process.poll() is not None or time.monotonic() > deadline:
                state = "does not answer" if process.returncode is None else f"exited with {process.returncode}"
                pytest.fail(f"{program} {state}:\n{log.read_text(errors='replace')[-2000:]}", pytrace=False)
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _connect() -> Any | None:
    try:
        return libvirt.open(URI)
    except libvirt.libvirtError:
        return None


def _accepts(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            return False
        return True


def open_kvm_to_its_group() -> None:
    """Gives /dev/kvm the group and mode that udev would give it, if root alone may open it.

    libvirtd remembers what QEMU can do together with the access to /dev/kvm. Where udev has not run (containers) the
    device is root's alone, the two never agree, and each start of libvirtd asks QEMU anew, for 40 s.
    """
    device = Path("/dev/kvm")
    if not device.exists():
        return
    mode = stat.S_IMODE(device.stat().st_mode)
    if device.stat().st_gid == 0 or not mode & stat.S_IWGRP:
        with suppress(KeyError, PermissionError):  # no group kvm; a read-only /dev
            os.chown(device, -1, grp.getgrnam("kvm").gr_gid)
            device.chmod(mode | stat.S_IRGRP | stat.S_IWGRP)


def _dotted(version: int) -> str:
    """Reads a version as libvirt numbers it: 1000000 * major + 1000 * minor + release."""
    return f"{version // 1_000_000}.{version // 1000 % 1000}.{version % 1000}"
