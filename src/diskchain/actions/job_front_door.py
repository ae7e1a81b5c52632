"""Jobs as a program makes them: ``plan = diskchain.plan_commit(…)``; ``with diskchain.run(plan) as job: for event in job``."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from diskchain.actions import job_plans, jobs
from diskchain.actions.examined import DEFAULT
from diskchain.actions.job_plans import JobWishes, PlannedJob
from diskchain.actions.target import TargetName
from diskchain.jobs.events import Event
from diskchain.jobs.planning.relocate import Moves
from diskchain.storage.terms import Format
from diskchain.system.journal_file import state_directory


def plan_commit(  # noqa: PLR0913 - a keyword for each thing that can be chosen
    target: str | os.PathLike[str],
    *,
    top: str | None = None,
    base: str | None = None,
    delete: bool = False,
    disk: str | None = None,
    connect: str | None = None,
    format: Format | None = None,
    verify: bool = True,
    bandwidth: int = 0,
    search: Sequence[str] = (),
) -> PlannedJob:
    """A merge of the layers from ``top`` (default: the active one) down into ``base`` (default: the last one); nothing is changed.

    ``target``: an image, a document, or with ``connect`` a domain, of which ``disk`` is meant. ``delete``: the merged files go at the end.
    ``bandwidth`` in bytes a second, 0: as fast as it goes. Raises UsageError, StorageError, XmlError, PeerError.
    """
    return job_plans.commit(
        TargetName(os.fspath(target), connect, format),
        () if disk is None else (disk,),
        top=top,
        base=base,
        delete=delete,
        wishes=JobWishes(verify, bandwidth, tuple(search)),
        settings=DEFAULT,
    )


def plan_snapshot(
    target: str | os.PathLike[str],
    overlay: str | os.PathLike[str] | None = None,
    *,
    disk: str | None = None,
    connect: str | None = None,
    format: Format | None = None,
) -> PlannedJob:
    """A new overlay over the active layer, in the file ``overlay`` (default: beside it); nothing is changed. As :func:`plan_commit`."""
    name = TargetName(os.fspath(target), connect, format)
    return job_plans.snapshot(
        name, () if disk is None else (disk,), overlay=None if overlay is None else os.fspath(overlay)
    )


def plan_pull(
    target: str | os.PathLike[str],
    *,
    base: str | None = None,
    disk: str | None = None,
    connect: str | None = None,
    format: Format | None = None,
    verify: bool = True,
    bandwidth: int = 0,
) -> PlannedJob:
    """The active layer takes in what is between it and ``base`` (default: all that is below); nothing is changed. As :func:`plan_commit`."""
    name, wishes = TargetName(os.fspath(target), connect, format), JobWishes(verify, bandwidth)
    return job_plans.pull(name, () if disk is None else (disk,), base=base, wishes=wishes)


def plan_copy(  # noqa: PLR0913 - the same
    target: str | os.PathLike[str],
    destination: str | os.PathLike[str],
    *,
    shallow: bool = False,
    pivot: bool = False,
    output_format: Format | None = None,
    disk: str | None = None,
    connect: str | None = None,
    format: Format | None = None,
    verify: bool = True,
    bandwidth: int = 0,
) -> PlannedJob:
    """The disk, or with ``shallow`` its active layer alone, in the new file ``destination``; nothing is changed. As :func:`plan_commit`.

    ``pivot``: the document names the copy then.
    """
    name, wishes = TargetName(os.fspath(target), connect, format), JobWishes(verify, bandwidth)
    disks = () if disk is None else (disk,)
    return job_plans.copy(
        name, os.fspath(destination), disks, shallow=shallow, pivot=pivot, output_format=output_format, wishes=wishes
    )


def plan_rebase(  # noqa: PLR0913 - the same
    target: str | os.PathLike[str],
    onto: str | os.PathLike[str],
    *,
    metadata_only: bool = False,
    disk: str | None = None,
    connect: str | None = None,
    format: Format | None = None,
    verify: bool = True,
    bandwidth: int = 0,
) -> PlannedJob:
    """The active layer over the image ``onto``, reading the same; nothing is changed. As :func:`plan_commit`.

    ``metadata_only``: no data are copied, so both chains have to read the same as they are.
    """
    name, wishes = TargetName(os.fspath(target), connect, format), JobWishes(verify, bandwidth)
    disks = () if disk is None else (disk,)
    return job_plans.rebase(name, os.fspath(onto), disks, metadata_only=metadata_only, wishes=wishes)


def plan_relocate(
    target: str | os.PathLike[str], moves: Mapping[str, str], *, root: str = "", connect: str | None = None
) -> PlannedJob:
    """New names for files that were moved, by old path, in the headers of a chain and in a document; nothing is changed.

    ``root``: names begin at this directory. As :func:`plan_commit`.
    """
    return job_plans.relocate(TargetName(os.fspath(target), connect), Moves(dict(moves), root))


class RunningJob:
    """A job that runs while its events are asked for. A context manager: leaving it early pauses the job in good order.

    ``id``: its number in the journal, None until the first event. Iterating raises JobRefused, JobStopped, JobPaused, StorageError,
    JournalError.
    """

    def __init__(self, planned: PlannedJob, state: Path) -> None:
        self.id: int | None = None
        self._pause = False
        self._events = jobs.run(planned, state, lambda: self._pause)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        close = getattr(self._events, "close", None)
        if close is not None:
            close()

    def __iter__(self) -> Iterator[Event]:
        for event in self._events:
            self.id = event.job
            yield event

    def pause(self) -> None:
        """Have it stop in good order; iterating raises JobPaused then."""
        self._pause = True


def run(plan: PlannedJob, state: str | os.PathLike[str] | None = None) -> RunningJob:
    """Carry out a plan. ``state``: the directory of the journal (default: the user's, ``/var/lib/diskchain`` for root)."""
    return RunningJob(plan, state_directory() if state is None else Path(state))
