"""A qemu-storage-daemon of our own: started, spoken to over QMP, and gone when its context is left, whatever happens.

Knows processes and QMP. Must not know what is opened in it. Nobody else can reach its monitor: it is one end of a socket pair.
When this process dies, the kernel ends the daemon. A thin adapter on the ``qemu.qmp`` package (extra ``open``).
"""

import contextlib
import json
import logging
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

from diskchain.errors import MissingExtra, PeerError, StorageTimeout, UsageError, printable
from diskchain.qemu.master_key import KEY_ID, MasterKey
from diskchain.system.event_loop import Interrupted, on_a_lasting_thread, wait_for
from diskchain.system.parent_death import die_with_parent

if TYPE_CHECKING:
    from qemu.qmp import QMPClient

PROGRAM: Final = "qemu-storage-daemon"
_START_SECONDS: Final = 20.0
_STOP_SECONDS: Final = 10.0
#: How much of the daemon's last words goes into an error, in bytes.
_LAST_WORDS: Final = 2000


class QmpRefused(PeerError):
    """QEMU answered a command with an error. ``command`` is its name; its arguments may hold secrets and are not kept."""

    def __init__(self, problem: str, *, command: str) -> None:
        super().__init__(printable(problem))
        self.command = command


class StorageDaemon:
    """A running daemon. Use as a context manager.

    ``timeout``: seconds one command may take. ``nbd``: a listening socket to serve exports on, if any. Raises MissingExtra without
    qemu.qmp, UsageError without the program, PeerError when it does not start.
    """

    def __init__(self, *, timeout: float = 60.0, nbd: socket.socket | None = None) -> None:
        self._timeout = timeout
        self._nbd = nbd
        self._key = MasterKey()
        self._client: QMPClient | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._words: int = -1
        self._stuck = False

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._running().pid

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _start(self) -> None:
        try:
            from qemu.qmp import QMPClient
        except ImportError:
            raise MissingExtra("qemu.qmp", "open", "running a qemu-storage-daemon") from None
        program = shutil.which(PROGRAM)
        if program is None:
            raise UsageError(
                f"{PROGRAM} is not installed (Debian and Ubuntu: qemu-system-common or qemu-storage-daemon)"
            )
        logging.getLogger("qemu.qmp").addHandler(logging.NullHandler())  # its arguments may be secrets
        logging.getLogger("qemu.qmp").propagate = False
        ours, theirs = socket.socketpair()
        key = self._key.pipe()
        self._words = os.memfd_create("last-words", os.MFD_CLOEXEC)
        try:
            # PR_SET_PDEATHSIG means the thread that started it, and discovery walks in threads that end.
            on_a_lasting_thread(lambda: self._launch(program, key, theirs.fileno()))
        finally:
            os.close(key)
            theirs.close()
        self._client = QMPClient("diskchain")
        try:
            wait_for(self._client.connect(ours), _START_SECONDS)
        except Exception as error:
            raise self._dead() from error

    def _launch(self, program: str, key: int, monitor: int) -> None:
        nbd = () if self._nbd is None else ("--nbd-server", f"addr.type=fd,addr.str={self._nbd.fileno()}")
        self._process = subprocess.Popen(  # noqa: S603 (no shell, fixed arguments)
            [
                program,
                "--object",
                f"secret,id={KEY_ID},format=raw,file=/dev/fd/{key}",
                "--chardev",
                f"socket,id=monitor,fd={monitor}",
                "--monitor",
                "chardev=monitor",
                *nbd,
            ],
            stdin=subprocess.DEVNULL,
            stdout=self._words,
            stderr=self._words,
            pass_fds=(key, monitor, *(() if self._nbd is None else (self._nbd.fileno(),))),
            start_new_session=True,  # Ctrl-C is for us: the daemon ends in good order afterwards
            preexec_fn=die_with_parent(),  # noqa: PLW1509 (it calls prctl and nothing of Python's)
        )

    def execute(self, command: str, arguments: Mapping[str, Any] | None = None) -> Any:
        """Run one QMP command and return what it returns.

        Raises QmpRefused when QEMU says no, StorageTimeout when it does not answer, PeerError when it is gone. A daemon that
        once did not answer is not waited for again.
        """
        from qemu.qmp import ExecuteError, QMPError

        if self._client is None:
            raise self._dead()
        if not _is_utf8(arguments):
            raise QmpRefused("QEMU takes no name that is not UTF-8", command=command)
        if self._stuck:
            raise StorageTimeout(f"no answer to an earlier command, so none to {command}", path=PROGRAM)
        try:
            return wait_for(self._client.execute(command, dict(arguments or {})), self._timeout)
        except ExecuteError as error:
            raise QmpRefused(str(error), command=command) from None  # the cause holds the arguments
        except Interrupted:
            self._stuck = True  # for all we know
            raise
        except TimeoutError as error:
            self._stuck = True
            raise StorageTimeout(f"no answer to {command} in {self._timeout:g} s", path=PROGRAM) from error
        except (QMPError, EOFError, ConnectionError) as error:
            raise self._dead() from error

    def job(self, command: str, arguments: Mapping[str, Any], id: str) -> None:
        """Start a job and wait for its end. Raises as :meth:`execute`, QmpRefused also when the job fails."""
        if self._client is None:
            raise self._dead()

        def concluded(event: Mapping[str, Any]) -> bool:
            return bool(event["data"] == {"id": id, "status": "concluded"})

        with self._client.listener("JOB_STATUS_CHANGE", concluded) as listener:
            self.execute(command, {**arguments, "job-id": id})
            try:
                wait_for(listener.get(), self._timeout)
            except TimeoutError as error:
                raise StorageTimeout(f"{command} did not end in {self._timeout:g} s", path=PROGRAM) from error
        job = next(job for job in self.execute("query-jobs") if job["id"] == id)
        self.execute("job-dismiss", {"id": id})
        if "error" in job:
            raise QmpRefused(job["error"], command=command)

    @contextlib.contextmanager
    def events(self) -> Iterator[Callable[[float], Mapping[str, Any] | None]]:
        """What waits so many seconds for the next event; None when there was none. Events since the beginning of the block count.

        Raises as :meth:`execute`.
        """
        from qemu.qmp import QMPError

        if self._client is None:
            raise self._dead()
        with self._client.listener() as listener:

            def next_event(seconds: float) -> Mapping[str, Any] | None:
                try:
                    return wait_for(listener.get(), seconds)
                except TimeoutError:
                    if self._running().poll() is not None:
                        raise self._dead() from None
                    return None
                except (QMPError, EOFError, ConnectionError) as error:
                    raise self._dead() from error

            yield next_event

    def quit(self, seconds: float) -> int:
        """Have it flush and end, and return its exit code, negative after a signal. Raises StorageTimeout after so many ``seconds``."""
        process = self._running()
        try:
            self.execute("quit")
        except PeerError:
            if process.poll() is None:
                raise
        try:
            return process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise StorageTimeout(f"it did not end in {seconds:g} s", path=PROGRAM) from None

    def add_secret(self, id: str, value: bytes | bytearray | memoryview) -> None:
        """Make the ``secret`` object ``id``. The value travels encrypted. Raises as :meth:`execute`."""
        self.execute("object-add", self._key.object(id, value))

    def last_words(self) -> str:
        """What it wrote to its terminal, at most the end of it."""
        if self._words < 0:
            return ""
        size = os.fstat(self._words).st_size
        start = max(0, size - _LAST_WORDS)
        return printable(os.pread(self._words, size - start, start).decode("utf-8", "replace").strip())

    def close(self) -> None:
        """End it: politely, then not; not when it owes an answer, since it heeds nothing then. Harmless when repeated."""
        process, self._process = self._process, None
        client, self._client = self._client, None
        if process is not None:
            if self._stuck:
                process.kill()
            _end(process)
        if client is not None:
            with contextlib.suppress(Exception):
                wait_for(client.disconnect(), _STOP_SECONDS, whatever=True)
        if self._words >= 0:
            os.close(self._words)
            self._words = -1
        self._key.wipe()

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is None:
            raise self._dead()
        return self._process

    def _dead(self) -> PeerError:
        words = self.last_words()
        return PeerError(f"{PROGRAM} is gone" + (f": {words}" if words else ""))


def _is_utf8(arguments: Mapping[str, Any] | None) -> bool:
    """Whether JSON can say them: names of files may hold any bytes."""
    try:
        json.dumps(arguments, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _end(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is None:
        process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
