"""What each of the four views reads, drops and adds."""

import pytest

from diskchain.errors import UsageError, XmlError
from diskchain.guest.mirror import Mirror
from diskchain.guest.terms import MirrorJob
from diskchain.libvirtxml.codec import format_backing_store, format_disk, format_source, parse_disk
from diskchain.libvirtxml.view import View
from diskchain.storage.location import FileLocation, NetworkHost, NetworkLocation
from diskchain.storage.protocol_options import Cookie, HttpOptions
from diskchain.storage.source import DETECTED_TERMINATOR, TERMINATOR, UNKNOWN, Reservations, Source
from diskchain.storage.terms import Format, Protocol, StorageType

_RUNNING = """\
<disk type='volume' device='disk'>
  <driver name='qemu' type='qcow2'/>
  <source pool='p' volume='v' actualType='network' protocol='nbd' name='x' tls='yes' tlsFromConfig='1' index='1'>
    <host name='h' port='10809'/>
    <encryption format='luks'>
      <secret type='passphrase' usage='k'/>
    </encryption>
    <privateData>
      <nodenames>
        <nodename type='storage' name='libvirt-1-storage'/>
      </nodenames>
      <objects>
        <secret type='encryption' alias='e0'/>
        <TLSx509 alias='t'/>
      </objects>
    </privateData>
  </source>
  <mirror type='file' file='/m' format='qcow2' job='copy' ready='yes'>
    <format type='qcow2'/>
    <source file='/m' index='5'/>
    <backingStore/>
  </mirror>
  <target dev='vda' bus='virtio'/>
  <alias name='virtio-disk0'/>
  <privateData>
    <qom name='/machine/x'/>
  </privateData>
  <diskSecretsPlacement enc='true'/>
</disk>
"""


def test_a_status_document_says_everything() -> None:
    disk = parse_disk(_RUNNING, view=View.STATUS)
    moved = _RUNNING.replace(
        """    <encryption format='luks'>
      <secret type='passphrase' usage='k'/>
    </encryption>
""",
        "",
    ).replace(
        "  <alias",
        """  <encryption format='luks'>
    <secret type='passphrase' usage='k'/>
  </encryption>
  <alias""",
    )
    assert format_disk(disk, view=View.STATUS) == moved


@pytest.mark.parametrize(
    ("view", "words"),
    [
        (View.INACTIVE, []),
        (View.MIGRATABLE, []),
        (View.LIVE, ["mirror", "index=", "alias"]),
        (
            View.STATUS,
            ["mirror", "index=", "alias", "privateData", "actualType", "tlsFromConfig", "diskSecretsPlacement"],
        ),
    ],
)
def test_a_view_says_no_more_than_it_shows(view: View, words: list[str]) -> None:
    text = format_disk(parse_disk(_RUNNING, view=View.STATUS), view=view)
    everything = ["mirror", "index=", "alias", "privateData", "actualType", "tlsFromConfig", "diskSecretsPlacement"]
    assert [word for word in everything if word in text] == words


@pytest.mark.parametrize("view", [View.INACTIVE, View.MIGRATABLE])
def test_reading_a_configuration_ignores_what_only_runs(view: View) -> None:
    disk = parse_disk(_RUNNING, view=view)
    assert disk.mirror is None
    assert disk.runtime is None
    assert disk.info.alias is None
    assert disk.source.chain_index is None
    assert disk.source.runtime is None


def test_reading_a_live_document_ignores_what_the_daemon_keeps_for_itself() -> None:
    disk = parse_disk(_RUNNING)
    assert disk.mirror == Mirror(
        Source(FileLocation("/m"), Format.QCOW2, TERMINATOR, chain_index=5),
        MirrorJob.COPY,
        None if disk.mirror is None else disk.mirror.ready,
    )
    assert disk.source.runtime is None
    assert disk.runtime is None


def test_a_relabelled_label_without_a_text_is_read_in_every_view() -> None:
    text = (
        "<disk type='file'><source file='/a'><seclabel model='dac' relabel='yes'/></source><target dev='vda'/></disk>"
    )
    assert parse_disk(text).source.seclabels
    assert parse_disk(text, view=View.INACTIVE).source.seclabels


def test_the_old_style_of_a_mirror_means_the_same_as_the_new() -> None:
    old = "<disk type='file'><mirror file='/m' format='raw' ready='yes'/><target dev='vda'/></disk>"
    new = format_disk(parse_disk(old), view=View.LIVE)
    assert "<mirror type='file' file='/m' format='raw' job='copy' ready='yes'>" in new
    assert parse_disk(new).mirror == parse_disk(old).mirror


def test_a_mirror_of_a_commit_is_said_in_the_new_style_alone() -> None:
    text = (
        "<disk type='file'><mirror type='file' job='active-commit'><format type='raw'/><source file='/m'/></mirror>"
        "<target dev='vda'/></disk>"
    )
    assert "<mirror type='file' job='active-commit'>" in format_disk(parse_disk(text), view=View.LIVE)


@pytest.mark.parametrize(
    "mirror",
    ["<mirror job='odd' file='/m'/>", "<mirror job='active-commit' file='/m'/>", "<mirror/>", "<mirror type='file'/>"],
)
def test_a_mirror_that_makes_no_sense_is_refused(mirror: str) -> None:
    text = f"<disk type='file'>{mirror}<target dev='vda'/></disk>"
    assert parse_disk(text, view=View.INACTIVE).mirror is None
    with pytest.raises(XmlError):
        parse_disk(text)


def test_a_configuration_has_nothing_that_was_detected() -> None:
    base = Source(FileLocation("/base"), Format.RAW, DETECTED_TERMINATOR, readonly=True, detected=True)
    mid = Source(FileLocation("/mid"), Format.QCOW2, base, readonly=True, data_file=base._replace(backing=UNKNOWN))
    text = format_backing_store(mid, view=View.INACTIVE)
    assert "/base" not in text
    assert "<backingStore/>" not in text
    live = format_backing_store(mid, view=View.LIVE)
    assert live.count("/base") == 2
    assert "<backingStore/>" in live
    assert format_backing_store(DETECTED_TERMINATOR, view=View.INACTIVE) == ""
    assert format_backing_store(TERMINATOR) == "<backingStore/>\n"


def test_cookies_are_written_only_when_asked_for() -> None:
    options = HttpOptions(cookies=(Cookie("session", "s3cret"),))
    source = Source(NetworkLocation(Protocol.HTTPS, "p", (NetworkHost("h"),), options))
    assert "s3cret" not in format_source(source)
    assert "<cookie name='session'>s3cret</cookie>" in format_source(source, secure=True)
    assert "s3cret" in format_source(source, view=View.STATUS)


def test_another_host_is_not_told_where_this_one_keeps_its_helper() -> None:
    source = Source(FileLocation("/a"), reservations=Reservations(managed=True, socket="/run/pr"))
    assert "/run/pr" in format_source(source)
    assert "/run/pr" not in format_source(source, view=View.MIGRATABLE)
    own = source._replace(reservations=Reservations(managed=False, socket="/run/pr"))
    assert "/run/pr" in format_source(own, view=View.MIGRATABLE)


def test_tls_that_qemu_conf_asked_for_is_not_told_to_another_host() -> None:
    location = NetworkLocation(Protocol.NBD, "x", (NetworkHost("h"),), tls=True, tls_from_config=True)
    assert " tls='yes'" in format_source(Source(location))
    assert " tls=" not in format_source(Source(location), view=View.MIGRATABLE)


@pytest.mark.parametrize("name", ["a\0b", "a\x1bb", "a\udc80b", "a\uffffb"])
def test_what_xml_cannot_hold_is_refused_not_dropped(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        format_source(Source(FileLocation(f"/{name}")))
    assert str(caught.value).isprintable()


def test_what_libvirt_has_no_word_for_is_refused() -> None:
    with pytest.raises(UsageError, match="needs a format"):
        format_backing_store(Source(FileLocation("/a")))
    with pytest.raises(UsageError, match="luks"):
        format_backing_store(Source(FileLocation("/a"), Format.LUKS))


def test_libvirts_names_of_formats_are_translated() -> None:
    text = format_backing_store(Source(FileLocation("/a"), Format.VHDX, Source(FileLocation("/b"), Format.PARALLELS)))
    assert "type='vhd'" in text
    assert "type='ploop'" in text


def test_indentation_is_that_of_the_place() -> None:
    text = format_source(Source(FileLocation("/a"), data_file=Source(FileLocation("/d"), Format.RAW)), indent=6)
    assert [len(line) - len(line.lstrip()) for line in text.splitlines()] == [6, 8, 10, 10, 8, 6]


def test_every_type_of_storage_has_its_word() -> None:
    from diskchain.libvirtxml.vocabulary import FORMAT_WORDS, STORAGE_TYPES

    assert set(STORAGE_TYPES.values()) == set(StorageType)
    assert set(FORMAT_WORDS) == set(Format) - {Format.LUKS}
