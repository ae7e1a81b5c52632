"""A disk the parser refuses: all it would refuse is told, once each, and nothing made up."""

import re

from hypothesis import given
from hypothesis import strategies as st
from tests.disk_strategies import disks

from diskchain.errors import UsageError, XmlError
from diskchain.libvirtxml.codec import format_disk, parse_disk
from diskchain.libvirtxml.validate.document import check_document


def refused(text: str) -> list[tuple[int | None, str]]:
    found = [finding for _, finding in check_document(text).findings if finding.id == "document"]
    return [(finding.line, finding.message.partition(" (allowed")[0]) for finding in found]


def test_several_values_of_one_element() -> None:
    text = "<disk><driver cache='a' io='b' queues='c'/><source file='/a'/><target dev='vda'/></disk>"
    assert [problem for _, problem in refused(text)] == [
        "cache of <driver> is 'a'",
        "io of <driver> is 'b'",
        "queues of <driver> is 'c', not a number from 0 to 4294967295",
    ]


def test_a_value_made_up_to_get_on_is_not_told() -> None:
    text = "<disk><source file='/a'/>\n<target dev='vda' bus='moon'/>\n<wwn>x</wwn></disk>"
    assert [line for line, _ in refused(text)] == [2]
    assert len(check_document(text).findings) == 1


def test_other_rules_are_told_when_the_rest_can_be_understood() -> None:
    text = "<disk><driver io='soon'/><source file='/a'/>\n<target dev='sda' bus='sata'/>\n<readonly/></disk>"
    assert [(one.id, one.line) for _, one in check_document(text).findings] == [("document", 1), ("readonly-bus", 3)]


def test_what_is_missing_does_not_hide_what_is_wrong_elsewhere() -> None:
    text = """<disk type='network'><source protocol='nbd'>
<host transport='unix'/>
<host name='h' port='many'/></source>
<backingStore type='file'><source file='/b'/></backingStore>
<target dev='vda' bus='virtio' rotation_rate='fast'/></disk>"""
    assert [line for line, _ in refused(text)] == [2, 3, 4, 5]


def test_each_layer_of_a_chain() -> None:
    below = "<backingStore type='file'>\n<format type='{}'/><source file='/a'/>{}</backingStore>"
    text = f"<disk><source file='/a'/>{below.format('x', below.format('y', below.format('z', '')))}<target dev='vda'/></disk>"
    assert [line for line, _ in refused(text)] == [2, 3, 4]


def test_the_bound_on_problems_of_one_disk_holds() -> None:
    below = "<format type='x'/><source file='/a'/>"
    for _ in range(150):
        below = f"<format type='x'/><source file='/a'/><backingStore type='file'>{below}</backingStore>"
    text = f"<disk><source file='/a'/><backingStore type='file'>{below}</backingStore><target dev='vda'/></disk>"
    assert 0 < len(refused(text)) <= 32


@given(disks(), st.data())
def test_what_the_parser_refuses_first_is_among_it(disk: object, data: st.DataObject) -> None:
    try:
        text = format_disk(disk, secure=True)  # type: ignore[arg-type]
    except UsageError:
        return
    values = list(re.finditer(r"='([^']*)'", text))
    for _ in range(2):
        if values:
            value = data.draw(st.sampled_from(values))
            wrong = data.draw(st.sampled_from(["", "-1", "odd", "99999999999999999999", "yes", "1"]))
            text = text[: value.start(1)] + wrong + text[value.end(1) :]
            values = list(re.finditer(r"='([^']*)'", text))
    first, found = _first_refusal(text), refused(text)
    assert first in found if first is not None else not found


def _first_refusal(text: str) -> tuple[int | None, str] | None:
    try:
        parse_disk(text)
    except XmlError as error:
        return error.line, error.problem
    return None
