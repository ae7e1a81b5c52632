"""Three views of a chain are set side by side, and it is said whom libvirt will believe."""

from diskchain.checks.compare import Seen, compare
from diskchain.storage.location import FileLocation
from diskchain.storage.source import DETECTED_TERMINATOR, TERMINATOR, UNKNOWN, Source, stack
from diskchain.storage.terms import Format, Unknown


def chain(*names: str, end: object = UNKNOWN) -> Source:
    assert isinstance(end, Unknown | type(TERMINATOR))
    return stack([Source(FileLocation(name), Format.QCOW2) for name in names], end)


def seen(name: str) -> Seen:
    return Seen(FileLocation(name), Format.QCOW2)


def test_a_document_that_names_only_its_top_agrees_with_any_headers() -> None:
    rows = compare(chain("a"), chain("a", "b", end=DETECTED_TERMINATOR), None)
    assert all(row.agree for row in rows)
    assert [row.next_start for row in rows] == ["document", "headers", "headers"]


def test_a_layer_the_document_has_and_the_header_has_not_differs() -> None:
    rows = compare(chain("a", "x", end=TERMINATOR), chain("a", "b", end=DETECTED_TERMINATOR), None)
    assert [row.agree for row in rows] == [True, False, True]
    assert (rows[1].document, rows[1].headers, rows[1].next_start) == (seen("x"), seen("b"), "document")


def test_an_end_above_more_headers_differs() -> None:
    rows = compare(chain("a", end=TERMINATOR), chain("a", "b", end=DETECTED_TERMINATOR), None)
    assert [row.agree for row in rows] == [True, False, True]
    assert rows[1].document == "end"


def test_a_merge_the_definition_does_not_know_of_shows_against_the_running_domain() -> None:
    rows = compare(
        chain("overlay"), chain("overlay", "base", end=DETECTED_TERMINATOR), chain("base", end=DETECTED_TERMINATOR)
    )
    assert [row.agree for row in rows] == [False, False, True]
    assert rows[0].running == seen("base")


def test_two_names_of_one_file_agree() -> None:
    rows = compare(chain("/d/a", "/d/b"), chain("/d/a", "/d/./x/../b"), None)
    assert all(row.agree for row in rows)
    assert not compare(chain("/l"), chain("/d/a"), None)[0].agree
    assert compare(chain("/l"), chain("/d/a"), None, resolve=lambda path: path.replace("/l", "/d/a"))[0].agree


def test_another_data_file_differs_and_one_that_is_not_declared_does_not() -> None:
    declared, found = (
        chain("a")._replace(data_file=Source(FileLocation(name), Format.RAW)) for name in ("d.raw", "e.raw")
    )
    assert not compare(declared, found, None)[0].agree
    assert compare(declared, declared, None)[0].agree
    assert compare(chain("a"), found, None)[0].agree


def test_a_disk_that_one_side_does_not_have_differs() -> None:
    (unplugged,) = compare(chain("a"), chain("a"), None, live=True)
    assert (unplugged.running, unplugged.agree) == ("absent", False)
    (plugged,) = compare(None, chain("a"), chain("a"), live=True)
    assert (plugged.document, plugged.agree) == ("absent", False)
