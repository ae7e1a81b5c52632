"""Layers are found by index, path, relative name and identity, in libvirt's order."""

import os
from pathlib import Path

import pytest

from diskchain.errors import LayerNotFound
from diskchain.storage.location import FileLocation, NetworkHost, NetworkLocation, describe_location
from diskchain.storage.lookup import Found, lookup_layer, parse_index
from diskchain.storage.runtime import Runtime
from diskchain.storage.source import TERMINATOR, Source, layers, stack
from diskchain.storage.terms import Protocol

TOP = stack(
    [
        Source(FileLocation("/v/top"), chain_index=1),
        Source(FileLocation("/v/mid"), chain_index=4, reference="mid"),
        Source(FileLocation("/v/low"), chain_index=2, runtime=Runtime(relative="low")),
        Source(NetworkLocation(Protocol.NBD, "base", (NetworkHost("h"),)), chain_index=3, reference="nbd://h/base"),
    ],
    TERMINATOR,
)
LAYERS = list(layers(TOP))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("vda[3]", ("vda", 3)),
        ("[3]", ("", 3)),
        ("vda[4294967295]", ("vda", 4294967295)),
        *(
            (plain, None)
            for plain in ("vda", "vda[0]", "vda[", "vda[]", "vda[1", "vda[x]", "vda[-1]", "vda[1]x", "a[b][1]", "[٣]")
        ),
        ("vda[4294967296]", None),
    ],
)
def test_an_index_is_a_number_in_brackets_at_the_end(name: str, expected: tuple[str, int] | None) -> None:
    assert parse_index(name) == expected


@pytest.mark.parametrize(("name", "position"), [("vda[1]", 0), ("vda[4]", 1), ("vda[2]", 2), ("sda[3]", 3)])
def test_an_index_means_the_layer_with_that_id(name: str, position: int) -> None:
    found = lookup_layer(TOP, name)
    assert found.layer is LAYERS[position]
    assert found.overlay is (LAYERS[position - 1] if position else None)


def test_an_indexed_name_must_carry_the_disks_target() -> None:
    assert lookup_layer(TOP, "vda[4]", target="vda").layer is LAYERS[1]
    with pytest.raises(LayerNotFound, match="not of vdb"):
        lookup_layer(TOP, "vda[4]", target="vdb")


@pytest.mark.parametrize(
    ("name", "position"), [("/v/top", 0), ("/v/mid", 1), ("mid", 1), ("low", 2), ("base", 3), ("nbd://h/base", 3)]
)
def test_a_name_means_the_layer_with_that_path_or_relative_string(name: str, position: int) -> None:
    assert lookup_layer(TOP, name).layer is LAYERS[position]


def test_no_name_means_the_last_layer() -> None:
    assert lookup_layer(TOP, None) == Found(LAYERS[3], LAYERS[2])
    assert lookup_layer(TOP, None, beneath=LAYERS[1]).layer is LAYERS[3]


@pytest.mark.parametrize("name", ["/v/other", "vda[9]", "vda[0]", "vda", ""])
def test_what_is_not_there_is_an_error_that_names_it(name: str) -> None:
    with pytest.raises(LayerNotFound) as caught:
        lookup_layer(TOP, name)
    assert caught.value.name == name
    assert caught.value.beneath is None


def test_only_layers_beneath_the_given_one_count() -> None:
    assert lookup_layer(TOP, "low", beneath=LAYERS[0]).layer is LAYERS[2]
    for name in ("mid", "/v/top", "vda[1]", "vda[4]"):
        with pytest.raises(LayerNotFound, match="beneath /v/mid") as caught:
            lookup_layer(TOP, name, beneath=LAYERS[1])
        assert caught.value.beneath == "/v/mid"
    with pytest.raises(LayerNotFound):
        lookup_layer(TOP, None, beneath=LAYERS[3])
    with pytest.raises(LayerNotFound, match="not in this chain"):
        lookup_layer(TOP, None, beneath=Source(FileLocation("/x")))


def test_another_name_of_the_same_file_is_found_by_identity(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    for name in ("top", "sub/mid"):
        (tmp_path / name).touch()
    (tmp_path / "link").symlink_to("sub/mid")
    top, mid = (Source(FileLocation(str(tmp_path / name))) for name in ("top", "sub/mid"))
    chain = stack([top, mid], TERMINATOR)

    def same_file(one: str, other: str) -> bool:
        return os.path.exists(one) and os.path.samefile(one, other)  # noqa: PTH110, PTH121 - paths are text here

    # Relative names start at the directory of the layer above; the top's at the working directory.
    for name in (str(tmp_path / "link"), "link", "sub/../sub/mid", f"{tmp_path}/sub/../sub/mid"):
        assert lookup_layer(chain, name, same_file=same_file).layer.location == mid.location
        with pytest.raises(LayerNotFound):
            lookup_layer(chain, name)
    with pytest.raises(LayerNotFound):
        lookup_layer(chain, "top", same_file=same_file)
    with pytest.raises(LayerNotFound):
        lookup_layer(chain, f"file:{tmp_path}/link", same_file=same_file)


def test_control_characters_of_a_name_are_escaped_in_the_error() -> None:
    with pytest.raises(LayerNotFound) as caught:
        lookup_layer(TOP, "a\x1b[2J")
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    ("protocol", "name", "shown"),
    [
        (Protocol.SSH, "/images/a", "ssh://h/images/a"),
        (Protocol.SSH, "a", "ssh://h/./a"),
        (Protocol.NFS, "/export/a", "nfs://h/export/a"),
        (Protocol.HTTP, "a", "http://h/a"),
    ],
)
def test_an_absolute_path_on_a_server_is_shown_with_one_slash(protocol: Protocol, name: str, shown: str) -> None:
    assert describe_location(NetworkLocation(protocol, name, (NetworkHost("h"),))) == shown
