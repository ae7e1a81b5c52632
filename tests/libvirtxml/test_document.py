"""Documents from anywhere: refused with the line, never obeyed, never too much work."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.values import same

from diskchain.errors import DiskchainError, XmlError
from diskchain.libvirtxml.codec import format_disk, parse_backing_store, parse_disk, parse_source
from diskchain.libvirtxml.documents.backup import parse_backup
from diskchain.libvirtxml.documents.domain import format_domain, parse_domain
from diskchain.libvirtxml.documents.snapshot import parse_snapshot
from diskchain.libvirtxml.documents.status import parse_status
from diskchain.libvirtxml.markup.document import Document
from diskchain.libvirtxml.view import View
from diskchain.storage.source import layers

_PARSERS: list[Callable[..., object]] = [
    parse_disk,
    parse_source,
    parse_backing_store,
    parse_domain,
    parse_snapshot,
    parse_backup,
    parse_status,
]
_BOMB = "".join(f"<!ENTITY e{n} '{f'&e{n - 1};' * 10}'>" for n in range(1, 12))
_CHAIN = "<backingStore type='file'><format type='raw'/><source file='/{n}'/>{below}</backingStore>"


def error(text: str | bytes, parse: Callable[..., object] = parse_disk) -> XmlError:
    with pytest.raises(XmlError) as caught:
        parse(text, origin="vm.xml")
    return caught.value


@pytest.mark.parametrize("parse", _PARSERS)
@pytest.mark.parametrize(
    "text",
    ["", "<", "no xml", "<disk>", "<a><b></a></b>", "<disk a='1' a='2'/>", b"\xff\xfe", "<a/><b/>", "\0", "<a>&b;</a>"],
)
def test_what_is_no_xml_is_refused(parse: Callable[..., object], text: str | bytes) -> None:
    refused = error(text, parse)
    assert refused.origin == "vm.xml"
    assert str(refused).startswith("vm.xml")


@pytest.mark.parametrize("parse", _PARSERS)
def test_another_document_is_refused_by_name(parse: Callable[..., object]) -> None:
    refused = error("\n<network/>", parse)
    assert refused.line == 2
    assert "<network>" in refused.problem


def test_a_document_type_is_refused_with_its_line() -> None:
    refused = error("<?xml version='1.0'?>\n<!DOCTYPE disk [<!ENTITY x 'y'>]>\n<disk><serial>&x;</serial></disk>")
    assert refused.line == 2
    assert "document type" in refused.problem


@pytest.mark.parametrize("use", ["<serial>&e11;</serial>", "<source file='&e11;'/>"])
def test_an_entity_bomb_goes_off_nowhere(use: str) -> None:
    started = time.process_time()
    error(f"<!DOCTYPE d [<!ENTITY e0 'bang'>{_BOMB}]><disk>{use}</disk>")
    assert time.process_time() - started < 1


def test_an_external_entity_is_not_opened(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2")
    text = f"<!DOCTYPE d [<!ENTITY x SYSTEM '{secret.as_uri()}'>]><disk><serial>&x;</serial></disk>"
    assert "hunter2" not in str(error(text))


def test_an_external_document_type_is_not_opened() -> None:
    assert "document type" in error("<!DOCTYPE disk SYSTEM 'http://127.0.0.1:1/x.dtd'><disk/>").problem


def test_200_backing_stores_are_read_and_201_refused_with_the_line_of_that_one() -> None:
    chain = "\n<backingStore/>"
    for n in range(200):
        chain = "\n" + _CHAIN.format(n=n, below=chain)
    read = parse_disk(f"<disk><source file='/top'/>{chain}<target dev='vda'/></disk>")
    assert len(list(layers(read.source))) == 201
    chain = "\n" + _CHAIN.format(n=200, below=chain)
    refused = error(f"<disk><source file='/top'/>{chain}<target dev='vda'/></disk>")
    assert refused.line == 202
    assert "200" in refused.problem


@pytest.mark.parametrize("depth", [300, 100_000])
def test_a_document_too_deep_for_libvirt_is_refused(depth: int) -> None:
    assert "depth" in error("<a>" * depth + "</a>" * depth).problem.lower()


def test_errors_name_the_line_however_far_down() -> None:
    filler = "<!-- filler -->\n" * 70_000
    text = f"<domain><devices>\n{filler}<disk type='file'><driver cache='odd'/></disk></devices></domain>"
    refused = error(text, parse_domain)
    assert refused.line == 70_002
    assert "writeback" in refused.allowed


def test_lines_are_right_beyond_65535_where_elements_are_close_together() -> None:
    text = "<domain><devices>\n" + "<disk><target dev='vda'/></disk>\n" * 70_000 + "</devices></domain>"
    domain = parse_domain(text)
    for position in (0, 65_533, 65_534, 65_535, 69_999):
        disk = domain.order.index(position)
        assert domain.line(disk, "target") == position + 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "iso-8859-1"])
def test_a_document_may_be_in_any_common_encoding(encoding: str) -> None:
    text = (
        f"<?xml version='1.0' encoding='{encoding}'?>\n<domain><name>höhe</name><devices>\n"
        "    <disk type='file' device='disk'>\n      <source file='/ü'/>\n      <target dev='vda' bus='virtio'/>\n"
        "    </disk>\n  </devices></domain>"
    )
    domain = parse_domain(text.encode(encoding))
    assert domain.name == "höhe"
    assert format_domain(domain) == text
    assert same(parse_domain(text).disks, domain.disks)


def test_a_byte_order_mark_is_no_text() -> None:
    assert parse_domain(b"\xef\xbb\xbf<domain><name>a</name></domain>").name == "a"


def test_text_with_a_lone_surrogate_is_refused() -> None:
    assert error("<disk>\n\udc80</disk>").line == 2


@given(st.text(max_size=200))
@example("<disk type='file'>\x00</disk>")
def test_any_text_is_a_value_or_an_xml_error(text: str) -> None:
    for parse in _PARSERS:
        try:
            parse(text)
        except XmlError:
            continue


_TAGS = st.sampled_from(
    [
        "disk",
        "source",
        "backingStore",
        "format",
        "driver",
        "target",
        "mirror",
        "host",
        "auth",
        "secret",
        "encryption",
        "cookies",
        "cookie",
        "slices",
        "slice",
        "reservations",
        "seclabel",
        "label",
        "dataStore",
        "address",
        "iotune",
        "privateData",
        "nodenames",
        "identity",
        "reconnect",
        "initiator",
    ]
)
_ATTRIBUTES = st.dictionaries(
    st.sampled_from(
        [
            "type",
            "file",
            "dev",
            "name",
            "protocol",
            "port",
            "transport",
            "socket",
            "bus",
            "cache",
            "io",
            "iothread",
            "queues",
            "index",
            "offset",
            "size",
            "managed",
            "model",
            "username",
            "usage",
            "uuid",
            "format",
            "engine",
            "job",
            "ready",
            "namespace",
            "pool",
            "volume",
            "path",
            "mode",
            "order",
            "unit",
            "domain",
            "slot",
        ]
    ),
    st.sampled_from(
        ["", "file", "network", "nbd", "rbd", "0", "-1", "99999999999999999999", "yes", "x", "pci", "luks", "a/b"]
    ),
    max_size=4,
)


@st.composite
def _trees(draw: st.DrawFn, depth: int = 4) -> str:
    tag = draw(_TAGS)
    said = "".join(f" {name}='{value}'" for name, value in draw(_ATTRIBUTES).items())
    inside = (
        "".join(draw(st.lists(_trees(depth - 1), max_size=3))) if depth else draw(st.sampled_from(["", "1", "text"]))
    )
    return f"<{tag}{said}>{inside}</{tag}>"


@given(st.lists(_trees(), max_size=5), _ATTRIBUTES)
def test_any_tree_of_known_words_is_a_disk_or_an_xml_error(inside: list[str], said: dict[str, str]) -> None:
    names = "".join(f" {name}='{value}'" for name, value in said.items())
    for view in View:
        try:
            disk = parse_disk(f"<disk{names}>{''.join(inside)}</disk>", view=view)
            text = format_disk(disk, view=view)
        except DiskchainError:
            continue
        Document(text)


def test_work_is_linear_in_the_number_of_disks() -> None:
    def seconds(disks: int) -> float:
        disk = "<disk type='file'><driver name='qemu' type='qcow2'/><source file='/{n}'/><target dev='vd{a}'/></disk>\n"
        letters = [chr(97 + n % 26) + chr(97 + n // 26 % 26) + chr(97 + n // 676 % 26) for n in range(disks)]
        text = "".join(disk.format(n=n, a=a) for n, a in enumerate(letters))
        document = f"<domain><devices>{text}</devices></domain>"
        started = time.process_time()
        domain = parse_domain(document)
        format_domain(domain)
        return time.process_time() - started

    seconds(100)
    assert seconds(10_000) < 60 * max(seconds(1_000), 0.02)


def test_fifty_megabytes_are_read() -> None:
    disk = "<disk type='file'><source file='/{}'/><target dev='vda'/></disk>\n".format("x" * 2000)
    text = f"<domain><devices>{disk * 25_000}</devices></domain>"
    assert len(text) > 50_000_000
    started = time.process_time()
    assert len(parse_domain(text).disks) == 25_000
    assert time.process_time() - started < 20


def test_more_than_the_bound_is_refused_before_it_is_read() -> None:
    started = time.process_time()
    assert "larger" in error(b"<" * (256 * 1024 * 1024 + 1)).problem
    assert time.process_time() - started < 1
