"""A chain is the sequence of its layers, top first; and it is shown in one line."""

from collections.abc import Sequence
from copy import copy

import pytest

from diskchain.discover import BackingChain, Layer, Origin
from diskchain.errors import LayerNotFound
from diskchain.findings import finding
from diskchain.storage.location import FileLocation, Location, NetworkHost, NetworkLocation
from diskchain.storage.protocol_options import HttpOptions
from diskchain.storage.source import TERMINATOR, UNKNOWN, Backing, Source
from diskchain.storage.terms import Format, Protocol


def chain_of(*sources: Source, end: Backing = TERMINATOR) -> BackingChain:
    layer: Layer | None = None
    below = end
    for source in reversed(sources):
        below = source._replace(backing=below)
        layer = Layer(below, layer, Origin.DECLARED)
    assert layer is not None
    return BackingChain(layer)


def source(path: str, index: int | None = None, *, location: Location | None = None) -> Source:
    return Source(location or FileLocation(path), Format.QCOW2, chain_index=index, reference=path.rpartition("/")[2])


THREE = chain_of(source("/vm/top.qcow2", 1), source("/vm/mid.qcow2", 4), source("/vm/base.qcow2", 2))


def test_a_chain_is_a_sequence_of_its_layers() -> None:
    assert isinstance(THREE, Sequence)
    assert len(THREE) == 3
    assert [*THREE] == [*THREE.layers]
    assert [layer.source.location.path for layer in THREE if isinstance(layer.source.location, FileLocation)] == [
        "/vm/top.qcow2",
        "/vm/mid.qcow2",
        "/vm/base.qcow2",
    ]
    assert [*reversed(THREE)] == [*THREE][::-1]


def test_a_layer_is_found_by_its_position() -> None:
    top, mid, base = THREE
    assert THREE[0] is THREE.top is top
    assert THREE[1] is mid
    assert THREE[-1] is base
    assert THREE.index(base) == 2
    for number in (3, -4):
        with pytest.raises(IndexError):
            THREE[number]


def test_a_slice_is_a_tuple_of_layers() -> None:
    top, mid, base = THREE
    assert THREE[1:] == (mid, base)
    assert THREE[:-1] == (top, mid)
    assert THREE[::-1] == (base, mid, top)
    assert THREE[5:] == ()


def test_a_chain_from_a_layer_down_begins_with_that_layer() -> None:
    lower = BackingChain(THREE[1])
    assert [*lower] == [*THREE[1:]]
    assert lower.source is THREE[1].source


def test_a_chain_knows_its_layers() -> None:
    other = chain_of(source("/vm/other.qcow2"))
    assert all(layer in THREE for layer in THREE)
    assert other.top not in THREE


@pytest.mark.parametrize(
    ("name", "position"),
    [("vda[4]", 1), ("vda:1", 1), ("/vm/base.qcow2", 2), ("mid.qcow2", 1), ("vda[1]", 0), ("/vm/top.qcow2", 0)],
)
def test_a_layer_is_found_by_its_name(name: str, position: int) -> None:
    assert THREE[name] is THREE.find(name) is THREE[position]


def test_without_indexes_the_brackets_hold_a_position() -> None:
    chain = chain_of(source("/vm/top.qcow2"), source("/vm/base.qcow2"))
    assert chain["vda[1]"] is chain["sda:1"] is chain[1]
    assert chain["vda[0]"] is chain.top


def test_a_base_name_of_two_layers_names_none() -> None:
    chain = chain_of(source("/vm/a/disk"), source("/vm/b/disk"), source("/vm/base"))
    with pytest.raises(LayerNotFound, match="several layers"):
        chain["disk"]
    assert chain["/vm/b/disk"] is chain[1]


@pytest.mark.parametrize("name", ["vda[9]", "vda:3", "/vm/other.qcow2", ""])
def test_a_name_that_no_layer_has_is_an_error_of_ours(name: str) -> None:
    with pytest.raises(LayerNotFound):
        THREE[name]


def test_chains_are_equal_when_their_evidence_is() -> None:
    again = chain_of(source("/vm/top.qcow2", 1), source("/vm/mid.qcow2", 4), source("/vm/base.qcow2", 2))
    assert again == THREE
    assert hash(again) == hash(THREE)
    assert len({again, THREE}) == 1
    assert BackingChain(THREE[1]) != THREE
    assert tuple(THREE) != THREE


def test_a_chain_cannot_be_changed_and_can_be_copied() -> None:
    with pytest.raises(AttributeError):
        THREE.top = THREE[1]  # type: ignore[misc]
    assert copy(THREE) == THREE


def test_a_chain_is_complete_when_its_last_layer_ends_it() -> None:
    assert THREE.complete
    assert not chain_of(source("/a"), end=UNKNOWN).complete


# --------------------------------------------------------------------------------------------------------------- repr


def test_a_chain_is_shown_in_one_line_by_the_last_parts_of_its_paths() -> None:
    assert repr(THREE) == "<BackingChain 3 layers: top.qcow2 ← mid.qcow2 ← base.qcow2, complete>"
    nbd = NetworkLocation(Protocol.NBD, "x", (NetworkHost("h"),))
    alone = chain_of(source("", location=nbd), end=UNKNOWN)
    assert repr(alone) == "<BackingChain 1 layer: nbd://h/x, incomplete>"


def test_a_layer_is_shown_in_one_line() -> None:
    top = Layer(THREE.source, THREE[1], Origin.RECORDED, findings=(finding("dirty", "in use"),))
    assert repr(top) == "<Layer /vm/top.qcow2 qcow2 [1] (recorded), 2 below, 1 finding>"


def test_a_source_is_shown_in_one_line() -> None:
    assert repr(THREE.source) == "<Source /vm/top.qcow2 qcow2 [1], 2 below, complete>"
    assert repr(Source(FileLocation(None))) == "<Source an empty drive, not known to its end>"
    shared = Source(FileLocation("/a\n"), readonly=True, shared=True, backing=TERMINATOR)
    assert repr(shared) == r"<Source /a\n readonly shared, complete>"


def test_what_is_shown_of_200_layers_is_short() -> None:
    deep = chain_of(*(source(f"/vm/{number}.qcow2") for number in range(200)))
    assert repr(deep) == "<BackingChain 200 layers: 0.qcow2 ← 1.qcow2 ← 196 more ← 198.qcow2 ← 199.qcow2, complete>"
    for value in (deep.top, deep.source):
        assert "\n" not in repr(value)
        assert len(repr(value)) < 100


def test_no_secret_is_shown() -> None:
    options = HttpOptions(query="token=hunter2")
    web = NetworkLocation(Protocol.HTTPS, "a", (NetworkHost("h"),), options)
    chain = chain_of(Source(web, reference="https://me:hunter2@h/a?token=hunter2"))
    for value in (chain, chain.top, chain.source):
        assert "hunter2" not in repr(value)
