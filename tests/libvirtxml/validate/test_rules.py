"""Each rule finds what breaks it, and leaves its neighbour alone."""

from typing import Any

import pytest
from tests.libvirtxml.validate.cases import CASES
from tests.libvirtxml.validate.fragments import Case, document

from diskchain.findings import KINDS
from diskchain.guest.disk import Disk
from diskchain.guest.target import Target
from diskchain.guest.terms import DiskBus
from diskchain.libvirtxml.postparse import Profile
from diskchain.libvirtxml.validate import validate_disk
from diskchain.libvirtxml.validate.document import check_document
from diskchain.libvirtxml.validate.engine import RULES
from diskchain.libvirtxml.validate.rule import Rule
from diskchain.storage.location import NetworkHost, NetworkLocation
from diskchain.storage.protocol_options import HttpOptions
from diskchain.storage.source import Source
from diskchain.storage.terms import Protocol

_FOR_VALUES_ONLY = {"protocol-option"}  # a document cannot say it: parsers drop what a protocol does not have


def found(disks: str, case: Case) -> set[str]:
    return {finding.id for _, finding in check_document(document(disks, case)).findings}


def _groups(profile: Profile) -> list[tuple[Rule[Any], ...]]:
    rules = RULES[profile]
    return [rules.sources, rules.disks, rules.domains]


_IDS = {rule.id for group in _groups(Profile.QEMU) for rule in group}


@pytest.mark.parametrize("case", CASES, ids=[f"{n}-{case.id}" for n, case in enumerate(CASES)])
def test_a_rule_finds_what_breaks_it_and_not_its_neighbour(case: Case) -> None:
    assert case.id in found(case.bad, case)
    assert not found(case.good, case)


def test_every_rule_has_a_case() -> None:
    assert {case.id for case in CASES} | _FOR_VALUES_ONLY == _IDS


def test_every_rule_has_a_kind() -> None:
    assert set(KINDS) >= _IDS


def test_the_generic_profile_has_no_rules_of_its_own() -> None:
    for generic, qemu in zip(_groups(Profile.GENERIC), _groups(Profile.QEMU), strict=True):
        assert set(generic) <= set(qemu)


def test_an_option_of_another_protocol_is_found_in_a_value() -> None:
    location = NetworkLocation(Protocol.FTP, "a", (NetworkHost("h"),), HttpOptions(query="x", readahead=512))
    disk = Disk(Source(location), Target("vda", DiskBus.VIRTIO))
    assert [finding.message for finding in validate_disk(disk)] == ["disk vda: ftp has no query (allowed: http, https)"]
