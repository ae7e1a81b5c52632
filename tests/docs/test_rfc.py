"""``docs/rfc.md`` tells the truth: every field of the RFC has a home that exists, and its XML ends up there."""

import re
from collections.abc import Iterator
from enum import Enum
from importlib import import_module
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

import pytest
from lxml import etree
from tests.values import same, values

from diskchain.guest.disk import Disk
from diskchain.libvirtxml.codec import format_disk, parse_disk
from diskchain.libvirtxml.view import View
from diskchain.storage.source import Source

PAGE = Path(__file__).parents[2] / "docs" / "rfc.md"

SOURCE_FIELDS = """
    type src protocol hosts srcpool auth encryption driverName format backingChain seclabels noBacking backing
""".split()  # noqa: SIM905 - as one reads them in the RFC
DISK_FIELDS = """
    device bus dst tray_status removable mirror mirrorFormat mirroring geometry blockio blkdeviotune serial wwn vendor product
    cachemode error_policy rerror_policy iomode ioeventfd event_idx copy_on_read snapshot startupPolicy readonly shared transient
    info info.address info.alias info.boot rawio sgio discard
""".split()  # noqa: SIM905

#: The type of a disk, by an attribute that its source has.
TYPES = {"file": "file", "dev": "block", "protocol": "network", "pool": "volume"}


class Row(NamedTuple):
    """A row of a table: the RFC's field, our names for it, the XML; and which struct it is of."""

    struct: str
    field: str
    homes: tuple[str, ...]
    xml: str


def rows() -> Iterator[Row]:
    struct = ""
    for line in PAGE.read_text().splitlines():
        if line.startswith("## "):
            struct = line
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| `") and "_virDomain" in struct:
            field, homes, xml = (tuple(re.findall("`([^`]*)`", cell)) for cell in cells[:3])
            yield Row(struct, field[0], homes, "".join(xml))


ROWS = list(rows())
NAMES = [row.field for row in ROWS]


def test_every_field_of_the_source_struct_is_in_its_table() -> None:
    assert [row.field for row in ROWS if "_virDomainDiskSourceDef" in row.struct] == SOURCE_FIELDS


def test_every_field_of_the_disk_struct_is_in_its_table() -> None:
    assert [row.field for row in ROWS if "_virDomainDiskDef" in row.struct] == DISK_FIELDS


@pytest.mark.parametrize("row", ROWS, ids=NAMES)
def test_every_home_exists(row: Row) -> None:
    assert row.homes
    for home in row.homes:
        owner, attributes = class_of(home)
        for attribute in attributes:
            owner = annotation(owner, attribute)


@pytest.mark.parametrize("row", [row for row in ROWS if row.xml], ids=[row.field for row in ROWS if row.xml])
def test_the_xml_of_a_row_is_found_in_its_home_and_comes_back(row: Row) -> None:
    disk = parse_disk(example(row.xml), view=View.LIVE)
    said = [value for home in row.homes for value in found(disk, home)]
    anyway = [value for home in row.homes for value in found(PLAIN, home)]
    assert any(value not in anyway for value in said), f"{row.xml} says nothing about {row.homes}"
    assert same(parse_disk(format_disk(disk, view=View.LIVE), view=View.LIVE), disk)


# ----------------------------------------------------------------------------------------------------- names to types


def class_of(home: str) -> tuple[Any, list[str]]:
    """The class a dotted name begins with, and the attributes that follow."""
    parts = home.split(".")
    end = next(number for number, part in enumerate(parts) if part[:1].isupper())
    owner = getattr(import_module(".".join(parts[:end])), parts[end])
    return owner, parts[end + 1 :]


def annotation(owner: Any, attribute: str) -> Any:
    """The type of an attribute; of a union's, that of every member that is no None and no enum's."""
    members = [member for member in variants(owner) if member is not NoneType and not issubclass(member, Enum)]
    found = []
    for member in members:
        hint = get_type_hints(member).get(attribute)
        if hint is None:
            reader = getattr(member, attribute, None)
            assert isinstance(reader, property), f"{member.__name__} has no {attribute}"
            hint = get_type_hints(reader.fget)["return"]
        found.append(hint)
    assert found, f"{owner} has no attributes at all"
    return Union[tuple(found)]  # noqa: UP007 - of a number of types that only the page knows


def variants(type_: Any) -> list[Any]:
    return list(get_args(type_)) if get_origin(type_) in (Union, UnionType) else [type_]


# ------------------------------------------------------------------------------------------------------ XML to values


def example(xml: str) -> str:
    """A whole ``<disk>`` around a fragment of one: its attributes, or children."""
    fragment = etree.fromstring(xml)
    disk = fragment if fragment.tag == "disk" else etree.Element("disk")
    if fragment is not disk:
        disk.append(fragment)
    source = disk.find("source")
    if source is None:
        source = etree.SubElement(disk, "source", {"file": "/images/another.qcow2"})
    disk.set("type", next(type_ for attribute, type_ in TYPES.items() if attribute in source.attrib))
    if disk.find("target") is None:
        etree.SubElement(disk, "target", {"dev": "vda"})
    return etree.tostring(disk, encoding="unicode")


def found(disk: Disk, home: str) -> list[object]:
    """What stands in the place named, in every value of the home's class inside ``disk``."""
    owner, attributes = class_of(home)
    here = [value for value in values(disk) if isinstance(value, owner)]
    for attribute in attributes:
        here = [getattr(value, attribute) for value in here if hasattr(value, attribute)]
    return here


PLAIN = parse_disk(example("<disk/>"))


def test_the_resolver_notices_a_name_that_is_gone() -> None:
    with pytest.raises(AssertionError, match="has no cashe"):
        annotation(annotation(Disk, "driver"), "cashe")
    with pytest.raises(AssertionError, match="has no path"):
        annotation(annotation(Source, "location"), "path")
