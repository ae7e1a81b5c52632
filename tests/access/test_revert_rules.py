"""What giving back does to one file, and the changes it undoes: pure values."""

from dataclasses import replace

from hypothesis import assume, given
from hypothesis import strategies as st

from diskchain.access.grants.changes import AddEntry, AddMode, Change, FileState, SetOwner, changed, merge
from diskchain.access.grants.file_state import FileIdentity
from diskchain.access.grants.journal_schema import FileRecord, Grant, Hold, Phase
from diskchain.access.grants.revert_rules import Decision, FileNow, Result, RevertOptions, plan_revert
from diskchain.access.image_locks import Holder, ImageLocks, Right
from diskchain.access.requirements import Access
from diskchain.errors import ParseError
from diskchain.system.posix_acl import encode, mode_of
from tests.access.strategies import IDS, acls

GRANT = Grant(1, 0, "vm", "commit", 3, 3)
OTHER_GRANT = Grant(2, 0, "vm2", "commit", 4, 4)
READ_BY_QEMU = ImageLocks(used=frozenset({Right.CONSISTENT_READ}), holders=(Holder(7, "qemu"),))
WRITTEN_BY_QEMU = replace(READ_BY_QEMU, used=frozenset({Right.CONSISTENT_READ, Right.WRITE}))
OVER = RevertOptions(over=True)


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


def hold_of(
    original: FileState, changes: tuple[Change, ...], grant: Grant = GRANT, *, access: Access = Access.WRITE
) -> Hold:
    file = FileRecord(1, "/x", FileIdentity(1, 2), "boot", original)
    return Hold(grant.id, grant.id, file, changes, access, Phase.APPLIED, changed(original, changes))


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
    assert plan_revert(hold, GRANT, [], FileNow(hold.after)) == Decision(Result.RESTORED, original)


@given(states(), CHANGES, CHANGES)
def test_what_another_grant_holds_stays(
    original: FileState, mine: tuple[Change, ...], theirs: tuple[Change, ...]
) -> None:
    assume(possible(original, *theirs) and possible(original, *mine, *theirs) and possible(original, *mine))
    hold, other = hold_of(original, mine), hold_of(original, theirs, OTHER_GRANT)
    now = changed(original, (*mine, *theirs))
    decision = plan_revert(hold, GRANT, [other], FileNow(now), RevertOptions(force=True))
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
    for options in (RevertOptions(), OVER):
        decision = plan_revert(GRANTED, GRANT, [], FileNow(GRANTED.after, WRITTEN_BY_QEMU), options)
        assert (decision.result, decision.target) == (Result.KEPT, None)
        assert "qemu (process 7)" in decision.reason


def test_a_file_that_is_read_goes_back_once_the_grant_is_said_to_be_over() -> None:
    assert plan_revert(GRANTED, GRANT, [], FileNow(GRANTED.after, READ_BY_QEMU)).result is Result.KEPT
    assert plan_revert(GRANTED, GRANT, [], FileNow(GRANTED.after, READ_BY_QEMU), OVER).result is Result.RESTORED


def test_a_file_libvirt_took_stays_as_long_as_it_is_open() -> None:
    assert plan_revert(GRANTED, GRANT, [], FileNow(TAKEN, READ_BY_QEMU), OVER).result is Result.KEPT
    assert plan_revert(GRANTED, GRANT, [], FileNow(TAKEN)).target == PLAIN
    assert plan_revert(GRANTED, GRANT, [], FileNow(replace(TAKEN, uid=0, gid=0))).target == PLAIN


def test_force_gives_back_whatever_is_in_the_way() -> None:
    assert plan_revert(GRANTED, GRANT, [], FileNow(TAKEN, WRITTEN_BY_QEMU), RevertOptions(force=True)).target == PLAIN


def test_in_the_middle_of_a_change_every_state_counts_as_ours() -> None:
    half = replace(GRANTED, phase=Phase.PLANNED)
    strange = replace(GRANTED.after, uid=4711, mode=0o604, acl=None)
    assert plan_revert(half, GRANT, [], FileNow(strange)).target == PLAIN
    assert plan_revert(GRANTED, GRANT, [], FileNow(strange)).result is Result.REFUSED


def test_an_owner_libvirt_set_stays_while_another_grant_needs_the_file() -> None:
    other = hold_of(PLAIN, (AddEntry(4, 4),), OTHER_GRANT)
    decision = plan_revert(GRANTED, GRANT, [other], FileNow(TAKEN))
    assert decision.target is not None
    assert (decision.target.uid, decision.target.gid) == (3, 3)
    assert decision.target.acl == other.after.acl
