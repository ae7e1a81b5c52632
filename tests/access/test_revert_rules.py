"""What giving back does to one file, and the changes it undoes: pure values."""

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from diskchain.access.grants.changes import AddEntry, AddMode, Change, FileState, SetOwner, changed, merge
from diskchain.access.grants.file_state import FileIdentity
from diskchain.access.grants.journal_schema import FileRecord, Hold, Job, Phase
from diskchain.access.grants.revert_rules import GENTLE, Decision, Result, Urgency, decide
from diskchain.access.image_locks import Holder, ImageLocks, Right
from diskchain.access.requirements import Access
from diskchain.errors import ParseError
from diskchain.system.posix_acl import encode, mode_of
from tests.access.strategies import IDS, acls

JOB = Job(1, 0, "vm", "commit", 3, 3)
OTHER_JOB = Job(2, 0, "vm2", "commit", 4, 4)
READ_BY_QEMU = ImageLocks(used=frozenset({Right.CONSISTENT_READ}), holders=(Holder(7, "qemu"),))
WRITTEN_BY_QEMU = replace(READ_BY_QEMU, used=frozenset({Right.CONSISTENT_READ, Right.WRITE}))
OVER = Urgency(over=True)


@st.composite
def states(draw: st.DrawFn) -> FileState:
    mode = draw(st.integers(0, 0o777))
    acl = draw(st.none() | acls())
    raw = None
    if acl is not None and any(entry.id is not None for entry in acl):
        raw, mode = encode(acl), mode_of(acl, mode)
    return FileState(draw(IDS), draw(IDS), mode, raw, (("security.selinux", b"x"),), 1, 2)


CHANGES = st.lists(
    st.builds(AddEntry, IDS, st.integers(1, 7))
    | st.builds(AddMode, st.sampled_from((0o200, 0o600)))
    | st.builds(SetOwner, IDS),
    max_size=3,
).map(tuple)


def hold_of(original: FileState, changes: tuple[Change, ...], job: Job = JOB, *, access: Access = Access.WRITE) -> Hold:
    file = FileRecord(1, "/x", FileIdentity(1, 2), "boot", original)
    return Hold(job.id, job.id, file, changes, access, Phase.APPLIED, changed(original, changes))


def possible(state: FileState, *changes: Change) -> bool:
    try:
        changed(state, changes)
    except ParseError:
        return False
    return True


@given(states(), CHANGES)
def test_what_nobody_touched_goes_back_to_the_original(original: FileState, changes: tuple[Change, ...]) -> None:
    assume(possible(original, *changes))
    hold = hold_of(original, changes)
    assert decide(hold, JOB, [], hold.after, None, GENTLE) == Decision(Result.RESTORED, original, "")


@given(states(), CHANGES, CHANGES)
def test_what_another_job_holds_stays(
    original: FileState, mine: tuple[Change, ...], theirs: tuple[Change, ...]
) -> None:
    assume(possible(original, *theirs) and possible(original, *mine, *theirs) and possible(original, *mine))
    hold, other = hold_of(original, mine), hold_of(original, theirs, OTHER_JOB)
    now = changed(original, (*mine, *theirs))
    decision = decide(hold, JOB, [other], now, None, Urgency(force=True))
    assert decision.result is Result.SHARED
    assert decision.target is not None
    assert decision.target == replace(changed(original, theirs), xattrs=now.xattrs, uid=decision.target.uid)


@given(states(), CHANGES, st.permutations(range(3)))
def test_the_order_of_changes_does_not_matter(
    original: FileState, changes: tuple[Change, ...], order: list[int]
) -> None:
    owners = [change for change in changes if isinstance(change, SetOwner)]
    assume(len(owners) < 2 and possible(original, *changes))
    mixed = [changes[position] for position in order if position < len(changes)]
    assert changed(original, mixed) == changed(original, changes)


@given(states(), CHANGES)
def test_merged_changes_do_the_same(original: FileState, changes: tuple[Change, ...]) -> None:
    assume(len([change for change in changes if isinstance(change, SetOwner)]) < 2 and possible(original, *changes))
    assert changed(original, merge(changes)) == changed(original, changes)


@given(states(), CHANGES)
def test_making_the_same_changes_twice_is_making_them_once(original: FileState, changes: tuple[Change, ...]) -> None:
    assume(possible(original, *changes))
    once = changed(original, changes)
    assume(possible(once, *changes))
    assert changed(once, changes) == once


PLAIN = FileState(0, 0, 0o640)
GRANTED = hold_of(PLAIN, (AddEntry(3, 6),))
TAKEN = replace(GRANTED.after, uid=3, gid=3)


def test_a_file_that_is_written_stays_whatever_is_said_of_the_job() -> None:
    for urgency in (GENTLE, OVER):
        decision = decide(GRANTED, JOB, [], GRANTED.after, WRITTEN_BY_QEMU, urgency)
        assert (decision.result, decision.target) == (Result.KEPT, None)
        assert "qemu (process 7)" in decision.reason


def test_a_file_that_is_read_goes_back_once_the_job_is_said_to_be_over() -> None:
    assert decide(GRANTED, JOB, [], GRANTED.after, READ_BY_QEMU, GENTLE).result is Result.KEPT
    assert decide(GRANTED, JOB, [], GRANTED.after, READ_BY_QEMU, OVER).result is Result.RESTORED


def test_a_file_libvirt_took_stays_as_long_as_it_is_open() -> None:
    assert decide(GRANTED, JOB, [], TAKEN, READ_BY_QEMU, OVER).result is Result.KEPT
    assert decide(GRANTED, JOB, [], TAKEN, ImageLocks(), GENTLE).target == PLAIN
    assert decide(GRANTED, JOB, [], replace(TAKEN, uid=0, gid=0), None, GENTLE).target == PLAIN


def test_force_gives_back_whatever_is_in_the_way() -> None:
    assert decide(GRANTED, JOB, [], TAKEN, WRITTEN_BY_QEMU, Urgency(force=True)).target == PLAIN


def test_in_the_middle_of_a_change_nothing_is_held_against_anybody() -> None:
    half = replace(GRANTED, phase=Phase.PLANNED)
    strange = replace(GRANTED.after, uid=4711, mode=0o604, acl=None)
    assert decide(half, JOB, [], strange, None, GENTLE).target == PLAIN
    assert decide(GRANTED, JOB, [], strange, None, GENTLE).result is Result.REFUSED


def test_an_owner_libvirt_set_stays_while_another_job_needs_the_file() -> None:
    other = hold_of(PLAIN, (AddEntry(4, 4),), OTHER_JOB)
    decision = decide(GRANTED, JOB, [other], TAKEN, None, GENTLE)
    assert decision.target is not None
    assert (decision.target.uid, decision.target.gid) == (3, 3)
    assert decision.target.acl == other.after.acl
