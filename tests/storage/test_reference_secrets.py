"""A string may hold a password: it is reported and dropped, and neither values, errors nor shown strings have it."""

import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.storage.documents import BOTH
from tests.storage.strategies import nearly_references

from diskchain.errors import ReferenceSyntaxError
from diskchain.storage.location import NetworkLocation
from diskchain.storage.reference import format_reference, parse_reference, redacted
from diskchain.storage.reference.value import Dialect, Reference
from diskchain.storage.source import Source

SECRET = "hunter2"  # noqa: S105 - the secret that must not come out again

#: Strings that hold the secret, and what libvirt and QEMU find in them.
HOLDING: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = [
    (f"http://root:{SECRET}@h/a", ("user", "password"), ("password",)),
    (f"https://root:{SECRET}@h/a?x", ("user", "password"), ("password",)),
    (f"nbd://root:{SECRET}@h/a", ("user", "password"), ("password",)),
    (f"ssh://root:{SECRET}@h/a", ("user", "password"), ("password",)),
    (f"rbd:p/i:id=root:key={SECRET}", ("key",), ("key",)),
    (f"rbd:p/i:password={SECRET}:key={SECRET}", ("password", "key"), ("password", "key")),
    (f'json:{{"driver":"http","url":"http://root:{SECRET}@h/a"}}', ("user", "password"), ("password",)),
    (f'json:{{"driver":"http","url":"http://h/a","cookie":"a={SECRET}"}}', ("cookie",), ("cookie",)),
    (f'json:{{"driver":"ftp","url":"ftp://h/a","cookie":"a={SECRET}"}}', ("cookie",), ("cookie",)),
    (
        f'json:{{"driver":"rbd","pool":"p","image":"i","=keyvalue-pairs":"[\\"key\\",\\"{SECRET}\\",\\"a\\",\\"b\\"]"}}',
        ("key",),
        ("key",),
    ),
    (f'json:{{"driver":"rbd","filename":"rbd:p/i:key={SECRET}"}}', ("key",), ("key",)),
    (f'json:{{"driver":"file","filename":"/a","password":"{SECRET}"}}', ("password",), ("password",)),
    (f'json:{{"driver":"file","filename":"/a","x":{{"passphrase":"{SECRET}"}}}}', ("passphrase",), ("passphrase",)),
    (f'json:{{"driver":"file","filename":"/a","backing":"http://root:{SECRET}@h/"}}', ("password",), ("password",)),
    (
        f'json:{{"driver":"file","filename":"/a","backing":"json:{{\'password\':\'{SECRET}\'}}"}}',
        ("password",),
        ("password",),
    ),
    (
        f'json:{{"driver":"iscsi","transport":"tcp","portal":"h","target":"t","user":"root","password":"{SECRET}"}}',
        ("user", "password"),
        ("password",),
    ),
]
#: … and which nobody reads.
MALFORMED = [
    f"http://root:{SECRET}/x@h/a b",
    f"http://root:{SECRET}@",
    f"http://root:{SECRET}@[h/a",
    f"foo://root:{SECRET}@h/a",
    f"nbd://root:{SECRET}@h:99999/a",
    f"iscsi://root%{SECRET}@h/t/x",
    f"rbd:p:key={SECRET}",
    f"rbd:p/i:key={SECRET}:x",
    f'json:{{"driver":"file","password":"{SECRET}"}}',
    f'json:{{"driver":"rbd","pool":"p","image":"i","=keyvalue-pairs":"{SECRET}"}}',
    f'json:{{"driver":"file","password":"{SECRET}"',
    f'json:{{"driver":"qcow2","file":{{"driver":"file","password":"{SECRET}"}}}}',
    f"{SECRET}@h:/a".replace("/", ":"),
]


@pytest.mark.parametrize(("text", "libvirt", "qemu"), HOLDING, ids=[row[0] for row in HOLDING])
def test_secrets_are_named_and_dropped(text: str, libvirt: tuple[str, ...], qemu: tuple[str, ...]) -> None:
    readings: list[tuple[Dialect, tuple[str, ...]]] = [("libvirt", libvirt), ("qemu", qemu)]
    for dialect, expected in readings:
        found = parse_reference(text, dialect)
        assert found.credentials == expected
        assert SECRET not in repr(found)
        assert SECRET not in f"{found} {found.location} {found.location!r}"
        if expected != ("cookie",):
            assert SECRET not in str(tuple(found))
            assert SECRET not in format_reference(Source(found.location), found.unknown)


@pytest.mark.parametrize("text", [row[0] for row in HOLDING] + MALFORMED[:-1])
def test_a_shown_string_has_no_secret(text: str) -> None:
    assert SECRET not in redacted(text)
    assert "…" in redacted(text)


@pytest.mark.parametrize("text", MALFORMED)
@pytest.mark.parametrize("dialect", BOTH)
def test_errors_have_nothing_of_the_string(text: str, dialect: Dialect) -> None:
    if dialect == "libvirt" and text.startswith("rbd:"):  # it overlooks what it does not know
        assert parse_reference(text, dialect).credentials == ("key",)
        return
    with pytest.raises(ReferenceSyntaxError) as caught:
        parse_reference(text, dialect)
    error: BaseException | None = caught.value
    while error is not None:
        assert SECRET not in f"{error} {error!r} {vars(error)}"
        error = error.__cause__ or error.__context__
    assert SECRET not in "".join(traceback.format_exception_only(caught.value))


@pytest.mark.parametrize(
    "text",
    [
        *("/a/b", "http://h/a@b", "nbd://h:1/x", "nbd:unix:/s:exportname=key=x", "rbd:p/i:id=a:keyring=/k", "fat:/a"),
        *(
            "nbd+unix:///x?socket=/s",
            "ssh://root@h/a",
            'json:{"driver":"qcow2","encrypt.key-secret":"s0"}',
            "nbd://[::1]:1/a@b",
        ),
    ],
)
def test_strings_without_secrets_are_shown_as_they_are(text: str) -> None:
    assert redacted(text) == text


def test_a_query_is_hidden_since_it_may_sign_the_url() -> None:
    assert redacted("https://h/a?X-Amz-Signature=00") == "https://h/a?…"


@given(st.text(min_size=1, alphabet="abc:@/?#%[]"), st.sampled_from(["http", "ssh", "iscsi", "x"]))
def test_a_user_part_never_survives_redaction(rest: str, scheme: str) -> None:
    assert SECRET not in redacted(f"{scheme}://user:{SECRET}@{rest}")


@given(nearly_references)
def test_any_text_can_be_shown(text: str) -> None:
    redacted(text)


@pytest.mark.parametrize(
    ("text", "user"),
    [
        ("ssh://root@h/a", "root"),
        ("iscsi://ro%6ft@h/t/1", "root"),
        ("rbd:p/i:id=root", "root"),
        ('json:{"driver":"ssh","path":"/a","server":{"host":"h","port":"1"},"user":"root"}', "root"),
        ('json:{"driver":"http","url":"http://root@h/a"}', "root"),
    ],
)
def test_the_user_who_logs_in_is_told(text: str, user: str) -> None:
    assert parse_reference(text, "libvirt").user == user


@pytest.mark.parametrize(
    ("text", "stops"),
    [
        ("http://root@h/a", True),
        ("nbd://root@h/a", True),
        ('json:{"driver":"iscsi","transport":"tcp","portal":"h","target":"t","user":"root"}', True),
        ('json:{"driver":"gluster","filename":"gluster://root@h/v/a"}', True),
        ("rbd:p/i:id=root:key=x", False),
        ('json:{"driver":"ssh","path":"/a","host":"h","user":"root"}', False),
        ('json:{"driver":"http","url":"http://h/a","cookie":"a=b"}', False),
    ],
)
def test_libvirt_stops_where_it_sees_a_login(text: str, stops: bool) -> None:  # noqa: FBT001 - a column of the table
    assert parse_reference(text, "libvirt").unfollowed is stops
    assert bool(parse_reference(text, "libvirt").credentials) >= stops
    assert not parse_reference(text, "qemu").unfollowed


def test_the_repr_of_a_reference_names_unknown_keys_and_hides_their_values() -> None:
    shown = repr(Reference(NetworkLocation.__new__(NetworkLocation, "nbd"), unknown=(("file.x", SECRET),)))  # type: ignore[arg-type]
    assert "file.x" in shown
    assert SECRET not in shown
