"""Granting and giving back on real files, as root: what is written, what is refused, what is left."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from diskchain.access.grants.apply import GrantFailed, apply
from diskchain.access.grants.journal import Journal
from diskchain.access.grants.revert import revert
from diskchain.access.grants.revert_rules import Result, RevertOptions
from diskchain.access.kernel.identity import Identity
from diskchain.access.requirements import Access
from diskchain.storage.operation import Commit
from diskchain.system.process import Holder, boot_id, holder_of
from tests.access import kernel
from tests.access.world import ANOTHER, STRANGER, grant, has_acl, make_chain, plan_for, state_of, states_of
from tests.live.peers import requires

pytestmark = requires("root")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "state") as journal:
        yield journal


def may_open(path: Path, who: Identity = STRANGER, flags: int = os.O_RDWR) -> bool:
    return kernel.opens_as(who, [(str(path), flags)]) == [0]


def test_grant_lets_a_stranger_do_a_commit_and_nobody_else(image_dir: Path, journal: Journal) -> None:
    chain, (top, middle, base) = make_chain(image_dir, "top", "middle", "base")
    granted = grant(chain, journal)
    assert sorted(granted.changed) == sorted(map(str, (top, middle, base)))
    assert may_open(base)
    assert may_open(top)
    assert may_open(middle, flags=os.O_RDONLY)
    assert not may_open(middle)
    assert not may_open(base, ANOTHER, os.O_RDONLY)


def test_revert_puts_owner_mode_acl_attributes_and_times_back(image_dir: Path, journal: Journal) -> None:
    chain, paths = make_chain(image_dir, "top", "middle", "base")
    subprocess.run(["setfacl", "-m", "u:12345:rwx,g:54321:r,m::r", paths[2]], check=True)
    os.chown(paths[0], 4242, 4343)
    paths[0].chmod(0o4751)
    os.setxattr(paths[1], "security.selinux", b"system_u:object_r:virt_image_t:s0\0")
    os.setxattr(paths[1], "trusted.libvirt.security.dac", b"+0:+0")
    os.utime(paths[2], ns=(1_000_000_123, 2_000_000_456))
    before = states_of(paths)
    grant(chain, journal)
    assert states_of(paths) != before
    outcomes = revert(journal)
    assert {outcome.result for outcome in outcomes} == {Result.RESTORED}
    assert states_of(paths) == before
    assert journal.grants() == ()
    assert journal.holds() == ()


def test_revert_undoes_what_libvirt_did_meanwhile(image_dir: Path, journal: Journal) -> None:
    chain, paths = make_chain(image_dir, "top", "base", mode=0o644)
    before = states_of(paths)
    grant(chain, journal)
    for path in paths:
        os.chown(path, STRANGER.uid, STRANGER.gid)
        os.setxattr(path, "trusted.libvirt.security.dac", b"+0:+0")
    revert(journal)
    assert states_of(paths) == before


def test_files_that_need_no_change_are_recorded_too(image_dir: Path, journal: Journal) -> None:
    chain, paths = make_chain(image_dir, "top", "base", mode=0o666)
    granted = grant(chain, journal)
    assert granted.changed == ()
    assert sorted(granted.recorded) == sorted(map(str, paths))
    os.chown(paths[1], STRANGER.uid, 0)
    revert(journal)
    assert paths[1].stat().st_uid == 0


def test_a_closed_parent_directory_is_opened_for_one_user_and_closed_again(image_dir: Path, journal: Journal) -> None:
    closed = image_dir / "closed"
    closed.mkdir(mode=0o700)
    chain, paths = make_chain(closed, "top", "base")
    before = states_of([closed, *paths])
    grant(chain, journal)
    assert may_open(paths[1])
    assert kernel.opens_as(STRANGER, [(str(closed), os.O_RDONLY)]) != [0]  # may pass, may not list
    revert(journal)
    assert states_of([closed, *paths]) == before


def test_granting_twice_is_one_grant_and_reverts_once(image_dir: Path, journal: Journal) -> None:
    chain, paths = make_chain(image_dir, "top", "base")
    before = states_of(paths)
    first = grant(chain, journal)
    once = states_of(paths)
    second = grant(chain, journal)
    assert first.grant.id == second.grant.id
    assert states_of(paths) == once
    revert(journal)
    assert states_of(paths) == before
    assert revert(journal) == ()


def test_two_grants_on_one_base_give_it_back_when_the_last_one_ends(image_dir: Path, journal: Journal) -> None:
    first_chain, (top, base) = make_chain(image_dir, "top", "base")
    second_chain, (other_top, _) = make_chain(image_dir, "other", "base")
    before = states_of([top, other_top, base])
    first = grant(first_chain, journal, target="first")
    second = grant(second_chain, journal, target="second")
    outcomes = {outcome.path: outcome.result for outcome in revert(journal, [first.grant.id])}
    assert outcomes == {str(top): Result.RESTORED, str(base): Result.SHARED}
    assert may_open(base)
    assert not may_open(top)
    revert(journal, [second.grant.id])
    assert states_of([top, other_top, base]) == before


def test_each_of_two_grants_keeps_its_own_user(image_dir: Path, journal: Journal) -> None:
    first_chain, (_, base) = make_chain(image_dir, "top", "base")
    second_chain, _ = make_chain(image_dir, "other", "base")
    before = state_of(base)
    first = grant(first_chain, journal, STRANGER, target="first")
    second = grant(second_chain, journal, ANOTHER, target="second")
    assert may_open(base, STRANGER)
    assert may_open(base, ANOTHER)
    revert(journal, [second.grant.id])
    assert may_open(base, STRANGER)
    assert not may_open(base, ANOTHER, os.O_RDONLY)
    revert(journal, [first.grant.id])
    assert state_of(base) == before


def test_a_replaced_file_is_refused_and_left_alone(image_dir: Path, journal: Journal) -> None:
    chain, (_, base) = make_chain(image_dir, "top", "base")
    made = grant(chain, journal).grant
    moved = image_dir / "moved"
    base.rename(moved)
    base.write_bytes(b"another")
    base.chmod(0o604)
    before = state_of(base)
    (refused,) = [outcome for outcome in revert(journal) if outcome.path == str(base)]
    assert refused.result is Result.REFUSED
    assert str(moved) in refused.reason
    assert state_of(base) == before
    assert has_acl(moved)
    assert [hold.file.path for hold in journal.holds(made.id)] == [str(base)]


def test_a_renamed_file_is_refused_and_restored_once_it_is_back(image_dir: Path, journal: Journal) -> None:
    chain, (_, base) = make_chain(image_dir, "top", "base")
    before = state_of(base)
    grant(chain, journal)
    moved = base.rename(image_dir / "moved")
    (refused,) = [outcome for outcome in revert(journal) if outcome.path == str(base)]
    assert refused.result is Result.REFUSED
    assert f"is now {moved}" in refused.reason
    moved.rename(base)
    assert [outcome.result for outcome in revert(journal)] == [Result.RESTORED]
    assert state_of(base) == before


def test_a_deleted_file_has_nothing_to_give_back(image_dir: Path, journal: Journal) -> None:
    chain, (top, _) = make_chain(image_dir, "top", "base")
    grant(chain, journal)
    top.unlink()
    assert {outcome.path: outcome.result for outcome in revert(journal)}[str(top)] is Result.DELETED
    assert journal.grants() == ()


def test_a_symlink_in_its_place_is_not_followed(image_dir: Path, journal: Journal) -> None:
    chain, (_, base) = make_chain(image_dir, "top", "base")
    grant(chain, journal)
    victim = image_dir / "victim"
    victim.write_bytes(b"v")
    victim.chmod(0o600)
    base.unlink()
    base.symlink_to(victim)
    before = state_of(victim)
    outcomes = {outcome.path: outcome.result for outcome in revert(journal)}
    assert outcomes[str(base)] is Result.REFUSED
    assert state_of(victim) == before


def test_forget_drops_what_cannot_be_given_back(image_dir: Path, journal: Journal) -> None:
    chain, (_, base) = make_chain(image_dir, "top", "base")
    grant(chain, journal)
    base.rename(image_dir / "moved")
    base.write_bytes(b"another")
    outcomes = revert(journal, forget=True)
    assert {outcome.result for outcome in outcomes} == {Result.RESTORED, Result.FORGOTTEN}
    assert journal.grants() == ()


def test_an_owner_that_others_set_is_refused_unless_forced(image_dir: Path, journal: Journal) -> None:
    chain, (_, base) = make_chain(image_dir, "top", "base")
    before = state_of(base)
    grant(chain, journal)
    os.chown(base, 4711, 4711)
    (refused,) = [outcome for outcome in revert(journal) if outcome.path == str(base)]
    assert refused.result is Result.REFUSED
    assert "4711" in refused.reason
    assert base.stat().st_uid == 4711
    revert(journal, options=RevertOptions(force=True))
    assert state_of(base) == before


def test_an_acl_that_others_set_is_refused(image_dir: Path, journal: Journal) -> None:
    chain, (_, base) = make_chain(image_dir, "top", "base")
    grant(chain, journal)
    subprocess.run(["setfacl", "-m", "u:4711:r", base], check=True)
    results = {outcome.path: outcome.result for outcome in revert(journal)}
    assert results[str(base)] is Result.REFUSED


def test_the_sweep_leaves_a_grant_whose_holder_lives(image_dir: Path, journal: Journal) -> None:
    chain, (_, base) = make_chain(image_dir, "top", "base")
    granted = grant(chain, journal, holder=holder_of(os.getpid()))
    assert revert(journal) == ()
    assert may_open(base)
    assert {outcome.result for outcome in revert(journal, [granted.grant.id])} == {Result.RESTORED}


def test_the_sweep_takes_a_grant_whose_holder_is_another_process_by_now(image_dir: Path, journal: Journal) -> None:
    chain, paths = make_chain(image_dir, "top", "base")
    before = states_of(paths)
    grant(chain, journal, holder=Holder(os.getpid(), 1, boot_id()))
    revert(journal)
    assert states_of(paths) == before


def test_content_written_meanwhile_keeps_its_time_unless_asked(image_dir: Path, journal: Journal) -> None:
    chain, (_, base) = make_chain(image_dir, "top", "base")
    os.utime(base, ns=(1_000_000_000, 1_000_000_000))
    grant(chain, journal)
    base.write_bytes(b"committed")
    written = base.stat().st_mtime_ns
    revert(journal)
    assert base.stat().st_mtime_ns == written


def test_times_are_put_back_when_asked(image_dir: Path, journal: Journal) -> None:
    chain, (_, base) = make_chain(image_dir, "top", "base")
    os.utime(base, ns=(1_000_000_123, 2_000_000_456))
    before = state_of(base)
    grant(chain, journal)
    base.write_bytes(b"committed")
    revert(journal, options=RevertOptions(times=True))
    assert state_of(base) == before


def test_a_step_that_fails_gives_the_others_back(image_dir: Path, journal: Journal) -> None:
    chain, (top, base) = make_chain(image_dir, "top", "base")
    before = states_of([top])
    plan = plan_for(chain, journal)
    base.unlink()
    base.write_bytes(b"replaced after the plan was made, perhaps in the same inode")
    kernel.set_flags(base, kernel.FS_IMMUTABLE)
    try:
        with pytest.raises(GrantFailed) as caught:
            apply(plan, journal, target="vm", operation="commit")
    finally:
        kernel.set_flags(base, 0)
    assert caught.value.path == str(base)
    assert states_of([top]) == before
    assert not has_acl(base)
    assert journal.grants() == ()


def test_owner_bits_are_changed_only_when_asked(image_dir: Path, journal: Journal) -> None:
    chain, (_, base) = make_chain(image_dir, "top", "base", mode=0o444)
    os.chown(base, STRANGER.uid, STRANGER.gid)
    assert not plan_for(chain, journal).complete
    before = state_of(base)
    grant(chain, journal, kinds=("acl", "mode"))
    assert base.stat().st_mode & 0o777 == 0o644
    assert may_open(base)
    revert(journal)
    assert state_of(base) == before


def test_a_step_records_the_access_it_is_for(image_dir: Path, journal: Journal) -> None:
    chain, _ = make_chain(image_dir, "top", "middle", "base")
    grant(chain, journal)
    accesses = {Path(hold.file.path).name: hold.access for hold in journal.holds()}
    assert accesses == {"top": Access.WRITE, "middle": Access.READ, "base": Access.WRITE}


def test_a_file_system_without_acls_needs_another_owner(image_dir: Path, tmp_path: Path) -> None:
    def work() -> object:
        kernel.own_mounts()
        kernel.mount("ramfs", image_dir, "ramfs", 0)
        image_dir.chmod(0o755)
        chain, (_, base) = make_chain(image_dir, "top", "base")
        before = state_of(base)
        with Journal(tmp_path / "state") as journal:
            refused = plan_for(chain, journal).complete
            grant(chain, journal, kinds=("acl", "mode", "owner"))
            opened = may_open(base)
            revert(journal)
        return refused, opened, state_of(base) == before

    assert kernel.in_a_child(work) == "(False, True, True)"


def test_commit_with_a_named_base_leaves_lower_layers_alone(image_dir: Path, journal: Journal) -> None:
    chain, _ = make_chain(image_dir, "top", "middle", "base")
    plan = plan_for(chain, journal, STRANGER, Commit(base=1))
    changes = {Path(step.path).name: step.access for step in plan.steps}
    assert changes == {"top": Access.WRITE, "middle": Access.WRITE, "base": Access.READ}


def test_two_grants_cannot_both_make_their_user_the_owner(image_dir: Path, tmp_path: Path) -> None:
    def work() -> object:
        kernel.own_mounts()
        kernel.mount("ramfs", image_dir, "ramfs", 0)
        image_dir.chmod(0o755)
        chain, (_, base) = make_chain(image_dir, "top", "base")
        with Journal(tmp_path / "state") as journal:
            grant(chain, journal, STRANGER, target="first", kinds=("acl", "mode", "owner"))
            try:
                grant(chain, journal, ANOTHER, target="second", kinds=("acl", "mode", "owner"))
            except GrantFailed as error:
                return error.problem, base.stat().st_uid == STRANGER.uid, len(journal.grants())
        return None

    assert kernel.in_a_child(work) == repr(("grant 1 made another user its owner", True, 1))
