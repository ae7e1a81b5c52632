"""Findings about rights, from values: who has what in a chain, against what is there."""

from collections.abc import Iterable
from dataclasses import replace

from diskchain.access.audit import DomainUse, HostState, audit_rights
from diskchain.access.evidence import Present
from diskchain.access.grants.journal_schema import Grant
from diskchain.access.image_locks import ImageLocks, Right
from diskchain.access.kernel.identity import Identity
from diskchain.access.kernel.path_facts import Inode, Kind, PathFacts, Search
from diskchain.access.security.apparmor_profile import Profile
from diskchain.access.security.apparmor_rules import chain_rules, job_rules
from diskchain.access.security.libvirt_labels import DomainLabel
from diskchain.access.security.saved_labels import SavedLabel
from diskchain.findings import KINDS, Finding
from diskchain.storage.location import FileLocation
from diskchain.storage.source import TERMINATOR, Source, stack

QEMU = Identity(64055, 64055, frozenset({64055}))
BOOT = 1_700_000_000
LABEL = "system_u:object_r:svirt_image_t:s0:c1,c2"
CHAIN = stack([Source(FileLocation("/i/top")), Source(FileLocation("/i/base"), readonly=True)], TERMINATOR)
WRITTEN = ImageLocks(used=frozenset({Right.CONSISTENT_READ, Right.WRITE}))


def domain(
    *, running: bool, relabel: bool = True, selinux: str | None = None, profile: Profile | None = None
) -> DomainUse:
    return DomainUse("web", running, (CHAIN,), QEMU, DomainLabel("dac", "+64055:+64055", relabel), selinux, profile)


def file(path: str, number: int, *, uid: int = 0, mode: int = 0o644, directory_mode: int = 0o755) -> PathFacts:
    directory = Inode("/i", Kind.DIRECTORY, 1, 1, 0, 0, directory_mode)
    return PathFacts(path, (Search(directory),), Inode(path, Kind.FILE, 1, number, uid, 0, mode))


def host(top: Present | None = None, base: Present | None = None, grants: Iterable[Grant] = ()) -> HostState:
    """A host where anybody may write the top, unless told otherwise."""
    present = {"/i/top": top or Present(file("/i/top", 2, mode=0o666)), "/i/base": base or Present(file("/i/base", 3))}
    return HostState(present, frozenset({BOOT}), tuple(grants))


def ids(findings: list[Finding]) -> list[tuple[str, str | None]]:
    assert all(finding.severity is KINDS[finding.id].severity for finding in findings)
    return [(finding.id, finding.file) for finding in findings]


LEFT = Present(file("/i/base", 3, uid=64055))


def test_a_host_in_order_has_no_findings() -> None:
    assert audit_rights([domain(running=True), domain(running=False)], host()) == []


def test_a_base_with_qemu_s_owner_and_no_running_domain_is_left_behind() -> None:
    (found,) = audit_rights([domain(running=False)], host(base=LEFT))
    assert (found.id, found.file) == ("label-left-behind", "/i/base")
    assert found.fix == "chown root:root -- /i/base"


def test_libvirt_s_note_says_whom_the_file_goes_back_to() -> None:
    noted = replace(LEFT, saved_labels=(SavedLabel("dac", "+1000:+1000", 0, BOOT),))
    assert audit_rights([domain(running=False)], host(base=noted))[0].fix == "chown 1000:1000 -- /i/base"


def test_what_is_used_locked_kept_by_hand_or_read_only_is_not_left_behind() -> None:
    assert audit_rights([domain(running=True), domain(running=False)], host(base=LEFT)) == []
    assert audit_rights([domain(running=False)], host(base=replace(LEFT, locks=WRITTEN))) == []
    assert audit_rights([domain(running=False, relabel=False)], host(base=LEFT)) == []
    assert audit_rights([domain(running=False)], host(base=Present(file("/i/base", 3, uid=64055, mode=0o444)))) == []


def test_a_base_with_the_domain_s_own_selinux_label_is_writable() -> None:
    labelled = Present(file("/i/base", 3), selinux=LABEL)
    assert ids(audit_rights([domain(running=True, selinux=LABEL)], host(base=labelled))) == [
        ("label-writable", "/i/base")
    ]
    assert audit_rights([domain(running=True, selinux=LABEL)], host(base=replace(labelled, locks=WRITTEN))) == []
    content = replace(labelled, selinux="system_u:object_r:virt_content_t:s0")
    assert audit_rights([domain(running=True, selinux=LABEL)], host(base=content)) == []


def test_a_base_the_apparmor_profile_lets_be_written_is_writable() -> None:
    at_start = Profile(chain_rules(CHAIN))
    assert audit_rights([domain(running=True, profile=at_start)], host()) == []
    without_deny = Profile((*[rule for rule in at_start.rules if not rule.deny], *job_rules("/i/base")))
    assert ids(audit_rights([domain(running=True, profile=without_deny)], host())) == [("label-writable", "/i/base")]


def test_a_note_from_another_boot_is_stale() -> None:
    noted = Present(file("/i/top", 2, mode=0o666), saved_labels=(SavedLabel("dac", "+5:+5", 1, BOOT - 999),))
    (found,) = audit_rights([domain(running=True)], host(top=noted))
    assert found.id == "remembered-stale"
    assert "+5:+5" in found.message


def test_a_note_with_more_users_than_running_domains_will_never_be_used() -> None:
    noted = Present(file("/i/top", 2, mode=0o666), saved_labels=(SavedLabel("dac", "+5:+5", 1, BOOT),))
    assert audit_rights([domain(running=True)], host(top=noted)) == []
    assert ids(audit_rights([domain(running=False)], host(top=noted))) == [("remembered-count", "/i/top")]


def test_a_closed_directory_keeps_a_domain_from_starting() -> None:
    closed = Present(file("/i/top", 2, directory_mode=0o700))
    (found,) = audit_rights([domain(running=False)], host(top=closed))
    assert (found.id, found.file, found.referrer) == ("access-denied", "/i/top", "web")
    assert found.fix is not None
    assert "u:64055:--x" in found.fix
    assert "-- /i" in found.fix


def test_owners_that_libvirt_sets_at_start_are_not_missed() -> None:
    private = Present(file("/i/top", 2, mode=0o600))
    assert audit_rights([domain(running=False)], host(top=private)) == []
    assert ids(audit_rights([domain(running=False, relabel=False)], host(top=private))) == [("access-denied", "/i/top")]


def test_a_grant_nobody_reverted_is_open() -> None:
    (found,) = audit_rights([], host(grants=[Grant(4, 0, "web vda", "commit", 64055, 64055)]))
    assert (found.id, found.fix) == ("grant-open", "diskchain revert 4")


def test_findings_show_no_control_characters() -> None:
    evil = Grant(4, 0, "web\x1b[2J\nvda", "commit", 64055, 64055)
    assert all(finding.message.isprintable() for finding in audit_rights([], host(grants=[evil])))
