"""Whole documents: all findings, at the right lines, in time linear in the document."""

import time
from collections.abc import Callable

import pytest

from diskchain.errors import XmlError
from diskchain.libvirtxml.documents.domain import parse_domain
from diskchain.libvirtxml.postparse import Profile
from diskchain.libvirtxml.validate import validate
from diskchain.libvirtxml.validate.document import check_document

BAD = """\
<disk type='file'>
  <driver name='qemu' type='raw'/>
  <source file='/a'/>
  <target dev='sda' bus='sata'/>
  <readonly/>
</disk>"""


def located(text: str, profile: Profile = Profile.QEMU) -> list[tuple[str, int | None]]:
    return [(finding.id, finding.line) for _, finding in check_document(text, profile).findings]


def test_a_disk_alone() -> None:
    assert located(BAD) == [("readonly-bus", 5)]


def test_both_domains_of_a_snapshot() -> None:
    text = f"""<domainsnapshot>
<domain><devices>
{BAD}
</devices></domain>
<inactiveDomain><devices>
{BAD}
</devices></inactiveDomain>
</domainsnapshot>"""
    assert located(text) == [("readonly-bus", 7), ("readonly-bus", 15)]


def test_a_snapshots_own_disks() -> None:
    text = "<domainsnapshot><disks>\n<disk name='vda' snapshot='sometimes'/></disks></domainsnapshot>"
    assert located(text) == [("document", 2)]


def test_the_domain_of_a_status() -> None:
    text = f"<domstatus state='running'>\n<domain type='kvm' id='1'><name>a</name><devices>\n{BAD}\n</devices></domain></domstatus>"
    assert located(text) == [("readonly-bus", 7)]


def test_a_backup_has_no_domain() -> None:
    assert located("<domainbackup mode='pull'><disks>\n<disk name='vda' type='dir'/></disks></domainbackup>") == [
        ("document", 2)
    ]


@pytest.mark.parametrize("text", ["<disk>", "<volume/>", "", "<!DOCTYPE disk><disk/>"])
def test_what_is_no_document_with_disks_is_an_error(text: str) -> None:
    with pytest.raises(XmlError):
        check_document(text)


def test_one_bad_disk_does_not_hide_the_others() -> None:
    text = f"<domain><devices>\n<disk><target bus='nowhere'/></disk>\n{BAD}</devices></domain>"
    assert located(text) == [("document", 2), ("readonly-bus", 7)]


def test_findings_come_in_the_documents_order_and_of_two_the_second_is_told() -> None:
    disk = "<disk><source file='/a'/><target dev='{}' bus='{}'/></disk>\n"
    text = "<domain><devices>\n" + "".join(
        disk.format(*pair) for pair in (("vdb", "virtio"), ("sda", "sata"), ("vda", "virtio"), ("vdb", "virtio"))
    )
    assert located(f"{text}</devices></domain>") == [("target-duplicate", 5)]


def test_a_layer_far_down_is_found() -> None:
    text = """<disk type='file'>
<driver type='qcow2'/><source file='/a'/>
<backingStore type='file'><format type='qcow2'/><source file='/b'/>
<backingStore type='network'><format type='raw'/><source protocol='nbd' name='x'>
<host name='h'/>
<auth username='u'><secret type='iscsi' usage='s'/></auth></source></backingStore></backingStore>
<target dev='vda' bus='virtio'/></disk>"""
    ((_, finding),) = check_document(text).findings
    assert (finding.id, finding.line) == ("auth-protocol", 6)
    assert finding.message.startswith("disk vda, 2 below the top: ")


def test_older_places_have_lines_too() -> None:
    text = """<disk type='network'><source protocol='nbd'><host name='h'/></source>
<auth username='u'><secret type='iscsi' usage='s'/></auth>
<target dev='vda' bus='virtio'/></disk>"""
    assert located(text) == [("auth-protocol", 2)]


def test_an_address_made_from_the_target_has_the_targets_line() -> None:
    assert located("<disk><source file='/a'/>\n<target dev='hde' bus='ide'/></disk>") == [("address-range", 2)]


def test_without_its_domain_nothing_is_said_of_what_the_domain_may_have() -> None:
    assert not located("<disk><driver iothread='3'/><source file='/a'/><target dev='vda' bus='virtio'/></disk>")


def test_a_parsed_domain_is_validated_with_the_same_lines() -> None:
    text = f"<domain><devices>\n<disk><source file='/b'/><target dev='vda' bus='virtio'/></disk>\n{BAD}\n</devices></domain>"
    found = validate(parse_domain(text))
    assert [(one.id, one.line) for one in found] == located(text) == [("readonly-bus", 7)]


def test_generic_rules_are_fewer() -> None:
    assert not located(BAD, Profile.GENERIC)


def _many(number: int, disk: Callable[[int], str]) -> str:
    return "<domain><devices>\n" + "".join(disk(n) for n in range(number)) + "</devices></domain>"


def _letters(number: int) -> str:
    return (_letters(number // 26 - 1) if number >= 26 else "") + chr(ord("a") + number % 26)


def _duplicate(_number: int) -> str:
    return "<disk>\n<source file='/a'/>\n\n\n\n\n\n<target dev='vda' bus='virtio'/></disk>\n"


def _unreadable(number: int) -> str:
    return f"<disk>\n<driver cache='x' io='y'/><source file='/a'/>\n<target dev='vd{_letters(number)}' bus='virtio'/></disk>\n"


def _seconds(text: str) -> float:
    start = time.process_time()
    check_document(text)
    return time.process_time() - start


@pytest.mark.parametrize("disk", [_duplicate, _unreadable])
def test_ten_thousand_bad_disks_take_ten_times_as_long_as_a_thousand(disk: Callable[[int], str]) -> None:
    short = min(_seconds(_many(1000, disk)) for _ in range(2))
    assert _seconds(_many(10_000, disk)) < 25 * short


@pytest.mark.parametrize(("disk", "what"), [(_duplicate, "<target"), (_unreadable, "<driver")])
def test_lines_are_right_beyond_those_that_libxml2_counts(disk: Callable[[int], str], what: str) -> None:
    text = _many(1000, lambda number: disk(number) + 70 * "\n")
    assert text.count("\n") > 1 << 16
    *_, (_, last) = check_document(text).findings
    assert last.line == text.count("\n", 0, text.rindex(what)) + 1
