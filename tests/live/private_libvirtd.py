"""A libvirtd of our own: its state, sockets and configuration are nobody else's, and it may be killed.

Runs side by side, and a libvirtd the host has, leave each other alone: who starts or ends first does not matter. It runs in a mount namespace where `/run/libvirt`, `/var/lib/libvirt`, `/etc/libvirt` and `/var/log/libvirt` are
directories of the test; the images it is given are the same files for everybody. Domains it starts outlive it, as they
do on a real host, and are destroyed by the fixture.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.access import kernel
from tests.live.daemons import Libvirtd, dotted, libvirt, open_kvm_to_its_group
from tests.live.peers import PEER_VERSIONS, demand, give_up

_START_SECONDS = 120  # it may have to ask QEMU what it can do first, beside another that does
_POLL_SECONDS = 0.05
_PLACE = Path("/run")
_PREFIX = "diskchain-libvirtd-"
_DIRECTORIES = {"run": "/run/libvirt", "lib": "/var/lib/libvirt", "etc": "/etc/libvirt", "log": "/var/log/libvirt"}


class PrivateLibvirtd:
    """The daemon, and an open connection to it while it runs."""

    def __init__(self, directory: Path, settings: str = "") -> None:
        self.directory = directory
        self.uri = f"qemu:///system?socket={directory}/run/libvirt-sock"
        self.connection: Any = None  # libvirt.virConnect, which has no types
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        for name, place in _DIRECTORIES.items():
            if name == "etc" and Path(place).is_dir():
                shutil.copytree(place, directory / name, ignore=shutil.ignore_patterns("*.xml", "secrets"))
            else:
                (directory / name).mkdir()
        with (directory / "etc" / "qemu.conf").open("a") as conf:
            # A container may forbid cgroups and namespaces; neither has to do with owners.
            conf.write('\nsecurity_driver = "none"\ncgroup_controllers = []\n')
            conf.write(f"namespaces = []\n{settings or 'remember_owner = 1'}\n")

    def start(self) -> None:
        """Starts the daemon (and the one that keeps the guests' logs), and connects."""
        if "virtlogd" not in self._processes:
            self._run("virtlogd")
        self._run("libvirtd")
        deadline = time.monotonic() + _START_SECONDS
        while self.connection is None:
            with suppress(libvirt.libvirtError):
                self.connection = libvirt.open(self.uri)
            if self.connection is None:
                if self._processes["libvirtd"].poll() is not None or time.monotonic() > deadline:
                    log = (self.directory / "libvirtd.log").read_text(errors="replace")[-2000:]
                    pytest.fail(f"the private libvirtd does not answer:\n{log}", pytrace=False)
                time.sleep(_POLL_SECONDS)

    @property
    def pid(self) -> int:
        """The daemon's process, in whose mount namespace it sees its files."""
        return self._processes["libvirtd"].pid

    def kill(self) -> None:
        """SIGKILL, as the out-of-memory killer would. Domains go on."""
        self._end("libvirtd", signal.SIGKILL)

    def stop(self) -> None:
        """Destroys all domains and ends both daemons, also after a test that made the daemon crash."""
        try:
            daemon = self._processes.get("libvirtd")
            if self.connection is None or daemon is None or daemon.poll() is not None:
                self._end("libvirtd", signal.SIGKILL)
                self.start()
            for domain in self.connection.listAllDomains():
                with suppress(libvirt.libvirtError):
                    domain.destroy()
        finally:
            self._end("libvirtd", signal.SIGTERM)
            self._end("virtlogd", signal.SIGTERM)

    def start_paused(self, domain: Any) -> None:
        """Starts a domain; its guest does not run."""
        domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)

    def domain(self, name: str) -> Any:
        """The domain of that name, over the present connection."""
        return self.connection.lookupByName(name)

    def _end(self, program: str, how: signal.Signals) -> None:
        if program == "libvirtd" and self.connection is not None:
            with suppress(libvirt.libvirtError):
                self.connection.close()
            self.connection = None
        process = self._processes.pop(program, None)
        if process is not None:
            process.send_signal(how)
            process.wait(_START_SECONDS)

    def _run(self, program: str) -> None:
        log = self.directory / f"{program}.log"
        with log.open("ab") as sink:
            self._processes[program] = subprocess.Popen(
                [
                    *("setpriv", "--pdeathsig", "KILL", "--", program),
                    *("--pid-file", str(self.directory / f"{program}.pid")),
                ],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=sink,
                start_new_session=True,
                preexec_fn=self._enter,  # noqa: PLW1509 - the test process has no threads
            )

    def _enter(self) -> None:
        kernel.own_mounts()
        for name, place in _DIRECTORIES.items():
            kernel.mount(self.directory / name, place, None, kernel.MS_BIND)


@contextmanager
def started(settings: str = "") -> Iterator[PrivateLibvirtd]:
    """A daemon of its own; `settings` are lines for its qemu.conf."""
    if libvirt is None:
        give_up("needs the Python package libvirt-python")
    demand("root", "libvirtd", "virtlogd", "setpriv")
    for place in _DIRECTORIES.values():
        Path(place).mkdir(parents=True, exist_ok=True)  # something has to be there to mount over
    open_kvm_to_its_group()
    _clear_away()
    directory = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-", dir=_PLACE))
    try:
        directory.chmod(0o755)
        daemon = PrivateLibvirtd(directory, settings)
        try:
            daemon.start()
            yield daemon
        finally:
            daemon.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def private_libvirtd(request: pytest.FixtureRequest) -> Iterator[PrivateLibvirtd]:
    """A started :class:`PrivateLibvirtd` for one test, which may kill it."""
    with started() as daemon:
        request.config.stash[PEER_VERSIONS]["libvirtd"] = f"libvirtd {dotted(daemon.connection.getLibVersion())}"
        yield daemon


@pytest.fixture(scope="session")
def libvirtd(request: pytest.FixtureRequest) -> Iterator[Libvirtd]:
    """The daemon that all tests of this run share."""
    with started() as daemon:
        version = dotted(daemon.connection.getLibVersion())
        versions = request.config.stash[PEER_VERSIONS]
        versions["libvirtd"] = f"libvirtd {version}"
        versions["qemu"] = f"QEMU {dotted(daemon.connection.getVersion())}"
        yield Libvirtd(daemon.connection, version, daemon.uri, daemon.directory / "run")


def _clear_away() -> None:
    """Ends the guests, and removes the directories, of test runs that were killed."""
    for directory in _PLACE.glob(f"{_PREFIX}*-*"):
        run = directory.name.removeprefix(_PREFIX).partition("-")[0]
        if not run.isdecimal() or Path(f"/proc/{run}").exists():
            continue
        for file in directory.glob("run/qemu/*.pid"):
            with suppress(OSError, ValueError):
                guest = int(file.read_text())
                if Path(f"/proc/{guest}/comm").read_text().startswith("qemu-system"):
                    os.kill(guest, signal.SIGKILL)
        shutil.rmtree(directory, ignore_errors=True)


def wait_for(happens: Callable[[], Any], what: str, seconds: float = 60) -> None:
    """Returns as soon as it happens; fails when it does not in time."""
    deadline = time.monotonic() + seconds
    while not happens():
        if time.monotonic() > deadline:
            pytest.fail(f"waited {seconds:.0f} s for {what}", pytrace=False)
        time.sleep(_POLL_SECONDS)
