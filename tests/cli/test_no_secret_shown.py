"""A password in a backing string comes out of no command, no value's repr and no error, in whatever syntax it is."""

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.discover.written import write_qcow2
from tests.storage.test_reference_secrets import HOLDING, MALFORMED

from diskchain.cli.main import main
from diskchain.discover import Discoverer
from diskchain.image.inspect import inspect
from diskchain.qemu.blockdev import blockdev
from diskchain.readers.local import open_local
from diskchain.storage.location import FileLocation, NetworkHost, NetworkLocation
from diskchain.storage.protocol_options import HttpOptions
from diskchain.storage.source import Source
from diskchain.storage.terms import Format, Protocol

SECRET = "hunter2"  # noqa: S105 - the secret that must not come out again
TEXTS = [row[0] for row in HOLDING] + MALFORMED[:-1]

COMMANDS = [
    ("show", "-f", "qcow2", "{image}"),
    ("show", "-f", "qcow2", "{image}", "--json"),
    ("show", "-f", "qcow2", "{image}", "--policy", "strict"),
    ("show", "{document}"),
    ("check", "{image}"),
    ("check", "{image}", "--json"),
    ("check", "{image}", "--sarif"),
    ("check", "{image}", "--policy", "upload", "--json"),
    ("check", "{document}"),
    ("info", "{image}"),
    ("info", "{image}", "--json"),
    ("diff", "{document}"),
    ("diff", "{document}", "--json"),
    ("complete", "{document}"),
    ("blockdev", "{image}"),
    ("blockdev", "{image}", "--as", "json"),
    ("blockdev", "{image}", "--as", "qsd"),
    ("secrets", "{image}"),
    ("open", "{image}", "--", "true"),
    ("access", "{image}", "--as", "0"),
]


def overlay(directory: Path, text: str) -> dict[str, str]:
    """Paths of an image over ``text`` and of a document with it."""
    image, document = directory / "top.qcow2", directory / "vm.xml"
    write_qcow2(image, text, "raw")
    document.write_text(
        "<domain><name>vm</name><devices><disk type='file' device='disk'><driver name='qemu' type='qcow2'/>"
        f"<source file='{image}'/><target dev='vda'/></disk></devices></domain>"
    )
    return {"image": str(image), "document": str(document)}


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_shows_it(command: tuple[str, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for text in TEXTS:
        paths = overlay(tmp_path, text)
        assert main([word.format(**paths) for word in command]) in range(4)
        out, err = capfd.readouterr()
        assert out + err != ""
        assert SECRET not in out, text
        assert SECRET not in err, text


@pytest.mark.parametrize("text", TEXTS)
def test_no_value_shows_it(text: str, tmp_path: Path) -> None:
    image = overlay(tmp_path, text)["image"]
    chain = Discoverer().discover(Source(FileLocation(image), Format.QCOW2))
    shown = [f"{each!r} {each}" for each in (chain, *chain.layers, *chain.findings)]
    with open_local(image) as file:
        shown.append(repr(inspect(file.window(), Format.QCOW2, full=True)))
    shown.append(repr(Source(FileLocation("/a"), reference=text, backing=Source(FileLocation("/b"), reference=text))))
    assert SECRET not in "".join(shown)


_words = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=6)
_HOLDERS = (
    "http://{user}:{password}@{rest}",
    "nbd://{user}:{password}@{rest}",
    "ssh://{user}:{password}@{rest}",
    "rbd:p/i:id={user}:key={password}:{rest}",
    'json:{{"driver":"http","url":"http://{user}:{password}@{rest}"}}',
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(_HOLDERS), _words, _words, _words, _words)
def test_whatever_is_around_it_it_is_not_shown(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], holder: str, user: str, before: str, after: str, rest: str
) -> None:
    password = quote(before, safe="") + SECRET + quote(after, safe="")
    text = holder.format(user=quote(user, safe=""), password=password, rest=quote(rest, safe="/:?="))
    paths = overlay(tmp_path, text)
    for command in (("show", "-f", "qcow2", paths["image"]), ("check", paths["image"], "--json")):
        main(list(command))
    assert SECRET not in "".join(capfd.readouterr())
    assert SECRET not in repr(Discoverer().discover(Source(FileLocation(paths["image"]), Format.QCOW2)))


def test_a_cookie_in_a_backing_string_is_told_and_not_written_into_a_document(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    paths = overlay(tmp_path, f'json:{{"driver":"http","url":"http://h/a","cookie":"a={SECRET}"}}')
    main(["check", "-f", "qcow2", paths["image"]])
    assert "holds a cookie, for all who can read the image" in capfd.readouterr().out
    main(["complete", paths["document"]])
    assert SECRET not in capfd.readouterr().out


def test_the_key_of_an_rbd_image_in_a_backing_string_is_told(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    paths = overlay(tmp_path, f"rbd:p/i:id=me:key={SECRET}")
    assert main(["check", "-f", "qcow2", paths["image"]]) == 3
    assert "[inline-credentials]" in capfd.readouterr().out


@pytest.mark.parametrize("command", [c for c in COMMANDS if c[0] not in ("blockdev", "complete")], ids=" ".join)
def test_a_signed_url_is_shown_without_its_query(
    command: tuple[str, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    paths = overlay(tmp_path, f"https://h/a?X-Amz-Signature={SECRET}")
    main([word.format(**paths) for word in command])
    assert SECRET not in "".join(capfd.readouterr())


def test_the_repr_of_a_node_hides_the_query_that_qemu_gets() -> None:
    location = NetworkLocation(Protocol.HTTPS, "a", (NetworkHost("h"),), HttpOptions(query=SECRET))
    emission = blockdev(Source(location, Format.RAW, chain_index=1))
    assert SECRET in str(emission.nodes())
    assert SECRET not in repr(emission)
    assert SECRET not in repr(location)


@pytest.mark.parametrize("uri", [f"qemu+x://me:{SECRET}@127.0.0.1:1/system", f"test://me:{SECRET}@h/nothing"])
def test_the_password_in_a_libvirt_uri_is_not_shown(uri: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "-c", uri, "vm"]) == 3
    assert SECRET not in "".join(capfd.readouterr())
