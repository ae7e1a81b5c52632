"""What a backing string says about whom to trust is found in every spelling, and left out where a layer is read."""

import pytest

from diskchain.storage.location import FileLocation, NetworkHost, NetworkLocation
from diskchain.storage.protocol_options import HttpOptions, SshOptions
from diskchain.storage.reference.trust import Claims, believed, believed_chain, claims, weakened
from diskchain.storage.source import DETECTED_TERMINATOR, Source
from diskchain.storage.terms import Format, Protocol

HTTPS = NetworkLocation(Protocol.HTTPS, "x", (NetworkHost("h"),), HttpOptions(ssl_verify=False, readahead=4096))
SSH = NetworkLocation(Protocol.SSH, "x", (NetworkHost("h"),), SshOptions(username="u", check_host_key=False))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('json:{"driver":"https","url":"https://h/x","sslverify":"off"}', Claims(("sslverify",))),
        ('json:{"driver":"https","url":"https://h/x","sslverify":false}', Claims(("sslverify",))),
        ('json:{"driver":"https","url":"https://h/x","\\u0073slverify":false}', Claims(("sslverify",))),
        ("json:{'driver':'https','url':'https://h/x','sslverify':'off'}", Claims(("sslverify",))),
        ('json:{"driver":"raw","file.driver":"https","file.sslverify":"no"}', Claims(("sslverify",))),
        ('json:{"driver":"https","url":"https://h/x","sslverify":"on"}', Claims()),
        ('json:{"driver":"ssh","host_key_check":"no"}', Claims(("host_key_check",))),
        ('json:{"driver":"ssh","host_key_check":"sha256:00"}', Claims(("host_key_check",))),
        ('json:{"driver":"ssh","host-key-check":{"mode":"none"}}', Claims(("host-key-check",))),
        ('json:{"driver":"ssh","host-key-check.mode":"hash"}', Claims(("host-key-check",))),
        ('json:{"driver":"ssh","host-key-check.mode":"known_hosts"}', Claims()),
        ("ssh://u@h/x?host_key_check=no", Claims(("host_key_check",))),
        ("ssh://u@h/x?a=b&host_key_check=md5%3A00", Claims(("host_key_check",))),
        ("ssh://u@h/x?host_key_check=yes", Claims()),
        (
            'json:{"driver":"nbd","tls-creds":"tls0","tls-hostname":"other","server":{"type":"inet"}}',
            Claims((), ("tls-creds", "tls-hostname")),
        ),
        ('json:{"driver":"qcow2","encrypt":{"key-secret":"s"},"file":{}}', Claims((), ("key-secret",))),
        ('json:{"file":{"driver":"http","cookie-secret":"s","proxy-password-secret":"t"}}',
         Claims((), ("cookie-secret", "proxy-password-secret"))),
        ('json:{"broken', Claims()),
        ("https://h/x?sslverify=off", Claims()),
        ("/a/plain:name", Claims()),
    ],
)  # fmt: skip
def test_every_spelling_is_found(text: str, found: Claims) -> None:
    assert claims(text) == found


def test_claims_hold_no_value() -> None:
    assert "hunter2" not in repr(claims('json:{"driver":"http","password-secret":"hunter2"}'))


@pytest.mark.parametrize(("location", "kept"), [(HTTPS, HttpOptions(readahead=4096)), (SSH, SshOptions(username="u"))])
def test_a_layer_named_by_a_header_is_read_without_them(location: NetworkLocation, kept: object) -> None:
    named = Source(location, Format.RAW, reference="json:{}", detected=True)
    assert believed(named, None) == location._replace(options=kept)  # type: ignore[arg-type]
    assert weakened(location)
    assert not weakened(believed(named, None))


def test_what_a_document_declares_is_as_it_says() -> None:
    assert believed(Source(HTTPS, Format.RAW), None) is HTTPS


def test_a_relative_name_is_read_as_its_overlay_was() -> None:
    below = Source(HTTPS._replace(name="y"), Format.RAW, reference="y", detected=True)
    assert believed(below, HTTPS) == below.location
    strict = HTTPS._replace(options=HttpOptions())
    assert believed(below, strict) == strict._replace(name="y")


def test_a_chain_is_read_without_them_from_top_to_end() -> None:
    base = Source(SSH, Format.RAW, DETECTED_TERMINATOR, reference="json:{}", detected=True)
    data = Source(HTTPS, Format.RAW, DETECTED_TERMINATOR, reference="json:{}", detected=True)
    relative = Source(HTTPS._replace(name="y"), Format.QCOW2, base, reference="y", detected=True)
    middle = Source(HTTPS, Format.QCOW2, relative, data_file=data, reference="json:{}", detected=True)
    top = Source(FileLocation("/top"), Format.QCOW2, middle)
    chain = believed_chain(top)
    places = []
    layer: object = chain
    while isinstance(layer, Source):
        places += [layer.location, *([layer.data_file.location] if layer.data_file else [])]
        layer = layer.backing
    assert len(places) == 5
    assert not any(map(weakened, places))
