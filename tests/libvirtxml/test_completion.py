"""What was detected goes into a document, nothing else changes, and it comes out again to the byte."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from tests.libvirtxml.documents import DeclaredDisk, Document, documents, lxml_disks

from diskchain.errors import XmlError
from diskchain.libvirtxml.edit.completion import MARKER, MARKER_IN_EMPTY, complete, declared_disks, strip, unwritable
from diskchain.libvirtxml.markup.byte_edits import locate
from diskchain.storage.auth import Auth, SecretReference
from diskchain.storage.location import BlockLocation, FileLocation, NetworkHost, NetworkLocation
from diskchain.storage.source import DETECTED_TERMINATOR, TERMINATOR, UNKNOWN, Source, Terminator, layers, stack
from diskchain.storage.terms import Format, Protocol, Unknown

DATA = Source(FileLocation("/images/top.data"), Format.RAW, DETECTED_TERMINATOR, detected=True)
BASE = Source(FileLocation("/images/base.raw"), Format.RAW, DETECTED_TERMINATOR, readonly=True, detected=True)
MIDDLE = Source(FileLocation("/images/middle.qcow2"), Format.QCOW2, BASE, readonly=True, detected=True)
TOP = Source(FileLocation("/images/top.qcow2"), Format.QCOW2, MIDDLE)

NAMES = st.text("ab/ .é日😀'\"<>&\n\t\r-[]", min_size=1, max_size=8)
LOCATIONS = (
    NAMES.map(lambda name: FileLocation("/images/" + name))
    | NAMES.map(lambda name: BlockLocation("/dev/" + name))
    | NAMES.map(lambda name: NetworkLocation(Protocol.NBD, name, (NetworkHost("example.org", 10809),)))
)


class Case(NamedTuple):
    document: Document
    chains: list[Source | None]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A document, and for each disk what discovery might make of it."""
    document = draw(documents())
    return Case(document, [draw(st.none() | chains(disk)) for disk in document.disks])


def chains(disk: DeclaredDisk) -> st.SearchStrategy[Source]:
    data_file = st.none() | LOCATIONS.map(lambda location: DATA._replace(location=location))
    declared = data_file.map(lambda found: Source(FileLocation("/declared"), Format.QCOW2, data_file=found))
    formats = st.sampled_from([Format.QCOW2, Format.RAW])
    detected = st.tuples(LOCATIONS, formats, data_file).map(
        lambda found: Source(found[0], found[1], data_file=found[2], detected=True)
    )
    above = st.lists(declared, min_size=disk.layers + 1, max_size=disk.layers + 1)
    below = st.lists(detected, max_size=0 if disk.ended else 3)
    ends: list[Terminator | Unknown] = [TERMINATOR] if disk.ended else [DETECTED_TERMINATOR, UNKNOWN]
    return st.tuples(above, below, st.sampled_from(ends)).map(lambda parts: stack(parts[0] + parts[1], parts[2]))


def as_text(source: Source | Terminator | Unknown) -> str:
    return "" if source is UNKNOWN else "end" if isinstance(source, Terminator) else f"{source.format}"


def states(disk: etree._Element) -> list[tuple[str, bool]]:
    """Per layer below the top: its format or `end`, and whether it has a data file. The top has no format here."""
    found = [("", disk.find("source/dataStore") is not None)]
    store = disk.find("backingStore")
    while store is not None:
        format_element = store.find("format")
        kind = "end" if format_element is None else str(format_element.get("type"))
        found.append((kind, store.find("source/dataStore") is not None))
        store = store.find("backingStore")
    return found


def expected_states(disk: DeclaredDisk, chain: Source) -> list[tuple[str, bool]]:
    known = list(layers(chain))
    in_document = [*disk.data_files, *(False for _ in known)]
    found = [
        (as_text(layer), layer.data_file is not None or given) for layer, given in zip(known, in_document, strict=False)
    ]
    found[0] = ("", found[0][1])
    end = as_text(known[-1].backing)
    return [*found, (end, False)] if end else found


@given(cases())
def test_completing_and_stripping_gives_back_every_byte(case: Case) -> None:
    completed = complete(case.document.data, case.chains)
    assert strip(completed) == case.document.data


@given(cases())
def test_a_completed_document_says_what_the_chains_say(case: Case) -> None:
    completed = complete(case.document.data, case.chains)
    disks = lxml_disks(etree.fromstring(completed))
    for disk, declared, chain in zip(disks, case.document.disks, case.chains, strict=True):
        if chain is not None:
            assert states(disk) == expected_states(declared, chain)


@given(cases())
def test_without_the_marked_elements_lxml_sees_the_old_document(case: Case) -> None:
    before = etree.fromstring(case.document.data)
    after = etree.fromstring(complete(case.document.data, case.chains))
    for comment in list(after.iter(etree.Comment)):
        if comment.text is not None and comment.text.strip() in (MARKER, MARKER_IN_EMPTY):
            for node in (comment.getnext(), comment):
                parent = None if node is None else node.getparent()
                assert node is not None
                assert parent is not None
                previous = node.getprevious()
                if previous is not None:
                    previous.tail = (previous.tail or "") + (node.tail or "")
                else:
                    parent.text = (parent.text or "") + (node.tail or "")
                parent.remove(node)
    assert [(n.tag, dict(n.attrib), (n.text or "").split(), (n.tail or "").split()) for n in after.iter()] == [
        (n.tag, dict(n.attrib), (n.text or "").split(), (n.tail or "").split()) for n in before.iter()
    ]


@given(cases())
def test_completing_again_changes_nothing(case: Case) -> None:
    completed = complete(case.document.data, case.chains)
    assert complete(completed, case.chains) == completed


@given(documents())
def test_a_document_without_marks_is_left_alone_by_strip(document: Document) -> None:
    assert strip(document.data) == document.data
    assert complete(document.data, [None] * len(document.disks)) == document.data


@given(cases(), st.data())
def test_strip_takes_out_the_chosen_disks_only(case: Case, data: st.DataObject) -> None:
    numbers = range(len(case.chains))
    chosen = data.draw(st.sets(st.sampled_from(numbers)) if numbers else st.just(set[int]()))
    others: list[Source | None] = [None if n in chosen else chain for n, chain in enumerate(case.chains)]
    assert strip(complete(case.document.data, case.chains), chosen) == complete(case.document.data, others)


def test_a_chain_is_written_the_way_the_document_is() -> None:
    document = b"""\
<domain type="kvm">
  <devices>
    <disk type="file" device="disk">
      <driver name="qemu" type="qcow2"/>
      <source file="/images/top.qcow2"/>  <!-- the system disk -->
      <target dev="vda"/>
    </disk>
  </devices>
</domain>
"""
    assert (
        complete(document, [TOP]).decode()
        == """\
<domain type="kvm">
  <devices>
    <disk type="file" device="disk">
      <driver name="qemu" type="qcow2"/>
      <source file="/images/top.qcow2"/>
      <!-- detected by diskchain -->
      <backingStore type="file">
        <format type="qcow2"/>
        <source file="/images/middle.qcow2"/>
        <backingStore type="file">
          <format type="raw"/>
          <source file="/images/base.raw"/>
          <backingStore/>
        </backingStore>
      </backingStore>  <!-- the system disk -->
      <target dev="vda"/>
    </disk>
  </devices>
</domain>
"""
    )


def test_tabs_and_crlf_are_taken_up() -> None:
    document = b"<disk type='file'>\r\n\t<source file='/images/top.qcow2'/>\r\n</disk>\r\n"
    assert complete(document, [TOP._replace(backing=BASE)]) == (
        b"<disk type='file'>\r\n\t<source file='/images/top.qcow2'/>\r\n"
        b"\t<!-- detected by diskchain -->\r\n\t<backingStore type='file'>\r\n\t\t<format type='raw'/>\r\n"
        b"\t\t<source file='/images/base.raw'/>\r\n\t\t<backingStore/>\r\n\t</backingStore>\r\n</disk>\r\n"
    )


def test_a_document_on_one_line_stays_on_one_line() -> None:
    assert complete(b"<disk><source/></disk>", [TOP._replace(backing=BASE)]) == (
        b"<disk><source/><!-- detected by diskchain --><backingStore type='file'><format type='raw'/>"
        b"<source file='/images/base.raw'/><backingStore/></backingStore></disk>"
    )


def test_a_partial_chain_is_continued_in_its_last_layer() -> None:
    document = b"<disk><source/><backingStore type='file'><source/><format type='qcow2'/></backingStore></disk>"
    declared = MIDDLE._replace(detected=False, backing=DETECTED_TERMINATOR)
    assert complete(document, [TOP._replace(backing=declared)]) == document.replace(
        b"<source/><format", b"<source/><!-- detected by diskchain --><backingStore/><format"
    )


def test_a_declared_end_is_believed() -> None:
    document = b"<disk><source/><backingStore/></disk>"
    assert complete(document, [TOP]) == document


def test_a_chain_that_ends_unknown_is_written_without_an_end() -> None:
    chain = TOP._replace(backing=BASE._replace(backing=UNKNOWN))
    assert b"<backingStore/>" not in complete(b"<disk><source/></disk>", [chain])
    assert complete(b"<disk><source/></disk>", [TOP._replace(backing=UNKNOWN)]) == b"<disk><source/></disk>"


def test_a_disk_without_a_source_is_left_alone() -> None:
    document = b"<disk device='cdrom'><target dev='sda'/></disk>"
    assert complete(document, [Source(FileLocation(None), Format.RAW, DETECTED_TERMINATOR)]) == document


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<source file='a'/>", "<source file='a'>{m} in an empty source -->{d}</source>"),
        ("<source file='a' />", "<source file='a' >{m} in an empty source -->{d}</source>"),
        ("<source\n/>", "<source\n>{m} in an empty source -->{d}</source>"),
        ("<source></source>", "<source>{m} -->{d}</source>"),
        ("<source> </source >", "<source>{m} -->{d} </source >"),
        ("<source><slices/></source>", "<source><slices/>{m} -->{d}</source>"),
        ("<source> <slices/> </source>", "<source> <slices/>{m} -->{d} </source>"),
        ("<source><![CDATA[/>]]></source>", "<source>{m} -->{d}<![CDATA[/>]]></source>"),
    ],
)
def test_a_data_file_goes_into_any_form_of_source_and_out_again(before: str, after: str) -> None:
    document = f"<disk>{before}<backingStore/></disk>".encode()
    store = "<dataStore type='file'><format type='raw'/><source file='/images/top.data'/></dataStore>"
    completed = complete(document, [TOP._replace(data_file=DATA, backing=TERMINATOR)])
    wanted = after.format(m="<!-- detected by diskchain", d=store)
    assert completed.decode() == f"<disk>{wanted}<backingStore/></disk>"
    assert strip(completed) == document


def test_a_data_file_of_a_pretty_document_is_pretty() -> None:
    document = b"<disk>\n  <source file='a'/>\n</disk>"
    assert (
        complete(document, [TOP._replace(data_file=DATA, backing=DETECTED_TERMINATOR)]).decode()
        == """\
<disk>
  <source file='a'>
    <!-- detected by diskchain in an empty source -->
    <dataStore type='file'>
      <format type='raw'/>
      <source file='/images/top.data'/>
    </dataStore>
  </source>
  <!-- detected by diskchain -->
  <backingStore/>
</disk>"""
    )


@pytest.mark.parametrize("place", ["<source><dataStore/></source>", "<dataStore/><source/>"])
def test_a_declared_data_file_is_believed(place: str) -> None:
    document = f"<disk><source/><backingStore type='file'>{place}<backingStore/></backingStore></disk>".encode()
    chain = TOP._replace(backing=MIDDLE._replace(data_file=DATA, backing=TERMINATOR, detected=False))
    assert complete(document, [chain]) == document


def test_characters_the_encoding_lacks_become_references() -> None:
    document = "<?xml version='1.0' encoding='ISO-8859-1'?><disk><source file='é'/></disk>".encode("latin-1")
    completed = complete(document, [TOP._replace(backing=BASE._replace(location=FileLocation("/é/日本/\n'")))])
    assert b"file='/&#233;/&#26085;&#26412;/&#10;&apos;'" in completed
    assert etree.fromstring(completed).findall(".//source")[1].get("file") == "/é/日本/\n'"


def test_secrets_are_named_and_network_layers_written_in_full() -> None:
    location = NetworkLocation(Protocol.RBD, "pool/base", (NetworkHost("mon", 6789),))
    auth = Auth("admin", SecretReference("ceph", usage="ceph secret"))
    chain = TOP._replace(backing=BASE._replace(location=location, auth=auth, backing=UNKNOWN))
    completed = etree.fromstring(complete(b"<disk><source/></disk>", [chain]))
    assert completed.find("backingStore/source/auth/secret[@usage='ceph secret']") is not None
    assert completed.find("backingStore/source/host[@name='mon']") is not None


def test_what_a_person_added_around_a_marked_element_stays() -> None:
    completed = complete(b"<disk><source file='a'/></disk>", [TOP._replace(data_file=DATA, backing=UNKNOWN)])
    edited = completed.replace(b"</dataStore>", b"</dataStore> <slices/>")
    assert strip(edited) == b"<disk><source file='a'> <slices/></source></disk>"


@pytest.mark.parametrize(
    "document",
    [
        b"<disk><source/><!-- detected by diskchain --></disk>",
        b"<disk><source/><!-- detected by diskchain --><target/><backingStore/></disk>",
        b"<disk><source/><!-- detected by diskchain -->text<backingStore/></disk>",
        b"<disk><source/><!-- detected by diskchain --><!-- --><backingStore/></disk>",
        b"<disk><mirror><!-- detected by diskchain --><backingStore/></mirror></disk>",
        b"<!-- detected by diskchain --><disk><source><!-- detected by diskchain --><backingStore/></source></disk>",
    ],
)
def test_a_mark_is_one_only_right_before_an_element_that_completion_writes(document: bytes) -> None:
    assert strip(document) == document


def test_a_document_that_was_reformatted_is_still_stripped() -> None:
    completed = complete(b"<disk><source/></disk>", [TOP])
    tree = etree.fromstring(completed)
    etree.indent(tree)
    stripped = etree.fromstring(strip(etree.tostring(tree)))
    assert [child.tag for child in stripped] == ["source"]


def test_a_chain_of_two_hundred_layers_is_written_and_read() -> None:
    below = [BASE._replace(location=FileLocation(f"/images/{n}"), format=Format.QCOW2) for n in range(199)]
    document = b"<domain>\n <devices>\n  <disk>\n   <source/>\n  </disk>\n </devices>\n</domain>"
    completed = complete(document, [stack([TOP, *below], DETECTED_TERMINATOR)])
    assert len(completed) < 300_000
    (disk,) = locate(completed).disks
    assert disk.end > 0
    assert strip(completed) == document


@pytest.mark.parametrize("name", ["/a\x01", "/\udcff", "/\ufffe"])
def test_names_that_xml_cannot_hold_are_told(name: str) -> None:
    assert unwritable(TOP) is None
    assert unwritable(TOP._replace(backing=BASE._replace(location=FileLocation(name)))) == name
    assert unwritable(TOP._replace(data_file=DATA._replace(location=FileLocation(name)))) == name


@pytest.mark.parametrize("name", [None, ""])
def test_what_libvirt_would_lose_is_not_written(name: str | None) -> None:
    web = NetworkLocation(Protocol.HTTP, name, (NetworkHost("h", 80),))
    assert unwritable(TOP._replace(backing=BASE._replace(location=web))) == "http://h:80/"
    assert unwritable(TOP._replace(backing=BASE._replace(location=web._replace(protocol=Protocol.NBD)))) is None


@given(documents())
def test_declared_disks_are_those_that_are_completed_in_the_same_order(document: Document) -> None:
    declared = declared_disks(document.data)
    assert [disk.target.dev for disk in declared] == [f"vd{number}" for number in range(1, len(declared) + 1)]
    assert len(declared) == len(document.disks)
    for disk, wanted in zip(declared, document.disks, strict=True):
        known = list(layers(disk.source))
        assert [layer.data_file is not None for layer in known] == list(wanted.data_files)
        assert known[-1].backing == (TERMINATOR if wanted.ended else UNKNOWN)


def test_each_disk_needs_its_chain() -> None:
    with pytest.raises(ValueError, match="zip"):
        complete(b"<disk/>", [])


def test_a_malformed_document_is_an_error_with_its_line() -> None:
    problem = r"^vm\.xml:2: not well-formed XML"
    with pytest.raises(XmlError, match=problem):
        complete(b"<disk>\n<", [TOP], "vm.xml")
    with pytest.raises(XmlError, match=problem):
        strip(b"<disk>\n<", None, "vm.xml")
