"""What a header names, as a Source."""

import pytest

from diskchain.discover.resolve import CredentialsInside, referenced_source
from diskchain.storage.location import BlockLocation, FileLocation, NetworkHost, NetworkLocation
from diskchain.storage.seclabel import SecLabel
from diskchain.storage.source import Source
from diskchain.storage.terms import Format, Protocol


@pytest.mark.parametrize(
    ("overlay", "text", "path"),
    [
        ("/a/top", "/b/base", "/b/base"),
        ("/a/top", "base", "/a/base"),
        ("/a/top", "../b//base", "/a/../b//base"),
        ("/top", "base", "/base"),
        ("top", "base", "./base"),
        ("/a/top", "./has:colon", "/a/./has:colon"),
        ("/a/top", "dir/has:colon", "/a/dir/has:colon"),
        ("/a/top", "", "/a/"),
    ],
)
def test_a_file_name_is_joined_textually(overlay: str, text: str, path: str) -> None:
    for location in (FileLocation(overlay), BlockLocation(overlay)):
        assert referenced_source(Source(location), text, Format.RAW).location == FileLocation(path)


def test_a_relative_name_stays_on_the_server_of_its_overlay() -> None:
    overlay = NetworkLocation(Protocol.GLUSTER, "volume/dir/top", (NetworkHost("server"),))
    assert referenced_source(Source(overlay), "base", None).location == overlay._replace(name="volume/dir/base")


def test_a_login_inside_is_not_followed() -> None:
    with pytest.raises(CredentialsInside):
        referenced_source(Source(FileLocation("/top")), "https://user:word@host/disk", None)


def test_every_field_of_the_source_is_there_and_what_it_is_called() -> None:
    label = SecLabel("dac", relabel=False)
    parent = Source(FileLocation("/a/top"), Format.QCOW2, seclabels=(label,), shared=True, chain_index=3)
    assert referenced_source(parent, "base", Format.RAW) == Source(
        FileLocation("/a/base"),
        Format.RAW,
        seclabels=(label,),
        readonly=True,
        shared=True,
        reference="base",
        detected=True,
    )
