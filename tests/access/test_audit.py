"""Findings about rights, from values: who has what in a chain, against what is there."""

from collections.abc import Iterable
from dataclasses import replace

from diskchain.access.actor import Actor, Libvirtd, Origin
from diskchain.access.audit import audit_rights
from diskchain.access.audit_values import DomainUse, HostState, UsedDisk
from diskchain.access.evidence import Present
from diskchain.access.grants.changes import FileState, SetOwner
from diskchain.access.grants.file_state import FileIdentity
from diskchain.access.grants.journal_schema import FileRecord, Grant, Hold, Phase
from diskchain.access.image_locks import ImageLocks, Right
from diskchain.access.kernel.identity import Identity
from diskchain.access.kernel.path_facts import Inode, Kind, PathFacts, Search
from diskchain.access.requirements import Access
from diskchain.access.security.apparmor_profile import Profile
from diskchain.access.security.apparmor_rules import chain_rules, job_rules
from diskchain.access.security.libvirt_labels import DomainLabel
from diskchain.access.security.saved_labels import SavedLabel
from diskchain.findings import Finding, Severity
from diskchain.storage.location import FileLocation
from diskchain.storage.source import TERMINATOR, Source, stack

QEMU = Identity(64055, 64055, frozenset({64055}))
SYSTEM = Actor(QEMU, Origin.CAPABILITIES, libvirtd=Libvirtd())
BOOT = 1_700_000_000
LABEL = "system_u:object_r:svirt_image_t:s0:c1,c2"
CHAIN = stack([Source(FileLocation("/i/top")), Source(FileLocation("/i/base"), readonly=True)], TERMINATOR)
WRITTEN = ImageLocks(used=frozenset({Right.CONSISTENT_READ, Right.WRITE}))


def domain(  # noqa: PLR0913 - each test says what is special
    *,
    running: bool,
    relabel: bool = True,
    selinux: str | None = None,
    profile: Profile | None = None,
    opened_before: Iterable[str] = (),
    actor: Actor = SYSTEM,
    name: str = "web",
    chain: Source = CHAIN,
) -> DomainUse:
    dac = DomainLabel("dac", "+64055:+64055", relabel)
    return DomainUse(name, running, (UsedDisk(chain),), actor, dac, selinux, profile, None, frozenset(opened_before))


def file(path: str, number: int, *, uid: int = 0, mode: int = 0o644, directory_mode: int = 0o755) -> PathFacts:
    directory = Inode("/i", Kind.DIRECTORY, 1, 1, 0, 0, directory_mode)
    return PathFacts(path, (Search(directory),), Inode(path, Kind.FILE, 1, number, uid, 0, mode))


def host(top: Present | None = None, base: Present | None = None, grants: Iterable[Grant] = ()) -> HostState:
    """A host where anybody may write the top, unless told otherwise."""
    present = {"/i/top": top or Present(file("/i/top", 2, mode=0o666)), "/i/base": base or Present(file("/i/base", 3))}
    return HostState(present, frozenset({BOOT}), tuple(grants))


def ids(findings: list[Finding]) -> list[tuple[str, str | None]]:
    return [(finding.id, finding.file) for finding in findings]


LEFT = Present(file("/i/base", 3, uid=64055))


def test_a_host_in_order_has_no_findings() -> None:
    assert audit_rights([domain(running=True), domain(running=False)], host()) == []


def test_an_owner_alone_is_no_evidence_and_one_note_for_all_files() -> None:
    present, chains = {}, []
    for number in range(207):
        path = f"/i/{number}"
        present[path] = Present(file(path, 10 + number, uid=64055))
        chains.append(Source(FileLocation(path), backing=TERMINATOR))
    domains = [domain(running=False, chain=chain, name=f"d{number}") for number, chain in enumerate(chains)]
    (found,) = audit_rights(domains, HostState(present, frozenset({BOOT})))
    assert (found.id, found.severity, found.fix) == ("owned-by-qemu", Severity.INFO, None)
    assert "207 files" in found.message
    assert "/i/0, /i/1, /i/2 and 204 more" in found.message


def test_a_backing_file_that_a_domain_had_open_stays_with_qemu_and_nobody_knows_whose_it_was() -> None:
    (found,) = audit_rights([domain(running=False, opened_before=["/i/top", "/i/base"])], host(base=LEFT))
    assert (found.id, found.severity, found.file, found.fix) == ("label-left-behind", Severity.INFO, "/i/base", None)
    assert "Who owned them before is not known" in found.message


def test_a_top_layer_that_a_domain_had_open_is_no_evidence() -> None:
    top = Present(file("/i/top", 2, uid=64055))
    assert ids(audit_rights([domain(running=False, opened_before=["/i/top"])], host(top=top))) == [
        ("owned-by-qemu", "/i/top")
    ]


def test_a_note_that_libvirt_did_not_use_says_whom_the_file_goes_back_to() -> None:
    for note in (SavedLabel("dac", "+1000:+1000", 1, BOOT), SavedLabel("dac", "+1000:+1000", 0, BOOT - 999)):
        found = list(audit_rights([domain(running=False)], host(base=replace(LEFT, saved_labels=(note,)))))
        (left,) = [each for each in found if each.id == "label-left-behind"]
        assert (left.severity, left.fix) == (Severity.WARNING, "chown 1000:1000 -- /i/base")


def test_a_grant_that_was_not_reverted_is_evidence_and_the_cure() -> None:
    identity = FileIdentity(1, 3, None, None, None, 0)
    record = FileRecord(1, "/i/base", identity, "", FileState(0, 0, 0o644))
    hold = Hold(1, 4, record, (SetOwner(64055),), Access.WRITE, Phase.APPLIED, FileState(64055, 0, 0o644))
    over = Grant(4, 0, "web vda", "commit", 64055, 64055)
    state = replace(host(base=LEFT), grants=(over,), holds=(hold,))
    assert [(each.id, each.fix) for each in audit_rights([domain(running=False)], state)] == [
        ("label-left-behind", "diskchain revert 4"),
        ("grant-open", "diskchain revert 4"),
    ]


def test_what_is_used_locked_kept_by_hand_or_read_only_is_not_left_behind() -> None:
    assert audit_rights([domain(running=True), domain(running=False)], host(base=LEFT)) == []
    assert ids(audit_rights([domain(running=False)], host(base=replace(LEFT, locks=WRITTEN)))) == [
        ("image-locked", "/i/base")
    ]
    assert audit_rights([domain(running=False, relabel=False)], host(base=LEFT)) == []
    assert audit_rights([domain(running=False)], host(base=Present(file("/i/base", 3, uid=64055, mode=0o444)))) == []


def test_where_libvirt_gives_no_file_away_qemu_s_files_are_as_they_must_be() -> None:
    off = replace(SYSTEM, libvirtd=Libvirtd(gives=False, because="dynamic_ownership = 0"))
    assert audit_rights([domain(running=False, actor=off)], host(base=LEFT)) == []
    private = Present(file("/i/top", 2, mode=0o600))
    (found,) = audit_rights([domain(running=False, actor=off)], host(top=private))
    assert found.id == "access-denied"
    assert "libvirt leaves it so: dynamic_ownership = 0" in found.message


def test_what_cannot_be_told_is_no_denial() -> None:
    unsure = replace(SYSTEM, libvirtd=Libvirtd(gives=None, because="qemu.conf cannot be read"))
    private = Present(file("/i/top", 2, mode=0o600))
    assert audit_rights([domain(running=False, actor=unsure)], host(top=private)) == []


def test_what_a_running_domain_has_open_is_not_denied() -> None:
    closed = Present(file("/i/top", 2, mode=0o600, directory_mode=0o700))
    running = domain(running=True)
    assert ids(audit_rights([running], host(top=closed))) == [("access-denied", "/i/top")]
    busy = replace(running, actor=replace(SYSTEM, opened={(1, 2): True, (1, 3): False}))
    assert audit_rights([busy], host(top=closed)) == []
    reading = replace(running, actor=replace(SYSTEM, opened={(1, 2): False, (1, 3): False}))
    assert ids(audit_rights([reading], host(top=closed))) == [("access-denied", "/i/top")]


def test_whether_libvirt_believes_its_count_of_users_is_not_known() -> None:
    counted = Present(file("/i/top", 2, mode=0o666), saved_labels=(SavedLabel("dac", "+5:+5", 1, BOOT),))
    assert ids(audit_rights([domain(running=False)], host(top=counted))) == [("remembered-count", "/i/top")]


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
    assert ("remembered-count", "/i/top") in ids(audit_rights([domain(running=False)], host(top=noted)))


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


def test_a_job_nobody_reverted_is_open() -> None:
    (found,) = audit_rights([], host(grants=[Grant(4, 0, "web vda", "commit", 64055, 64055)]))
    assert (found.id, found.fix) == ("grant-open", "diskchain revert 4")


def test_findings_show_no_control_characters() -> None:
    evil = Grant(4, 0, "web\x1b[2J\nvda", "commit", 64055, 64055)
    assert all(finding.message.isprintable() for finding in audit_rights([], host(grants=[evil])))
