"""The pointers of a job: where each stands, and the one write that moves it. The first cluster it had is in the journal before.

``qemu-img rebase -u -F`` writes the first cluster once and flushes it. A cluster that was torn is put back as it was.
"""

from collections.abc import Sequence

from diskchain.errors import StorageError
from diskchain.jobs import files
from diskchain.jobs.engines.interface import Keys
from diskchain.jobs.evidence import PointerState, backing_of, look, pointer_state
from diskchain.jobs.journal import JobJournal
from diskchain.jobs.journal_schema import JobRecord
from diskchain.jobs.plan import Repoint, source_of
from diskchain.qemu.images import ImageToolFailed, chain_argument, write_pointer


def standing(job: JobRecord, journal: JobJournal, pointer: Repoint) -> PointerState:
    """Where a pointer stands now. Raises StorageError."""
    now = look(pointer.path)
    noted = journal.file(job.id, "pointer", pointer.path)
    if noted is not None:
        return pointer_state(pointer, noted.cluster, now.cluster)
    named = backing_of(now.cluster)
    if named == (pointer.old, pointer.old_format):
        return PointerState.OLD
    return PointerState.FOREIGN


def untouched(states: Sequence[PointerState]) -> bool:
    """Whether no pointer has been moved yet."""
    return all(state is PointerState.OLD for state in states)


def write(job: JobRecord, journal: JobJournal, pointer: Repoint, keys: Keys) -> str | None:
    """Have a pointer be the new one. Returns why that is not decided, None when it is. Raises StorageError, JournalError."""
    state = standing(job, journal, pointer)
    if state is PointerState.TORN:
        mend(job, journal, pointer)
        state = standing(job, journal, pointer)
    if state is PointerState.NEW:
        files.sync(pointer.path)
        return None
    if state is not PointerState.OLD:
        return f"the header of {pointer.path} names neither what it named before the job nor what it shall name"
    journal.note_file(job.id, "pointer", look(pointer.path))
    journal.note(job.id, job.state, "intent", words(pointer))
    try:
        write_pointer(pointer.path, pointer.new, pointer.new_format, _key(job, pointer, keys))
    except ImageToolFailed as error:
        raise StorageError(f"its pointer was not written: {error}", path=pointer.path) from error
    files.sync(pointer.path)
    if standing(job, journal, pointer) is not PointerState.NEW:
        return f"the header of {pointer.path} does not name what was written into it"
    return None


def mend(job: JobRecord, journal: JobJournal, pointer: Repoint) -> None:
    """Put back the first cluster of an image in which a write of it was cut short."""
    noted = journal.file(job.id, "pointer", pointer.path)
    if noted is not None:
        journal.note(job.id, job.state, "intent", f"put back the first cluster of {pointer.path}, which is torn")
        files.put_back(pointer.path, noted.cluster)


def take_back(job: JobRecord, journal: JobJournal, pointer: Repoint, keys: Keys) -> str | None:
    """Have a pointer be the old one again. Returns why that is not decided, None when it is. Raises StorageError, JournalError."""
    state = standing(job, journal, pointer)
    if state is PointerState.TORN:
        mend(job, journal, pointer)
        state = standing(job, journal, pointer)
    if state is PointerState.OLD:
        return None
    if state is not PointerState.NEW:
        return f"the header of {pointer.path} names neither what it named before the job nor what the job wrote"
    journal.note(job.id, job.state, "intent", f"{pointer.path}: name {pointer.old} again")
    try:
        write_pointer(pointer.path, pointer.old, pointer.old_format, _key(job, pointer, keys))
    except ImageToolFailed as error:
        raise StorageError(f"its pointer was not written: {error}", path=pointer.path) from error
    files.sync(pointer.path)
    return None


def _key(job: JobRecord, pointer: Repoint, keys: Keys) -> bytes | None:
    """The key of the image whose pointer it is, which QEMU wants for opening it; None for one in plain."""
    layer = job.plan.layers[pointer.layer]
    if layer.encrypted is None:
        return None
    emission = chain_argument(source_of(job.plan, (pointer.layer,))).emission
    (value,) = keys.of(emission, [layer]).values()
    with value.reveal() as shown:
        return bytes(shown)


def words(pointer: Repoint) -> str:
    """A change of a pointer, for people."""
    old = "nothing" if pointer.old is None else pointer.old
    new = "nothing" if pointer.new is None else pointer.new
    return f"{pointer.path}: {old} → {new}"
