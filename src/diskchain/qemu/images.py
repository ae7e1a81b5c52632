"""The few verbs of qemu-img that jobs need: make an image, compare two chains, write a pointer, measure, ask what a layer holds.

Each is one process that dies with us. A chain is given whole, as nested options, so that what headers name does not count. Must not know
why. Keys come through pipes, never as arguments. Source: qemu-img(1), 7.2 to 10.0.
"""

import json
import os
import select
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from diskchain.errors import PeerError, UsageError, printable
from diskchain.qemu.blockdev import blockdev
from diskchain.qemu.emission import Emission
from diskchain.qemu.nodes import Numbering
from diskchain.qemu.policy import QSD, NodePolicy
from diskchain.storage.source import Source
from diskchain.system.event_loop import on_a_lasting_thread
from diskchain.system.parent_death import die_with_parent

PROGRAM: Final = "qemu-img"
_TICK: Final = 200  # milliseconds from one look for a stop to the next
_LAST_WORDS: Final = 2000
_CHILDREN: Final = ("file", "backing", "data-file")


class Stopped(Exception):
    """It was asked to stop, and has."""


class ImageToolFailed(PeerError):
    """qemu-img refused or died. ``code`` is its exit code, negative after a signal."""

    def __init__(self, verb: str, code: int, words: str) -> None:
        super().__init__(f"qemu-img {verb}: {printable(words) or f'it ended with code {code}'}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain as one argument of qemu-img. ``emission``: the nodes it is made of, and which secrets they name."""

    argument: str
    emission: Emission


def chain_argument(source: Source, first_number: int = 1) -> Chain:
    """``source`` and all below it, read-only. ``first_number``: names of secrets begin there, so that two chains have different ones."""
    emission = blockdev(Numbering(first_number).chain(source), NodePolicy(), QSD)
    nodes = {str(node["node-name"]): dict(node) for node in emission.nodes()}

    def nested(name: str) -> dict[str, Any]:
        node = nodes[name]
        inner = {key: nested(node[key]) for key in _CHILDREN if isinstance(node.get(key), str)}
        return {key: value for key, value in (node | inner).items() if key != "node-name"}

    return Chain("json:" + json.dumps(nested(emission.top)), emission)


def run(
    words: Sequence[str],
    *,
    stop: Callable[[], bool] = lambda: False,
    lines: Callable[[str], None] | None = None,
    secrets: Mapping[str, bytes] | None = None,
) -> tuple[int, str]:
    """Run qemu-img to its end; its exit code and what it printed on standard output.

    ``stop`` is asked every so often; ``lines`` gets pieces of standard output as they come; ``secrets``: by the id of the object. Raises
    Stopped, ImageToolFailed for codes other than 0 and 1, UsageError without the program.
    """
    program = shutil.which(PROGRAM)
    if program is None:
        raise UsageError(f"{PROGRAM} is not installed (Debian and Ubuntu: qemu-utils)")
    pipes: list[int] = []
    try:
        objects = [word for id, value in (secrets or {}).items() for word in _secret(id, value, pipes)]
        command = [program, words[0], *objects, *words[1:]]
        process = on_a_lasting_thread(lambda: _launch(command, tuple(pipes)))
    finally:
        for pipe in pipes:
            os.close(pipe)
    said = bytearray()
    errors = bytearray()
    try:
        _attend(process, said, errors, stop, lines)
    finally:
        if process.poll() is None:
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
        code = process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
    if code not in (0, 1):
        raise ImageToolFailed(words[0], code, errors[-_LAST_WORDS:].decode(errors="replace").strip())
    if code == 1 and errors:
        raise ImageToolFailed(words[0], code, errors[-_LAST_WORDS:].decode(errors="replace").strip())
    return code, said.decode(errors="replace")


def _secret(id: str, value: bytes, pipes: list[int]) -> tuple[str, str]:
    reading, writing = os.pipe2(os.O_CLOEXEC)
    pipes.append(reading)
    try:
        os.write(writing, value)
    finally:
        os.close(writing)
    return "--object", f"secret,id={id},format=raw,file=/dev/fd/{reading}"


def _launch(command: Sequence[str], descriptors: tuple[int, ...]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(  # noqa: S603 (no shell)
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        pass_fds=descriptors,
        start_new_session=True,  # Ctrl-C is for us
        preexec_fn=die_with_parent(),  # noqa: PLW1509 (it calls prctl and nothing of Python's)
    )


def _attend(
    process: "subprocess.Popen[bytes]",
    said: bytearray,
    errors: bytearray,
    stop: Callable[[], bool],
    lines: Callable[[str], None] | None,
) -> None:
    assert process.stdout is not None  # noqa: S101 (a pipe)
    assert process.stderr is not None  # noqa: S101 (a pipe)
    streams = {process.stdout.fileno(): said, process.stderr.fileno(): errors}
    poll = select.poll()
    for descriptor in streams:
        poll.register(descriptor, select.POLLIN)
    while streams:
        for descriptor, _ in poll.poll(_TICK):
            piece = os.read(descriptor, 65536)
            if not piece:
                poll.unregister(descriptor)
                del streams[descriptor]
                continue
            streams[descriptor].extend(piece)
            if lines is not None and streams[descriptor] is said:
                lines(piece.decode(errors="replace"))
        if stop():
            raise Stopped


def create(
    path: str, format: str, capacity: int, *, backing: tuple[str, str] | None = None, options: Sequence[str] = ()
) -> None:
    """Make an image in the file ``path``. ``backing``: the string its header holds, and the format; it is not opened. Raises ImageToolFailed."""
    below = () if backing is None else ("-u", "-b", backing[0], "-F", backing[1])
    given = ("-o", ",".join(options)) if options else ()
    _succeed(("create", "-q", "-f", format, *below, *given, path, str(capacity)))


def write_pointer(path: str, name: str | None, format: str | None, key: bytes | None = None) -> None:
    """Have the header of the qcow2 image ``path`` name ``name`` of ``format``, None: nothing. One write of one cluster, flushed.

    ``key``: of an image that is encrypted with LUKS. Raises ImageToolFailed.
    """
    options: dict[str, Any] = {"driver": "qcow2", "file": {"driver": "file", "filename": path}}
    if key is not None:
        options["encrypt"] = {"format": "luks", "key-secret": "key"}
    named = ("-b", name or "", *(("-F", format) if format is not None and name else ()))
    _succeed(("rebase", "-q", "-u", *named, "json:" + json.dumps(options)), None if key is None else {"key": key})


def differ(
    one: Chain,
    other: Chain,
    *,
    stop: Callable[[], bool] = lambda: False,
    progress: Callable[[float], None] = lambda _: None,
    secrets: Mapping[str, bytes] | None = None,
) -> str | None:
    """Where two chains read differently, in qemu-img's words; None: they read the same. ``progress`` gets 0 to 100.

    Raises Stopped, ImageToolFailed.
    """

    def told(piece: str) -> None:
        for part in piece.replace("\r", "\n").split("\n"):
            number = part.strip().lstrip("(").partition("/100%")[0]
            with suppress(ValueError):
                progress(float(number))

    words = ("compare", "-p", one.argument, other.argument)
    code, said = run(words, stop=stop, lines=told, secrets=secrets)
    if code == 0:
        return None
    found = [line.strip() for line in said.replace("\r", "\n").split("\n") if "/100%" not in line and line.strip()]
    return "; ".join(found) or "they differ"


def extents(chain: Chain, *, secrets: Mapping[str, bytes] | None = None) -> list[dict[str, Any]]:
    """What ``qemu-img map`` says of a chain, extent by extent. Raises ImageToolFailed."""
    code, said = run(("map", "--output=json", chain.argument), secrets=secrets)
    if code:
        raise ImageToolFailed("map", code, said)
    found: list[dict[str, Any]] = json.loads(said)
    return found


def measure(chain: Chain, format: str, *, secrets: Mapping[str, bytes] | None = None) -> int:
    """How many bytes a new image of ``format`` with the content of ``chain`` takes at most. Raises ImageToolFailed."""
    code, said = run(("measure", "--output=json", "-O", format, chain.argument), secrets=secrets)
    if code:
        raise ImageToolFailed("measure", code, said)
    return int(json.loads(said)["required"])


def _succeed(words: Sequence[str], secrets: Mapping[str, bytes] | None = None) -> None:
    code, said = run(words, secrets=secrets)
    if code:
        raise ImageToolFailed(words[0], code, said)
