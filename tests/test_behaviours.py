"""The table of behaviours by version: what is said where a version is known, between two that were tried, and where none is."""

import re
from pathlib import Path

import pytest

from diskchain.behaviours import (
    BEHAVIOURS,
    UNKNOWN,
    Behaviour,
    behaviours,
    for_versions,
    from_number,
    nodes_profile,
    statement,
    versions_named,
)
from diskchain.checks.messages import backing_on_raw, dirty
from diskchain.discover.messages import terminated_early
from diskchain.errors import UsageError
from diskchain.findings import KINDS, Severity, Stops, finding
from diskchain.qemu.policy import PROFILES, profile_named
from diskchain.storage.terms import Format
from diskchain.versions import Versions

BOOKWORM, TRIXIE = Versions((9, 0), (7, 2)), Versions((11, 3), (10, 0))
SOURCE = Path(__file__).parents[1] / "src" / "diskchain"


@pytest.mark.parametrize("subject", BEHAVIOURS)
def test_every_subject_is_a_kind_of_finding_and_tells_both_peers_tried_apart(subject: str) -> None:
    assert subject.partition("/")[0] in KINDS
    for versions in (BOOKWORM, TRIXIE):
        assert len(behaviours(subject, versions)) == 1
    if len(BEHAVIOURS[subject]) > 1:
        assert behaviours(subject, BOOKWORM) != behaviours(subject, TRIXIE)
    assert behaviours(subject) == BEHAVIOURS[subject]


def test_a_statement_says_since_and_until_which_version() -> None:
    assert (
        statement("format-unknown/none")
        == "libvirt up to 9.0 refuses to start the domain, since 11.3 it reads it as raw"
    )
    assert statement("format-unknown/none", BOOKWORM) == "libvirt 9.0 refuses to start the domain"
    assert statement("format-unknown/none", TRIXIE) == "libvirt 11.3 reads it as raw"
    assert statement("format-unknown/none", Versions((12, 1))) == "libvirt 12.1 reads it as raw"


def test_what_is_so_since_a_version_is_not_said_of_an_older_one() -> None:
    found = terminated_early("/top", "/base")
    told = [for_versions(found, each).message for each in (UNKNOWN, Versions((5, 0)), BOOKWORM)]
    since, now = "libvirt since 5.10 (with QEMU since 4.2) opens", "libvirt 9.0 (with QEMU since 4.2) opens"
    assert [(since in each, now in each) for each in told] == [(True, False), (True, False), (False, True)]
    assert for_versions(found, BOOKWORM).severity is found.severity


@pytest.mark.parametrize("between", [(9, 1), (10, 5), (11, 2)])
def test_between_two_versions_that_were_tried_both_may_be_so(between: tuple[int, int]) -> None:
    assert statement("format-unknown/none", Versions(between)) == statement("format-unknown/none")


def test_the_version_of_the_other_peer_says_nothing() -> None:
    assert behaviours("dirty/parallels", Versions(libvirt=(11, 3))) == BEHAVIOURS["dirty/parallels"]


def test_a_finding_says_what_holds_for_the_version_at_hand() -> None:
    general = backing_on_raw("/top", Format.RAW, "/base")
    assert "up to 9.0" in general.message
    old, new = (for_versions(general, versions) for versions in (BOOKWORM, TRIXIE))
    assert old.message.endswith("libvirt 9.0 refuses to start the domain")
    assert (old.severity, old.stops) == (Severity.ERROR, Stops.START)
    assert new.message.endswith("libvirt 11.3 starts it with QEMU 9 or newer, and the guest sees that layer alone")
    assert (new.severity, new.stops) == (Severity.ERROR, None)


def test_a_behaviour_may_have_a_severity_of_its_own() -> None:
    general = dirty("/disk", Format.PARALLELS, base=False, read_only=False)
    assert [for_versions(general, each).severity for each in (UNKNOWN, BOOKWORM, TRIXIE)] == [
        Severity.WARNING,
        Severity.WARNING,
        Severity.INFO,
    ]


def test_what_libvirt_refuses_depends_on_its_version() -> None:
    general = finding("usb-empty", "disk sda: a drive on usb is empty")
    assert [for_versions(general, each).stops for each in (UNKNOWN, BOOKWORM, TRIXIE)] == [
        Stops.DEFINE,
        Stops.START,
        Stops.DEFINE,
    ]


def test_other_findings_stay_as_they_are() -> None:
    for found in (finding("missing", "no such file: /a"), backing_on_raw("/top", Format.VPC, "/base")):
        assert for_versions(found, TRIXIE) is found


def test_versions_have_names() -> None:
    assert versions_named("libvirt-11-qemu-10") == TRIXIE
    assert versions_named("libvirt-9.0") == Versions((9, 0))
    assert versions_named("libvirt-12-qemu-11.2") == Versions((12, 0), (11, 2))
    for name in ("libvirt", "libvirt-", "qemu-10", "libvirt-11-qemu", "libvirt-1.2.3", "libvirt-9999", "libvirt-11\n"):
        with pytest.raises(UsageError):
            versions_named(name)


def test_numbers_of_libvirt_are_read() -> None:
    assert (from_number(11_003_000), from_number(7_002_022)) == ((11, 3), (7, 2))


def test_block_nodes_follow_the_versions() -> None:
    assert [nodes_profile(each) for each in (UNKNOWN, BOOKWORM, TRIXIE, Versions((11, 3), (8, 2)))] == [
        "libvirt-11",
        "libvirt-9",
        "libvirt-11-qemu-9",
        "libvirt-11",
    ]
    assert profile_named("libvirt-11-qemu-10") is PROFILES["libvirt-11-qemu-9"]
    with pytest.raises(UsageError, match="no profile is called"):
        profile_named("xen-4")


def test_a_row_without_limits_holds_for_all() -> None:
    assert all(Behaviour("QEMU", "does").may_hold(version) for version in ((0, 0), (99, 0)))


def test_no_other_module_compares_versions() -> None:
    compares = re.compile(r"\bversions?\.(?:libvirt|qemu)\b|\b(?:libvirt|qemu|host)\w*\.?version\w*\s*[<>]=?\s*[\w(]")
    found = {str(path.relative_to(SOURCE)) for path in SOURCE.rglob("*.py") if compares.search(path.read_text())}
    assert found == {"behaviours.py"}
