"""New elements look like the ones beside them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from diskchain.libvirtxml.markup.byte_edits import locate
from diskchain.libvirtxml.markup.style_detection import Handwriting, handwriting

XML_TEXT = st.text(st.sampled_from("ab é😀<>&'\"\t\n\r]"), max_size=8)


def hand_of(document: bytes) -> Handwriting:
    layout = locate(document)
    disk = layout.disks[0]
    return handwriting(document, layout.encoding, disk, disk.elements()[0])


@pytest.mark.parametrize(
    ("document", "newline", "indent", "step"),
    [
        ("<disk>\n  <source/></disk>", "\n", "  ", "  "),
        ("<disk>\r\n\t<source/></disk>", "\r\n", "\t", "\t"),
        ("<disk>\r   <source/></disk>", "\r", "   ", "   "),
        ("<domain>\n <devices>\n    <disk>\n       <source/></disk></devices></domain>", "\n", "       ", "   "),
        ("<domain><devices>\n\t\t<disk>\n\t\t\t<source/></disk></devices></domain>", "\n", "\t\t\t", "\t"),
        # Not indented, or less than the parent: the usual step.
        ("<disk>\n<source/></disk>", "\n", "", "  "),
        ("<domain><devices>\n    <disk>\n  <source/></disk></devices></domain>", "\n", "  ", "  "),
        ("<domain><devices>\n\t<disk>\n\t<source/></disk></devices></domain>", "\n", "\t", "\t"),
        # Something else on the line: all on one line.
        ("<disk><source/></disk>", "", "", "  "),
        ("<disk>\n <!-- --><source/></disk>", "", "", "  "),
        ("<disk>\n text <source/></disk>", "", "", "  "),
        # Absurdly wide steps would make a deep chain absurdly large.
        ("<disk>\n" + " " * 9 + "<source/></disk>", "\n", " " * 9, "  "),
        ("<disk>\n" + " " * 600 + "<source/></disk>", "", "", "  "),
    ],
)
def test_line_ends_and_indentation_are_those_of_the_neighbour(
    document: str, newline: str, indent: str, step: str
) -> None:
    for codec in ("utf-8", "utf-16"):
        hand = hand_of(document.encode(codec))
        assert (hand.newline, hand.indent, hand.step) == (newline, indent, step)


@pytest.mark.parametrize(
    ("document", "quote"), [(b"<disk type = 'a'><source b=\"c\"/></disk>", "'"), (b'<disk a="\'"><b/></disk>', '"')]
)
def test_quotes_are_those_of_the_parent(document: bytes, quote: str) -> None:
    assert hand_of(document).quote == quote
    assert hand_of(b'<disk><source a="b"/></disk>').quote == "'"


@given(XML_TEXT, XML_TEXT, st.sampled_from("'\""), st.sampled_from(["", "\n", "\r\n"]))
def test_what_is_written_reads_back_the_same(value: str, text: str, quote: str, newline: str) -> None:
    element = etree.Element("source", file=value)
    etree.SubElement(etree.SubElement(element, "seclabel"), "label").text = text
    written = Handwriting(newline, " ", "\t", quote).rewrite(etree.tostring(element, encoding="unicode"))
    read = etree.fromstring(written)
    assert read.get("file") == value
    assert (read.findtext("seclabel/label") or "") == text
    assert written.count(newline or "\n") >= (4 if newline else 0)
