"""Relative backing strings: libvirt's textual rule, and computed ones that the kernel and QEMU agree with."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.live.peers import requires
from tests.live.storage import QemuImg
from tests.readers.servers import web_server
from tests.storage.servers import HOST

from diskchain.errors import UsageError
from diskchain.storage.location import (
    BlockLocation,
    FileLocation,
    Location,
    NetworkHost,
    NetworkLocation,
    NvmeLocation,
    PciAddress,
)
from diskchain.storage.protocol_options import HttpOptions
from diskchain.storage.reference.value import is_relative
from diskchain.storage.relative import relative_path, relative_reference
from diskchain.storage.runtime import Runtime
from diskchain.storage.source import TERMINATOR, Source, layers, stack
from diskchain.storage.terms import Protocol


def chain(*references: str | None) -> list[Source]:
    top = stack([Source(FileLocation(f"/{n}"), reference=text) for n, text in enumerate(references)], TERMINATOR)
    return list(layers(top))


@pytest.mark.parametrize(
    ("references", "expected"),
    [
        (["mid"], "mid"),
        (["mid", "base"], "base"),
        (["../volume/image2", "../volume/image3"], "../volume/../volume/image3"),
        (["a/b", "c/d", "e"], "a/c/e"),
        (["/mid", "base"], None),
        (["mid", "/base"], None),
        (["mid", None], None),
        (["mid", "nbd://h/x"], None),
        (["mid", 'json:{"driver":"file","filename":"base"}'], None),
    ],
)
def test_relative_names_are_joined_as_text(references: list[str | None], expected: str | None) -> None:
    found = chain(*references)
    assert relative_reference(found[0], found[-1]) == expected


def test_what_a_running_domain_remembers_comes_first() -> None:
    layer = Source(FileLocation("/a"), reference="/abs", runtime=Runtime(relative="rel"))
    assert relative_reference(layer, layer) == "rel"


def test_a_base_that_is_not_in_the_chain_is_an_error_even_where_names_are_absolute() -> None:
    top, other = chain("/a", "b")[0], chain("x")[0]
    with pytest.raises(UsageError):
        relative_reference(top, other)


_parts = st.lists(st.sampled_from(["a", "b:c", "d e", "é"]), min_size=1, max_size=4)


@given(_parts, _parts)
def test_a_computed_name_leads_from_the_overlay_to_the_base(overlay: list[str], base: list[str]) -> None:
    overlay_path, base_path = "/" + "/".join(overlay), "/" + "/".join(base)
    text = relative_path(FileLocation(overlay_path), BlockLocation(base_path))
    assert is_relative(text)
    assert os.path.normpath(os.path.join(os.path.dirname(overlay_path), text)) == base_path  # noqa: PTH118, PTH120


@pytest.mark.parametrize(
    ("overlay", "base", "text"),
    [
        ("/a/top", "/a/base", "base"),
        ("/a/top", "/b/base", "../b/base"),
        ("/a/b/top", "/base", "../../base"),
        ("/top", "/a/base", "a/base"),
        ("/a/top", "/a/b:c", "./b:c"),
        ("/a/top", "/a/b:c/d", "./b:c/d"),
        ("/a/top", "/a/../a/base", "base"),
    ],
)
def test_the_shortest_name_is_computed(overlay: str, base: str, text: str) -> None:
    assert relative_path(FileLocation(overlay), FileLocation(base)) == text


def gluster(name: str, host: str = "h") -> NetworkLocation:
    return NetworkLocation(Protocol.GLUSTER, name, (NetworkHost(host),))


def http(name: str, query: str | None = None) -> NetworkLocation:
    return NetworkLocation(Protocol.HTTP, name, (NetworkHost("h"),), HttpOptions(query=query))


def test_images_on_one_server_have_relative_names_too() -> None:
    assert relative_path(gluster("v/a/top"), gluster("v/base")) == "../base"
    assert relative_path(http("a/top"), http("b/base")) == "../b/base"


@pytest.mark.parametrize("name", ["a b", "100%", "p%41", "q?z", "n#1"])
def test_what_qemu_would_read_as_a_uri_and_libvirt_as_it_stands_has_no_relative_name(name: str) -> None:
    for there in (http, gluster):
        with pytest.raises(UsageError, match="part of a URI"):
            relative_path(there("v/top"), there(f"v/{name}"))
    assert relative_path(http("v/top"), http("v/é:b+[c]")) == "./é:b+[c]"


@requires("nginx")
@pytest.mark.qemu
@pytest.mark.parametrize("name", ["base", "é", "a:b", "t;u=v", "a+b&c", "[x]", "a'b"])
def test_qemu_opens_the_base_beside_on_a_web_server_by_its_computed_name(
    name: str, tmp_path: Path, qemu_img: QemuImg
) -> None:
    with web_server(tmp_path) as web:
        (web.files / "d").mkdir()
        (web.files / "d" / name).write_bytes(bytes(4096))
        host = (NetworkHost(HOST, web.port),)
        top, base = (NetworkLocation(Protocol.HTTP, path, host) for path in ("o/top.qcow2", f"d/{name}"))
        (web.files / "o").mkdir()
        text = relative_path(top, base)
        qemu_img("create", "-q", "-u", "-f", "qcow2", "-b", text, "-F", "raw", web.files / "o" / "top.qcow2", "4096")
        assert "\nfile format: raw" in qemu_img("info", "--backing-chain", f"http://{HOST}:{web.port}/o/top.qcow2")


@pytest.mark.parametrize(
    ("overlay", "base"),
    [
        (FileLocation("a"), FileLocation("/b")),
        (FileLocation("/a"), FileLocation("b")),
        (FileLocation(None), FileLocation("/b")),
        (FileLocation("/a"), FileLocation("/b/")),
        (FileLocation("/a"), gluster("v/b")),
        (gluster("v/a"), gluster("w/a")),
        (gluster("v/a"), gluster("v/b", "other")),
        (http("a", "x"), http("b")),
        (NetworkLocation(Protocol.NBD, "a"), NetworkLocation(Protocol.NBD, "b")),
        (NvmeLocation(PciAddress(0, 1, 0, 0), 1), FileLocation("/a")),
    ],
)
def test_there_is_no_relative_name_across_servers_or_kinds(overlay: Location, base: Location) -> None:
    with pytest.raises(UsageError):
        relative_path(overlay, base)


def test_qemu_opens_the_base_by_its_computed_name_through_symlinks(tmp_path: Path, qemu_img: QemuImg) -> None:
    (tmp_path / "real" / "deep").mkdir(parents=True)
    (tmp_path / "pool").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real" / "deep")
    base, top = tmp_path / "pool" / "ba:se.raw", tmp_path / "link" / "top.qcow2"
    base.write_bytes(bytes(4096))
    text = relative_path(FileLocation(str(top)), FileLocation(str(base)), os.path.realpath)
    assert text == "../../pool/ba:se.raw"
    qemu_img("create", "-q", "-f", "qcow2", "-b", text, "-F", "raw", top)
    assert "virtual size: 4 KiB" in qemu_img("info", top)
    assert (
        relative_path(FileLocation(str(top)), FileLocation(str(base))) == "../pool/ba:se.raw"
    )  # text alone cannot know
