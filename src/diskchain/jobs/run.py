"""Carries a job on, from whatever state it is in, to its end: the same way for one that begins and for one that is resumed.

Each step looks at what is there, writes into the journal what it is about to do, does it, has it on the disk, and writes that it is so. So
it can be done again after any instant. Knows the order of events; what is done is in ``files``, ``proof``, ``pointers`` and the engines.
"""

from collections.abc import Callable, Iterator

from diskchain.errors import StorageError
from diskchain.findings import Finding, finding
from diskchain.jobs import document, files, pointers
from diskchain.jobs.engines.interface import Engine, EngineFailed
from diskchain.jobs.events import Event, JobPaused, JobStopped
from diskchain.jobs.evidence import Head, look, same_file, unchanged
from diskchain.jobs.journal import JobJournal
from diskchain.jobs.journal_schema import JobRecord
from diskchain.jobs.lock import ChainLock
from diskchain.jobs.plan import NewFile, SeenFile
from diskchain.jobs.proof import difference
from diskchain.jobs.states import FINAL, State
from diskchain.qemu.images import ImageToolFailed, Stopped

#: Times that data are copied again in one run because files changed meanwhile.
_ATTEMPTS = 2


class Runner:
    """One process's work on a job. ``lock`` holds the files of the job; ``stop`` says when to pause.

    ``events`` raises JobStopped with findings, JobPaused, StorageError, JournalError; the job stays as the journal has it then.
    """

    def __init__(
        self, job: JobRecord, journal: JobJournal, engine: Engine, lock: ChainLock, stop: Callable[[], bool]
    ) -> None:
        self.job = job
        self.journal = journal
        self.engine = engine
        self.lock = lock
        self.stop = stop
        self.attempts = 0

    def events(self) -> Iterator[Event]:
        """Carry the job on, one step at a time."""
        steps = {
            State.PLANNED: self._make_files,
            State.COPYING: self._copy,
            State.DATA_DURABLE: self._prove,
            State.PROVEN: self._point,
            State.RE_POINTED: self._document,
            State.DOCUMENT_UPDATED: self._rights,
            State.RIGHTS_RETURNED: self._delete,
        }
        while self.job.state not in FINAL:
            if self.stop() and self.job.state not in {State.RE_POINTED, State.DOCUMENT_UPDATED, State.RIGHTS_RETURNED}:
                raise JobPaused(self.job.id, self.job.state)
            try:
                yield from steps[self.job.state]()
            except Stopped:
                raise JobPaused(self.job.id, self.job.state) from None

    def _reached(self, state: State, detail: str = "") -> Event:
        self.job = self.journal.advance(self.job, state, detail)
        return Event("state", self.job.id, state, detail)

    def _stopped(self, *found: Finding) -> JobStopped:
        self.journal.stopped(self.job.id, found[0].message)
        return JobStopped(self.job.id, self.job.state, found)

    def _undecidable(self, problem: str, path: str) -> JobStopped:
        self.job = self.journal.advance(self.job, State.UNDECIDABLE, problem)
        return JobStopped(self.job.id, self.job.progress, (finding("job-undecidable", problem, file=path),))

    def _make_files(self) -> Iterator[Event]:
        new = self.job.plan.creates
        detail = ""
        if new is not None:
            self._claim(new)
            files.fill(new)
            detail = f"made {new.path}"
        yield self._reached(State.COPYING, detail)

    def _claim(self, new: NewFile) -> None:
        made = self.journal.file(self.job.id, "made", new.path)
        if made is not None:
            if not same_file(look(new.path).seen, made.seen):
                raise self._undecidable(f"{new.path} is not the file that the job made", new.path)
        elif any(step.phase == "intent" for step in self.journal.history(self.job.id)) and files.is_empty_file(
            new.path
        ):
            made = look(new.path)  # claimed, and nothing more
            self.journal.note_file(self.job.id, "made", made)
        else:
            self.journal.note(self.job.id, State.PLANNED, "intent", f"make {new.path}")
            self.journal.note_file(self.job.id, "made", files.claim(new.path, new.like))
        self.lock.add(new.path, exclusive=True)

    def _copy(self) -> Iterator[Event]:
        plan = self.job.plan
        detail = ""
        if plan.work is not None:
            self.journal.note(self.job.id, State.COPYING, "intent", f"{plan.work.kind} by a storage daemon")
            if plan.creates is not None and plan.creates.temporary:
                files.fill(plan.creates)
            numbers: list[int] = []
            try:
                copying = self.engine.copy(
                    plan,
                    began=lambda pid: numbers.append(self.journal.engine_began(self.job.id, pid)),
                    ended=lambda code: self.journal.engine_ended(numbers[-1], code),
                    stop=self.stop,
                )
                for copied in copying:
                    detail = f"{copied.done} bytes"
                    yield Event("progress", self.job.id, State.COPYING, "", copied.done, copied.total)
            except EngineFailed as error:
                raise self._stopped(finding("job-engine-failed", str(error), file=self._changed_file())) from error
            made = () if plan.creates is None else (plan.creates.path,)
            for path in (*plan.written, *made):
                files.sync(path)
        yield self._reached(State.DATA_DURABLE, detail)

    def _changed_file(self) -> str | None:
        written = self.job.plan.written
        return written[0] if written else None

    def _prove(self) -> Iterator[Event]:
        plan = self.job.plan
        before = self._note_durable()
        if plan.proof is None or not (plan.verify or plan.proof.empty):
            yield self._reached(State.PROVEN, "not compared" if plan.proof is not None else "nothing to compare")
            return
        told: list[float] = []
        self.journal.note(self.job.id, State.DATA_DURABLE, "intent", "compare the old chain with the new one")
        try:
            problem = difference(plan, plan.proof, self.engine.keys, stop=self.stop, progress=told.append)
        except ImageToolFailed as error:
            raise self._stopped(finding("job-engine-failed", f"comparing: {error}")) from error
        if self._changed_since(before):
            yield self._again("a file changed while it was compared")
        elif problem is None:
            yield self._reached(State.PROVEN, "compared: equal")
        else:
            message = (
                f"the old and the new chain of {plan.target} do not read the same ({problem}); the old one is in force"
            )
            raise self._stopped(finding("job-unequal", message, file=self._changed_file()))

    def _note_durable(self) -> list[Head]:
        noted = []
        for path in self._compared():
            head = look(path)
            self.journal.note_file(self.job.id, "durable", head)
            noted.append(head)
        return noted

    def _compared(self) -> list[str]:
        """The files that the proof rests on."""
        plan = self.job.plan
        made = () if plan.creates is None else (plan.creates.path,)
        return [*(seen.path for seen in plan.files), *made]

    def _changed_since(self, before: list[Head]) -> str | None:
        return next((head.seen.path for head in before if not unchanged(look(head.seen.path).seen, head.seen)), None)

    def _again(self, why: str) -> Event:
        self.attempts += 1
        if self.attempts > _ATTEMPTS:
            raise self._stopped(
                finding("job-file-changed", f"{why}, again and again: another program writes to the chain")
            )
        return self._reached(State.COPYING, f"again: {why}")

    def _point(self) -> Iterator[Event]:
        plan = self.job.plan
        standing = [pointers.standing(self.job, self.journal, pointer) for pointer in plan.repoints]
        before = [self.journal.file(self.job.id, "durable", path) for path in self._compared()]
        if pointers.untouched(standing):
            changed = self._changed_since([head for head in before if head is not None])
            if changed is not None:
                yield self._again(f"{changed} changed after it was compared")
                return
        for pointer in plan.repoints:
            problem = pointers.write(self.job, self.journal, pointer, self.engine.keys)
            if problem is not None:
                raise self._undecidable(problem, pointer.path)
        yield self._reached(State.RE_POINTED, "; ".join(map(pointers.words, plan.repoints)))

    def _document(self) -> Iterator[Event]:
        change = self.job.plan.document
        detail = ""
        if change is not None:
            self.journal.note(self.job.id, State.RE_POINTED, "intent", f"write {change.origin}")
            problem = document.write(change)
            if problem is not None:
                raise self._undecidable(problem, change.origin)
            detail = f"wrote {change.origin}"
        yield self._reached(State.DOCUMENT_UPDATED, detail)

    def _rights(self) -> Iterator[Event]:
        yield self._reached(State.RIGHTS_RETURNED)

    def _delete(self) -> Iterator[Event]:
        plan = self.job.plan
        planned = {seen.path: seen for seen in plan.files}
        gone = [path for path in plan.delete if self._delete_one(path, planned[path])]
        new = plan.creates
        made = None if new is None or not new.temporary else self.journal.file(self.job.id, "made", new.path)
        if made is not None:
            self._delete_one(made.seen.path, made.seen)
        yield self._reached(State.CLEANED, f"deleted {', '.join(gone)}" if gone else "")

    def _delete_one(self, path: str, expected: SeenFile) -> bool:
        self.journal.note(self.job.id, State.RIGHTS_RETURNED, "intent", f"delete {path}")
        try:
            return files.delete(path, expected)
        except StorageError as error:
            raise self._stopped(
                finding("job-engine-failed", f"{path} cannot be deleted: {error.problem}", file=path)
            ) from error
