"""Which files an operation opens, and how."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diskchain.access.requirements import Access, Need, Role, needs, writable_depths
from diskchain.errors import UsageError
from diskchain.storage.location import FileLocation, NetworkLocation
from diskchain.storage.operation import Backup, Commit, Copy, Operation, Pull, Rebase, Snapshot, Start
from diskchain.storage.source import TERMINATOR, Source, layers, stack
from diskchain.storage.terms import Protocol
from tests.access.strategies import chains

FOUR = stack(
    [Source(FileLocation(f"/{name}"), readonly=name != "top") for name in ("top", "b", "a", "base")], TERMINATOR
)
NEW = Source(FileLocation("/new"))


def accesses(found: tuple[Need, ...]) -> str:
    """`top=W b=R`: the files in order, W for read-write."""
    letters = {Access.READ: "R", Access.WRITE: "W"}
    return " ".join(f"{(need.path or '?').strip('/')}={letters[need.access]}" for need in found)


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        (Start(), "top=W b=R a=R base=R"),
        (Commit(), "top=W b=R a=R base=W"),
        (Commit(base=2), "top=W b=R a=W base=R"),
        (Commit(base=3, top=1), "top=W b=R a=R base=W"),
        (Commit(base=3, top=2), "top=W b=W a=R base=W"),
        (Commit(online=False), "top=W b=R a=R base=W"),
        (Commit(base=2, top=1, online=False), "b=W a=W base=R"),
        (Pull(), "top=W b=R a=R base=R"),
        (Pull(base=2), "top=W b=R a=R base=R"),
        (Copy(NEW), "top=W b=R a=R base=R new=W"),
        (Snapshot(NEW), "top=W b=R a=R base=R new=W"),
        (Backup(NEW), "top=W b=R a=R base=R new=W"),
        (Start(NEW), "top=W b=R a=R base=R new=W"),
        (Rebase(), "top=W b=R a=R base=R"),
        (Rebase(1), "b=W a=R base=R"),
        (Rebase(1, NEW), "b=W a=R base=R new=R"),
        (Rebase(1, NEW, unsafe=True), "b=W"),
    ],
)
def test_each_operation_opens_these_files_this_way(operation: Operation, expected: str) -> None:
    assert accesses(needs(FOUR, operation)) == expected


def test_a_commit_into_the_base_needs_the_overlay_above_its_top_too() -> None:
    reasons = {need.path: need.because for need in needs(FOUR, Commit(base=3, top=2)) if need.access is Access.WRITE}
    assert "backing string" in reasons["/b"]
    assert "base" in reasons["/base"]


def test_a_read_only_disk_is_only_read_but_its_commit_still_writes_the_base() -> None:
    chain = FOUR._replace(readonly=True)
    assert accesses(needs(chain, Start())) == "top=R b=R a=R base=R"
    assert accesses(needs(chain, Commit())) == "top=R b=R a=R base=W"


def test_a_data_file_follows_its_image() -> None:
    base = Source(FileLocation("/base"), data_file=Source(FileLocation("/data")), readonly=True, backing=TERMINATOR)
    chain = Source(FileLocation("/top"), backing=base)
    assert accesses(needs(chain, Start())) == "top=W base=R data=R"
    assert accesses(needs(chain, Commit())) == "top=W base=W data=W"


def test_a_destination_may_have_to_be_made() -> None:
    found = needs(FOUR, Copy(NEW))
    assert [need.new for need in found] == [False] * 4 + [True]
    assert found[-1].role is Role.DESTINATION


def test_the_copy_s_own_backing_chain_is_read() -> None:
    destination = NEW._replace(backing=Source(FileLocation("/below")))
    assert accesses(needs(FOUR, Copy(destination)))[-13:] == "new=W below=R"


def test_only_a_shared_disk_shares_its_top_with_other_writers() -> None:
    shared = needs(FOUR._replace(shared=True), Start())
    assert [need.shared for need in shared] == [True, False, False, False]


def test_network_layers_have_no_path() -> None:
    chain = Source(NetworkLocation(Protocol.NBD), backing=TERMINATOR)
    assert needs(chain, Start())[0].path is None


@pytest.mark.parametrize(
    "operation", [Commit(base=4), Commit(base=1, top=1), Commit(base=0), Commit(top=-1), Pull(0), Pull(9), Rebase(4)]
)
def test_an_operation_that_does_not_fit_the_chain_is_refused(operation: Operation) -> None:
    with pytest.raises(UsageError):
        needs(FOUR, operation)


@given(chains(), st.data())
def test_a_commit_writes_the_base_and_at_most_one_layer_above_its_top(chain: Source, data: st.DataObject) -> None:
    count = len(list(layers(chain)))
    if count < 2:
        return
    base = data.draw(st.integers(1, count - 1))
    top = data.draw(st.integers(0, base - 1))
    before = {(need.path, need.access) for need in needs(chain, Start())}
    after = {(need.path, need.access) for need in needs(chain, Commit(base, top))}
    written = {path for path, access in after - before if access is Access.WRITE}
    allowed = {f"/images/{depth}{end}" for depth in (base, top - 1) for end in ("", ".data")}
    assert written <= allowed
    assert f"/images/{base}" in written
    assert writable_depths(chain, Commit(base, top)) == {base} | ({top - 1} if top else set())


@given(chains())
def test_every_file_of_a_chain_is_needed_to_start(chain: Source) -> None:
    files = [layer.location for layer in layers(chain)]
    files += [layer.data_file.location for layer in layers(chain) if layer.data_file]
    assert {need.source.location for need in needs(chain, Start())} == set(files)
