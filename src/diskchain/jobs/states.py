"""The states of a job, ours and QEMU's, as tables. Tests and the page in ``docs/`` read them; ``run`` goes by them. Pure.

Ours say what is on the disk and known to be: a state is written into the journal after what it says is so. QEMU's are those of
``qapi/job.json`` ``JobStatus`` and of the table ``JobSTT`` in ``job.c`` (7.2 to 10.0), verbatim.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """How far a job has come."""

    PLANNED = "planned"
    COPYING = "copying"
    DATA_DURABLE = "data-durable"
    PROVEN = "proven"
    RE_POINTED = "re-pointed"
    DOCUMENT_UPDATED = "document-updated"
    RIGHTS_RETURNED = "rights-returned"
    CLEANED = "cleaned"
    ROLLED_BACK = "rolled-back"
    UNDECIDABLE = "undecidable"


@dataclass(frozen=True, slots=True)
class Row:
    """A state. ``means``: what is so in it; ``next``: what is done to leave it; ``killed``: what ``resume`` does with a job found in it."""

    state: State
    means: str
    next: str
    killed: str


#: In the order in which a job goes through them, then those that end it otherwise.
TABLE: Final = (
    Row(State.PLANNED, "the plan is in the journal, nothing else has changed", "make new files", "begins"),
    Row(State.COPYING, "an engine may be moving data", "let the engine copy, flush and end", "copies again"),
    Row(State.DATA_DURABLE, "all data are on the disk, the engine has ended", "compare", "compares again"),
    Row(
        State.PROVEN, "old and new chain read the same", "write the pointer", "writes the pointer, if it is the old one"
    ),
    Row(State.RE_POINTED, "the pointer names the new chain", "update the document", "updates the document"),
    Row(State.DOCUMENT_UPDATED, "the document names the new chain", "give rights back", "gives rights back"),
    Row(State.RIGHTS_RETURNED, "rights are as they were", "delete what is to go", "deletes what is to go"),
    Row(State.CLEANED, "the job is done", "", "does nothing"),
    Row(State.ROLLED_BACK, "the old chain is in force, what the job made is gone", "", "does nothing"),
    Row(State.UNDECIDABLE, "files are not as the job left them; nothing was changed", "", "looks again"),
)

#: The way of a job that is never stopped.
WAY: Final = tuple(row.state for row in TABLE[:8])
#: States in which there is nothing left to do.
FINAL: Final = frozenset({State.CLEANED, State.ROLLED_BACK})

#: Which state may follow which.
NEXT: Final[dict[State, frozenset[State]]] = {
    State.PLANNED: frozenset({State.COPYING, State.ROLLED_BACK, State.UNDECIDABLE}),
    State.COPYING: frozenset({State.DATA_DURABLE, State.ROLLED_BACK, State.UNDECIDABLE}),
    # Where a comparison finds a difference, or files changed after it, data are copied again.
    State.DATA_DURABLE: frozenset({State.PROVEN, State.COPYING, State.ROLLED_BACK, State.UNDECIDABLE}),
    State.PROVEN: frozenset({State.RE_POINTED, State.COPYING, State.ROLLED_BACK, State.UNDECIDABLE}),
    State.RE_POINTED: frozenset({State.DOCUMENT_UPDATED, State.ROLLED_BACK, State.UNDECIDABLE}),
    State.DOCUMENT_UPDATED: frozenset({State.RIGHTS_RETURNED, State.ROLLED_BACK, State.UNDECIDABLE}),
    State.RIGHTS_RETURNED: frozenset({State.CLEANED, State.ROLLED_BACK, State.UNDECIDABLE}),
    State.CLEANED: frozenset({State.ROLLED_BACK}),  # as long as the old layers are there
    State.ROLLED_BACK: frozenset(),
    State.UNDECIDABLE: frozenset({*WAY[:7], State.ROLLED_BACK}),  # where it was before, once the evidence says so
}


def following(state: State) -> State:
    """The next state of a job that nothing stops. Raises IndexError for one that is done."""
    return WAY[WAY.index(state) + 1]


def reached(state: State, wanted: State) -> bool:
    """Whether a job in ``state``, which is on its way, has come as far as ``wanted``."""
    return state in WAY and WAY.index(state) >= WAY.index(wanted)


#: QEMU's own, and which may follow which.
JOB_STATUS: Final[dict[str, frozenset[str]]] = {
    "undefined": frozenset({"created"}),
    "created": frozenset({"running", "aborting", "null"}),
    "running": frozenset({"paused", "ready", "waiting", "aborting"}),
    "paused": frozenset({"running"}),
    "ready": frozenset({"standby", "waiting", "aborting"}),
    "standby": frozenset({"ready"}),
    "waiting": frozenset({"pending", "aborting"}),
    "pending": frozenset({"aborting", "concluded"}),
    "aborting": frozenset({"aborting", "concluded"}),
    "concluded": frozenset({"null"}),
    "null": frozenset(),
}
