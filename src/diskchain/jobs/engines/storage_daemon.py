"""The engine of offline jobs: a qemu-storage-daemon that has only the layers open that the job needs, and dies with us.

Three ways of using QEMU (7.2 to 10.0) in which it never writes a pointer: a range is committed *as active*, with the layers above it not
opened, and cancelled when ready; a stream is cancelled when it is pending; a mirror is cancelled when ready. Then the daemon is told to
quit, and all is on the disk when it has ended with 0. Never used: ``change-backing-file``, which records the wrong format; a stream without
``backing-file``, which would store a name of ours; ``query-named-block-nodes`` after a stream, which ends QEMU 7.2 by SIGSEGV.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from diskchain.errors import PeerError, SecretWrong, StorageTimeout
from diskchain.jobs.engines.interface import Copied, EngineFailed, Keys, NoKeys
from diskchain.jobs.plan import Plan, Work, source_of
from diskchain.qemu.blockdev import blockdev
from diskchain.qemu.daemon import QmpRefused, StorageDaemon
from diskchain.qemu.images import Stopped, run
from diskchain.qemu.nodes import Numbering
from diskchain.qemu.open_nodes import open_nodes
from diskchain.qemu.policy import LIBVIRT_11, NodePolicy

_TICK: Final = 0.2  # seconds
_QUIT_SECONDS: Final = 3600.0  # flushing may take long
#: Of a mirror, in bytes: larger pieces than QEMU's 64 KiB, more of them under way; twice as fast where storage is (QEMU 7.2).
_GRANULARITY: Final = 256 << 10
_BUFFER: Final = 64 << 20
_JOB: Final = "diskchain"
_NO_ROOM: Final = "No space left on device"


@dataclass(frozen=True, slots=True)
class StorageDaemonEngine:
    """``keys`` of encrypted layers."""

    keys: Keys = field(default_factory=NoKeys)

    def copy(
        self, plan: Plan, *, began: Callable[[int], None], ended: Callable[[int], None], stop: Callable[[], bool]
    ) -> Iterator[Copied]:
        """See :class:`~diskchain.jobs.engines.interface.Engine`."""
        work = plan.work
        if work is None:
            return
        try:
            if work.kind == "difference":
                yield from _gathered(plan, work, stop)
            with StorageDaemon() as daemon:
                began(daemon.pid)
                yield from self._copied(daemon, plan, work, stop)
                code = daemon.quit(_QUIT_SECONDS)
                ended(code)
        except (QmpRefused, PeerError, StorageTimeout, SecretWrong) as error:
            if isinstance(error, EngineFailed):
                raise
            raise EngineFailed(f"copying: {error}", no_room=_NO_ROOM in str(error)) from error
        if code:
            raise EngineFailed(f"the storage daemon ended with code {code} while it flushed")

    def _copied(self, daemon: StorageDaemon, plan: Plan, work: Work, stop: Callable[[], bool]) -> Iterator[Copied]:
        chain = plan.old[plan.old.index(work.top) :]
        if work.kind == "difference" and work.target is not None:
            chain = (work.target, *chain)
        writable = frozenset({work.top}) if work.kind == "stream" else frozenset[int]()
        source = Numbering().chain(source_of(plan, chain, writable=writable))
        emission = blockdev(source, NodePolicy(), LIBVIRT_11)
        opened = [plan.layers[place] for place in chain]
        open_nodes(daemon, emission, self.keys.of(emission, opened), [layer.name for layer in opened])
        nodes = dict(zip(chain, emission.layers, strict=True))
        if work.kind == "mirror":
            nodes[-1] = self._target(daemon, plan, work, nodes)
        command, arguments = _command(plan, work, nodes)
        yield from _attended(daemon, command, arguments, "pending" if work.kind == "stream" else "ready", stop)

    def _target(self, daemon: StorageDaemon, plan: Plan, work: Work, nodes: Mapping[int, str]) -> str:
        """The node of the file that a mirror fills. What is below it is what is below the top, or nothing."""
        assert work.target is not None  # noqa: S101 (a mirror has one)
        source = source_of(plan, (work.target,), writable=frozenset({work.target}))
        emission = blockdev(Numbering(len(plan.layers) * 2 + 1).chain(source), NodePolicy(), LIBVIRT_11)
        below = plan.old[plan.old.index(work.top) + 1 :]
        if work.shallow and below:
            emission.nodes()[-1]["backing"] = nodes[below[0]]
        target = plan.layers[work.target]
        open_nodes(daemon, emission, self.keys.of(emission, [target]), [target.name])
        return emission.top


def _command(plan: Plan, work: Work, nodes: Mapping[int, str]) -> tuple[str, dict[str, Any]]:
    """The QMP command. Every job that might store a name is told which, so that none of ours can get into a header."""
    common: dict[str, Any] = {"job-id": _JOB, "auto-dismiss": False, "speed": plan.bandwidth, "auto-finalize": True}
    top = nodes[work.top]
    if work.kind == "commit":
        assert work.base is not None  # noqa: S101 (a commit has one)
        return "block-commit", {**common, "device": top, "base-node": nodes[work.base]}
    if work.kind == "difference":
        assert work.target is not None  # noqa: S101 (it has one)
        return "block-commit", {**common, "device": nodes[work.target], "base-node": top}
    if work.kind == "stream":
        named: dict[str, Any] = {}
        if work.base is not None:
            named = {"base-node": nodes[work.base], "backing-file": plan.repoints[0].new}
        return "block-stream", {**common, "device": top, **named, "auto-finalize": False}
    wide = {} if work.shallow else {"granularity": _GRANULARITY, "buf-size": _BUFFER}
    sync = "top" if work.shallow else "full"
    return "blockdev-mirror", {**common, "device": top, "target": nodes[-1], "sync": sync, **wide}


def _gathered(plan: Plan, work: Work, stop: Callable[[], bool]) -> Iterator[Copied]:
    """Have the temporary image hold what the top reads as and the new base does not. Raises Stopped, ImageToolFailed."""
    assert work.target is not None  # noqa: S101 (it has one)
    base, target = plan.layers[work.base or 0], plan.layers[work.target]
    yield Copied(0, 0)
    words = (
        "rebase",
        "-q",
        "-f",
        "qcow2",
        "-b",
        base.path or base.name,
        "-F",
        str(base.format),
        target.path or target.name,
    )
    run(words, stop=stop)


def _attended(
    daemon: StorageDaemon, command: str, arguments: dict[str, Any], wanted: str, stop: Callable[[], bool]
) -> Iterator[Copied]:
    """Start a job and wait until its status is ``wanted``; then cancel it, which keeps what it copied, and wait for its end."""
    with daemon.events() as next_event:
        daemon.execute(command, arguments)
        cancelled = False
        while True:
            event = next_event(_TICK)
            status = _status(event)
            if status == "concluded":
                break
            if status == wanted:
                cancelled = True
                yield _progress(daemon)
                daemon.execute("job-cancel", {"id": _JOB})
            if stop() and not cancelled:
                raise Stopped
            if event is None and not cancelled:
                yield _progress(daemon)
    (job,) = daemon.execute("query-jobs")
    if not cancelled:
        problem = job.get("error", "the job ended before it was told to")
        raise EngineFailed(f"copying: {problem}", no_room=_NO_ROOM in problem)
    daemon.execute("job-dismiss", {"id": _JOB})


def _status(event: Mapping[str, Any] | None) -> str | None:
    if event is None or event["event"] != "JOB_STATUS_CHANGE" or event["data"]["id"] != _JOB:
        return None
    return str(event["data"]["status"])


def _progress(daemon: StorageDaemon) -> Copied:
    (job,) = daemon.execute("query-jobs")
    return Copied(int(job["current-progress"]), int(job["total-progress"]))
