"""Histories of scans: after the last one the catalogue knows what is true, and the counts it keeps are those it would find anew."""

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from diskchain.catalogue.dependents import above, count_above
from diskchain.catalogue.load import Loader
from diskchain.catalogue.tables import FILE, NAME
from diskchain.schema.scan import ScanLine
from tests.catalogue.conftest import emptied
from tests.catalogue.fleet import Host, Image, Store, dependents, scan

PATHS = [f"/{name}" for name in ("a", "b", "c", "d/e", "d/f", "g")]


@st.composite
def stores(draw: st.DrawFn) -> Store:
    """Any graph of references, circles and files that are not there among them."""
    files = {}
    for number, path in enumerate(PATHS):
        if draw(st.integers(0, 3)):
            backing = draw(st.sampled_from([None, *PATHS]))
            data = draw(st.sampled_from([None, None, None, *PATHS]))
            inode = number + 10 * draw(st.integers(1, 2))
            files[path] = Image(inode, backing, data)
    return Store("nfs:server:/srv", files)


def load(engine: Engine, *scans: list[ScanLine]) -> None:
    with Loader(engine) as loader:
        for lines in scans:
            loader.load(lines)


def assert_true(engine: Engine, store: Store) -> None:
    """Every file's dependents and their count are those of the store as it is now."""
    with engine.connect() as connection:
        known = {row.inode: row.id for row in connection.execute(select(FILE).where(FILE.c.scan.is_not(None)))}
        assert known.keys() == {str(image.inode) for image in store.files.values()}
        inodes = {number: inode for inode, number in known.items()}
        for image in store.files.values():
            number = known[str(image.inode)]
            found = {int(inodes[each]) for each in above(connection, number)}
            assert found == dependents(store, image.inode)
            assert count_above(connection, number) == len(found)
        names = {row.path for row in connection.execute(select(NAME))}
        assert {f"/mnt{path}" for path in store.files} <= names


def assert_history(engine: Engine, history: list[Store]) -> None:
    emptied(engine)
    for clock, store in enumerate(history):
        load(engine, scan(Host("one", {"/mnt": store}), ["/mnt"], clock=clock))
        assert_true(engine, store)


HISTORIES = st.lists(stores(), min_size=1, max_size=4)


@given(history=HISTORIES)
@settings(max_examples=60)
def test_after_any_history_of_scans_the_last_one_is_true(sqlite_engine: Engine, history: list[Store]) -> None:
    assert_history(sqlite_engine, history)


@given(history=HISTORIES)
@settings(max_examples=10)  # a statement costs ten times what it costs in SQLite
def test_so_it_is_in_postgresql(postgres_engine: Engine, history: list[Store]) -> None:
    assert_history(postgres_engine, history)
