"""Runs of the real qemu-img and qemu-storage-daemon under the recorder, as QEMU does a job by itself and as diskchain does."""

import contextlib
import json
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.jobs.recorder.recording import Recorder

_SECONDS = 60


def tool(recorder: Recorder, program: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """A program in the root directory, recorded. Raises CalledProcessError."""
    return subprocess.run(
        [program, *arguments],
        cwd=recorder.root,
        env=recorder.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        text=True,
        timeout=_SECONDS,
    )


class Daemon:
    """A recorded qemu-storage-daemon. A plain QMP client: no code of diskchain's."""

    def __init__(self, recorder: Recorder) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self.process = subprocess.Popen(
                ["qemu-storage-daemon", "--chardev", f"socket,id=m,fd={theirs.fileno()}", "--monitor", "chardev=m"],
                cwd=recorder.root,
                env=recorder.environment,
                stdin=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
            )
        ours.settimeout(_SECONDS)
        self._socket, self._lines = ours, ours.makefile("rw")
        self._events: list[dict[str, Any]] = []
        self._read()
        self("qmp_capabilities")

    def __call__(self, command: str, **arguments: Any) -> Any:
        """Run a command; `_` in the names of arguments is `-`. Raises AssertionError when it is refused."""
        words = {"execute": command, "arguments": {name.replace("_", "-"): value for name, value in arguments.items()}}
        self._lines.write(json.dumps(words) + "\n")
        self._lines.flush()
        while True:
            answer = self._read()
            if "event" in answer:
                self._events.append(answer)
            else:
                assert "return" in answer, answer
                return answer["return"]

    def _read(self) -> dict[str, Any]:
        line = self._lines.readline()
        assert line, "qemu-storage-daemon is gone"
        read: dict[str, Any] = json.loads(line)
        return read

    def until(self, event: str, **data: Any) -> dict[str, Any]:
        """Wait for an event whose data has these values."""
        while True:
            found = self._events.pop(0) if self._events else self._read()
            if found.get("event") == event and data.items() <= found["data"].items():
                return found

    def chain(self, *layers: str, writable: tuple[str, ...] = (), base_format: str = "qcow2") -> None:
        """Open files as one chain, top first, each as the node of its name; the last has nothing below."""
        node: dict[str, Any] | None = None
        for name in reversed(layers):
            options = {"driver": "file", "filename": name, "node-name": f"{name}-file"}
            format = base_format if node is None and name == "base" else "qcow2"
            below = {} if format == "raw" else {"backing": node}
            node = {"driver": format, "node-name": name, "file": options, "read-only": name not in writable, **below}
        assert node is not None
        self("blockdev-add", **node)

    def quit(self) -> None:
        """End it in good order."""
        self("quit")
        assert self.process.wait(_SECONDS) == 0

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._lines.close()
        self._socket.close()


@contextlib.contextmanager
def daemon(recorder: Recorder) -> Iterator[Daemon]:
    """One that is gone afterwards, whatever happens."""
    running = Daemon(recorder)
    try:
        yield running
    finally:
        running.close()


def commit_by_qemu(recorder: Recorder) -> None:
    """Mid into base below the device, as `blockcommit` does it: QEMU moves the pointer of top."""
    with daemon(recorder) as qsd:
        qsd.chain("top", "mid", "base", writable=("top",))
        qsd("block-commit", job_id="j", device="top", top_node="mid", base_node="base", backing_file="base")
        qsd.until("JOB_STATUS_CHANGE", id="j", status="concluded")
        qsd.quit()


def active_commit_by_qemu(recorder: Recorder) -> None:
    """Top into mid; no pointer moves."""
    with daemon(recorder) as qsd:
        qsd.chain("top", "mid", "base", writable=("top",))
        qsd("block-commit", job_id="j", device="top")
        qsd.until("BLOCK_JOB_READY")
        qsd("job-complete", id="j")
        qsd.until("JOB_STATUS_CHANGE", id="j", status="concluded")
        qsd.quit()


def stream_by_qemu(recorder: Recorder, base: str | None = "base") -> None:
    """mid, or all, into top; QEMU moves the pointer of top."""
    with daemon(recorder) as qsd:
        qsd.chain("top", "mid", "base", writable=("top",))
        down_to = {} if base is None else {"base_node": base, "backing_file": base}
        qsd("block-stream", job_id="j", device="top", **down_to)
        qsd.until("JOB_STATUS_CHANGE", id="j", status="concluded")
        qsd.quit()


def commit_by_us(recorder: Recorder) -> None:
    """Mid into base with top not opened at all; then the pointer, by one write."""
    with daemon(recorder) as qsd:
        qsd.chain("mid", "base")
        qsd("block-commit", job_id="j", device="mid", auto_finalize=True)
        qsd.until("BLOCK_JOB_READY")
        qsd("job-complete", id="j")
        qsd.until("JOB_STATUS_CHANGE", id="j", status="concluded")
        qsd.quit()
    tool(recorder, "qemu-img", "rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", "base", "top")


def stream_by_us(recorder: Recorder, base: str | None = "base") -> None:
    """mid, or all, into top; the job is cancelled before it would move the pointer, which goes by one write at the end."""
    with daemon(recorder) as qsd:
        qsd.chain("top", "mid", "base", writable=("top",))
        down_to = {} if base is None else {"base_node": base, "backing_file": base}
        qsd("block-stream", job_id="j", device="top", auto_finalize=False, **down_to)
        qsd.until("JOB_STATUS_CHANGE", id="j", status="pending")
        qsd("job-cancel", id="j")
        qsd.until("JOB_STATUS_CHANGE", id="j", status="concluded")
        qsd.quit()
    below = ("-F", "qcow2", "-b", base) if base else ("-b", "")
    tool(recorder, "qemu-img", "rebase", "-u", "-f", "qcow2", *below, "top")
