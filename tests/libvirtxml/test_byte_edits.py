"""Where disks lie in a document, against lxml's reading of it; and edits that touch nothing else."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from tests.libvirtxml.documents import Document, documents, lxml_disks

from diskchain.errors import XmlError
from diskchain.libvirtxml.markup.byte_edits import (
    MAX_DEPTH,
    MAX_DOCUMENT,
    Comment,
    Edit,
    Element,
    Encoding,
    apply,
    locate,
)

BOTH_ENDS = b"<disk><source/><target></target></disk>"


def inside(element: Element) -> list[Element]:
    return [element, *(found for child in element.elements() for found in inside(child))]


def as_lxml_sees_it(node: etree._Element) -> list[tuple[str, str | None]]:
    """The element's own name and text, then those of every element and comment below."""
    return [(str(n.tag), n.text) for n in node.iter() if not isinstance(n, etree._ProcessingInstruction)]


@given(documents())
def test_finds_the_disks_of_a_document_and_no_other_disk(document: Document) -> None:
    layout = locate(document.data)
    assert len(layout.disks) == len(document.disks)
    for disk, declared in zip(layout.disks, document.disks, strict=True):
        store, depth = disk.child("backingStore"), 0
        while store is not None and store.child("format"):
            store, depth = store.child("backingStore"), depth + 1
        assert (depth, store is not None) == (declared.layers, declared.ended)


@given(documents())
def test_offsets_cut_out_what_lxml_sees(document: Document) -> None:
    layout = locate(document.data)
    seen = lxml_disks(etree.fromstring(document.data))
    codec = "latin-1" if layout.encoding.codec == "ascii" else layout.encoding.codec
    for disk, node in zip(layout.disks, seen, strict=True):
        for element in inside(disk):
            text = document.data[element.start : element.end].decode(codec)
            assert text.startswith(f"<{element.name}")
            assert text.endswith("/>" if element.self_closed else ">")
            ends = document.data[element.end_tag_start : element.end].decode(codec)
            assert ends.startswith("" if element.self_closed else f"</{element.name}")
            cut = etree.fromstring(text.encode())
            assert cut.tag == element.name
        cut_disk = etree.fromstring(document.data[disk.start : disk.end].decode(codec).encode())
        if codec.startswith("utf"):
            assert as_lxml_sees_it(cut_disk) == as_lxml_sees_it(node)
        assert [child.name for child in inside(disk)] == [n.tag for n in node.iter(etree.Element)]


@given(documents())
def test_comments_in_a_disk_are_found_with_their_ends(document: Document) -> None:
    layout = locate(document.data)
    for element in (found for disk in layout.disks for found in inside(disk)):
        for comment in element.children:
            if isinstance(comment, Comment):
                cut = document.data[comment.start : comment.end]
                assert cut.startswith(layout.encoding.encode("<!--"))
                assert cut.endswith(layout.encoding.encode("-->"))
                assert len(cut) >= len(layout.encoding.encode(f"<!--{comment.text}-->".replace("é", "")))


@given(documents())
def test_replacing_every_disk_with_itself_changes_nothing(document: Document) -> None:
    disks = locate(document.data).disks
    edits = [Edit(disk.start, disk.end, document.data[disk.start : disk.end]) for disk in disks]
    assert apply(document.data, edits) == document.data


@given(st.binary(max_size=300) | st.text(alphabet="<>/ =\"'disk!-?[]&;x\n\0é", max_size=80).map(str.encode))
def test_any_bytes_give_a_layout_or_an_xml_error(data: bytes) -> None:
    with contextlib.suppress(XmlError):
        locate(data)


@given(documents(), st.data())
def test_a_damaged_document_gives_a_layout_or_an_xml_error(document: Document, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(document.data)))
    damage = data.draw(st.binary(max_size=3))
    with contextlib.suppress(XmlError):
        locate(document.data[:position] + damage + document.data[position + 1 :])


@given(st.binary(max_size=30), st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30), st.binary(max_size=4))))
def test_edits_are_carried_out_like_replacing_one_after_the_other_from_the_end(
    data: bytes, drawn: list[tuple[int, int, bytes]]
) -> None:
    edits = [Edit(*edit) for edit in drawn]
    expected = data
    last = len(data)
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end))[::-1]:
        if not edit.start <= edit.end <= last:
            with pytest.raises(ValueError, match="overlaps"):
                apply(data, edits)
            return
        expected = expected[: edit.start] + edit.replacement + expected[edit.end :]
        last = edit.start
    assert apply(data, edits) == expected


def test_insertions_at_one_place_keep_their_order() -> None:
    assert apply(b"ab", [Edit(1, 1, b"1"), Edit(1, 1, b"2"), Edit(0, 1, b"x")]) == b"x12b"


def test_an_empty_element_is_told_from_a_self_closed_one() -> None:
    (disk,) = locate(BOTH_ENDS).disks
    source, target = disk.elements()
    assert (source.self_closed, target.self_closed) == (True, False)
    assert BOTH_ENDS[target.start_tag_end : target.end_tag_start] == b""


def test_elements_of_other_namespaces_are_no_disks() -> None:
    other = b"<disk xmlns='urn:x'><disk/></disk><q:disk/>"
    document = b"<domain><devices>" + other + b"<disk xmlns=''><q:source/></disk></devices></domain>"
    (disk,) = locate(document).disks
    assert document[disk.start : disk.start_tag_end] == b"<disk xmlns=''>"
    assert disk.elements()[0].name == "q:source"


def test_lines_count_from_one_and_crlf_is_one_line_end() -> None:
    (disk,) = locate(b"<!--\r\n-->\r\n<disk>\r\n<source/></disk>").disks
    assert (disk.line, disk.elements()[0].line) == (3, 4)


def test_child_is_the_first_of_that_name() -> None:
    (disk,) = locate(b"<disk><source file='1'/><source file='2'/></disk>").disks
    assert disk.child("source") == disk.elements()[0]
    assert disk.child("target") is None


def test_characters_an_encoding_lacks_become_references() -> None:
    assert Encoding("ascii").encode("<a b='é'/>") == b"<a b='&#233;'/>"
    layout = locate("<?xml version='1.0' encoding='ISO-8859-1'?><disk/>".encode("latin-1"))
    assert layout.encoding == Encoding("ascii")


@pytest.mark.parametrize(
    ("document", "problem", "line"),
    [
        (b"<disk>\n<source></disk>", "mismatched tag", 2),
        (b"", "no element found", 1),
        (b"<disk/><disk/>", "junk after document element", 1),
        (b"<disk a='1' a='1'/>", "duplicate attribute", 1),
        (b"<disk>\n&bomb;</disk>", "undefined entity", 2),
        (b"\n<pool/>", "the root is <pool>", 2),
        (b"<domain xmlns='urn:x'/>", "the root is <urn:x domain>", 1),
        (b"<!-- -->\n<!DOCTYPE disk [<!ENTITY a 'b'>]><disk>&a;</disk>", "document type", 2),
        (b"<!DOCTYPE disk SYSTEM '/etc/passwd'><disk/>", "document type", 1),
        (b"<?xml version='1.0' encoding='unicode_escape'?><disk/>", "unsupported encoding 'unicode_escape'", 1),
        (b"<?xml version='1.0' encoding='gbk'?><disk/>", "unsupported encoding 'gbk'", 1),
        (b"<?xml version='1.0' encoding='cp037'?><disk/>", "unknown encoding", 1),
        (b"<?xml version='1.0' encoding='cp932'?><disk/>", "unknown encoding", 1),
        (b"<?xml version='1.0' encoding='cp0000'?><disk/>", "unknown encoding", 1),
        ("<disk/>".encode("utf-32"), "not well-formed", 1),
        (b"<?xml version='1.0' encoding='utf-16'?><disk/>", "encoding", 1),
        (b"<disk>\xff</disk>", "not well-formed", 1),
        (b"<disk>\0</disk>", "not well-formed", 1),
    ],
)
def test_what_is_refused_is_named_with_its_line(document: bytes, problem: str, line: int) -> None:
    with pytest.raises(XmlError, match=problem) as caught:
        locate(document, "vm.xml")
    assert caught.value.line == line
    assert str(caught.value).startswith(f"vm.xml:{line}: ")


def test_depth_is_bounded() -> None:
    def nested(depth: int) -> bytes:
        return b"<disk>" + b"<a>" * (depth - 1) + b"</a>" * (depth - 1) + b"</disk>"

    locate(nested(MAX_DEPTH))
    with pytest.raises(XmlError, match="nested more than 256 deep"):
        locate(nested(MAX_DEPTH + 1))


def test_size_is_bounded() -> None:
    assert locate(b"<disk/>".ljust(MAX_DOCUMENT)).root == "disk"
    with pytest.raises(XmlError, match="larger than"):
        locate(b"<disk/>".ljust(MAX_DOCUMENT + 1))


def test_a_tag_of_the_largest_size_takes_linear_work() -> None:
    value = "x" * (MAX_DOCUMENT // 2 - 40)
    (disk,) = locate(f"\ufeff<disk a='{value}'/>".encode("utf-16-le")).disks
    assert disk.self_closed
