"""Questions to a catalogue of a fleet whose truth is known: several hosts, stores that they share, scans that ended early."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from diskchain.catalogue.audit import audit
from diskchain.catalogue.coverage import coverage
from diskchain.catalogue.dependents import above, described, files_at, files_below
from diskchain.catalogue.load import Loader
from diskchain.catalogue.names import of_column, to_column
from diskchain.catalogue.unreferenced import unreferenced
from diskchain.catalogue.what_if import What, what_if
from diskchain.schema.scan import ScanLine
from tests.catalogue.fleet import Host, Image, Store, scan

LATER = 1e12


def chain() -> Store:
    """Base <- mid <- top, base <- sib; and one that nothing needs."""
    return Store(
        "nfs:server:/srv",
        {
            "/base": Image(1),
            "/mid": Image(2, "/base"),
            "/top": Image(3, "/mid"),
            "/sib": Image(4, "/base"),
            "/old": Image(5),
        },
    )


def load(engine: Engine, *scans: list[ScanLine]) -> None:
    with Loader(engine) as loader:
        for lines in scans:
            loader.load(lines)


def broken(engine: Engine, what: What, path: str) -> set[tuple[str, str]]:
    with engine.connect() as connection:
        (file,) = files_at(connection, path)
        found = what_if(connection, what, file)
        return {(each.effect, each.file.path) for each in found}


def states(engine: Engine) -> dict[str, str]:
    with engine.connect() as connection:
        return {each.file.path: each.state for each in unreferenced(connection, LATER)}


def test_a_file_that_two_hosts_see_is_one_file_with_the_domains_of_both(engine: Engine) -> None:
    store = chain()
    one, two = Host("one", {"/mnt": store}, {"web": ["/mnt/top"]}), Host("two", {"/srv": store}, {"db": ["/srv/sib"]})
    load(engine, scan(one, ["/mnt"]), scan(two, ["/srv"]))
    with engine.connect() as connection:
        (base,) = files_at(connection, "/mnt/base")
        assert files_at(connection, "/srv/base") == [base]
        found = list(described(connection, above(connection, base)))
        assert {(each.path, each.depth) for each in found} == {("/mnt/mid", 1), ("/mnt/sib", 1), ("/mnt/top", 2)}
        assert {use.domain for each in found for use in each.domains} == {"web", "db"}
        assert {place.host for each in found for place in each.places} == {"one", "two"}
        assert coverage(connection).is_whole
        assert audit(connection) == []
    assert states(engine) == {"/mnt/old": "unreferenced"}


def test_what_a_change_breaks(engine: Engine) -> None:
    load(engine, scan(Host("one", {"/m": chain()}, {"web": ["/m/top"]}), ["/m"]))
    assert broken(engine, "delete", "/m/mid") == {("invalid", "/m/top")}
    assert broken(engine, "delete", "/m/old") == set()
    assert broken(engine, "delete", "/m/top") == {("invalid", "/m/top")}
    assert broken(engine, "commit", "/m/mid") == {("invalid", "/m/sib"), ("re-point", "/m/top")}
    assert broken(engine, "commit", "/m/base") == set()
    assert broken(engine, "move", "/m/base") == {("re-point", "/m/mid"), ("re-point", "/m/sib")}
    assert broken(engine, "move", "/m/top") == {("re-point", "/m/top")}


def test_a_host_that_sees_a_store_and_was_not_asked_makes_its_files_unknown(engine: Engine) -> None:
    store = chain()
    one, two = Host("one", {"/m": store}, {"web": ["/m/top"]}), Host("two", {"/m": store}, {"db": ["/m/old"]})
    load(engine, scan(one, ["/m"]), scan(two, [], domains=False))
    assert states(engine)["/m/old"] == "unknown"
    load(engine, scan(two, []))
    assert "/m/old" not in states(engine)


def test_a_scan_that_was_cut_off_takes_nothing_for_gone(engine: Engine) -> None:
    store = chain()
    host = Host("one", {"/m": store}, {"web": ["/m/top"]})
    load(engine, scan(host, ["/m"]))
    lines = len(scan(host, ["/m"]))
    for after in range(1, lines):
        load(engine, scan(host, ["/m"], cut_after=after))
        with engine.connect() as connection:
            (base,) = files_at(connection, "/m/base")
            assert len(above(connection, base)) == 3
            assert audit(connection) == []
    del store.files["/old"]
    load(engine, scan(host, ["/m"]))
    assert states(engine) == {"/m/sib": "unreferenced"}


def test_what_is_below_a_directory_goes_by_letters_and_by_no_language(engine: Engine) -> None:
    lower, upper = Store("local:one:ext4:l", {"/x": Image(1)}), Store("local:one:ext4:u", {"/x": Image(2)})
    host = Host("one", {"/srv": lower, "/SRV": upper, "/srv-old": upper})
    load(engine, scan(host, ["/srv", "/SRV", "/srv-old"]))
    load(engine, scan(host, ["/srv"]))
    with engine.connect() as connection:
        assert [len(files_at(connection, f"{root}/x")) for root in ("/srv", "/SRV", "/srv-old")] == [1, 1, 1]
        assert files_below(connection, "/srv") == files_at(connection, "/srv/x")


def test_a_base_of_a_place_nobody_scanned_is_known_by_what_names_it(engine: Engine) -> None:
    shared = Store("nfs:server:/bases", {"/golden": Image(9)})

    local = Store("local:one:ext4:x", {"/vm": Image(1)})
    host = Host("one", {"/bases": shared, "/vms": local}, {"web": ["/vms/vm"]})
    lines = scan(host, ["/vms"])
    named = [line if line.file is None else _over(line, shared.name) for line in lines]
    load(engine, named)
    with engine.connect() as connection:
        (golden,) = files_at(connection, "/bases/golden")
        (file,) = described(connection, {golden: 0})
        assert (file.scanned, file.dependents) == (False, 1)
    load(engine, scan(Host("two", {"/b": shared}), ["/b"]))
    with engine.connect() as connection:
        assert files_at(connection, "/b/golden") == [golden]
        (file,) = described(connection, {golden: 0})
        assert (file.scanned, file.dependents) == (True, 1)


def _over(line: ScanLine, store: str) -> ScanLine:
    """The same file as an overlay of /bases/golden."""
    from msgspec.structs import replace

    from diskchain.schema.scan import ReferenceDocument

    named = ReferenceDocument(
        kind="backing", text="/bases/golden", state="resolved", path="/bases/golden", store=store, inode="9"
    )
    assert line.file is not None
    return replace(line, file=replace(line.file, references=(named,)))


def test_lines_of_two_scans_may_be_mixed(engine: Engine) -> None:
    store = chain()
    one = scan(Host("one", {"/m": store}, {"web": ["/m/top"]}), ["/m"])
    two = scan(Host("two", {"/n": store}), ["/n"])
    mixed = [line for pair in zip(one, two, strict=False) for line in pair] + one[len(two) :] + two[len(one) :]
    load(engine, mixed)
    with engine.connect() as connection:
        assert coverage(connection).is_whole
        (base,) = files_at(connection, "/n/base")
        assert len(above(connection, base)) == 3
        assert audit(connection) == []


@given(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
    | st.binary().map(lambda raw: raw.replace(b"\0", b"").decode("utf-8", "surrogateescape"))
)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_a_name_is_in_a_column_as_text_and_comes_back(name: str) -> None:
    column = to_column(name)
    column.encode()
    assert of_column(column) == name
    assert "\0" not in column
