"""Where keys are looked for: the user's rules by every name of a layer, then libvirt; and what is said when there is none."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import keyring
import pytest
from hypothesis import given
from hypothesis import strategies as st
from keyring.backend import KeyringBackend
from keyring.errors import KeyringError

from diskchain.errors import DiskchainError, MissingExtra, SecretMissing, StorageError, UsageError
from diskchain.secrets.keys import Keys, Rule, parse_rule
from diskchain.secrets.places import LARGEST, file_of, read_place
from diskchain.secrets.value import SecretValue
from diskchain.storage.auth import SecretReference

UUID = "0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f"
NAMES = ("vda[1]", "/images/base.img")
BY_UUID = SecretReference("passphrase", uuid=UUID)
BY_USAGE = SecretReference("passphrase", usage="base image")


def revealed(value: SecretValue | None) -> bytes | None:
    if value is None:
        return None
    with value.reveal() as view:
        return bytes(view)


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_bytes(b"with a line feed\n")
    return path


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("vda[1]=file:/etc/key", Rule("vda[1]", "file:/etc/key")),
        ("/images/a=b.img=env:KEY", Rule("/images/a=b.img", "env:KEY")),
        ("vda=ask", Rule("vda", "ask")),
        ("base image=keyring:diskchain/base", Rule("base image", "keyring:diskchain/base")),
        ("x=file:/a=b=file:/c", Rule("x", "file:/a=b=file:/c")),
    ],
)
def test_a_rule_is_which_and_place(text: str, rule: Rule) -> None:
    assert parse_rule(text) == rule


@pytest.mark.parametrize("text", ["", "vda", "vda=", "=file:/a", "vda=hunter2", "vda=file:", "vda=fd:x", "file:/a"])
def test_a_malformed_rule_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_rule(text)
    assert "hunter2" not in str(caught.value)


@given(st.text())
def test_any_text_is_a_rule_or_a_usage_error(text: str) -> None:
    try:
        rule = parse_rule(text)
    except UsageError:
        return
    assert f"{rule.which}={rule.place}" == text


@pytest.mark.parametrize("which", [*NAMES, UUID])
def test_a_rule_finds_its_layer_by_any_of_its_names(which: str, key: Path) -> None:
    found = Keys([Rule("vdb", "env:NONE"), Rule(which, f"file:{key}")]).find(NAMES, BY_UUID)
    assert found is not None
    assert revealed(found.value) == b"with a line feed\n"
    assert found.place == f"file:{key}"


def test_a_rule_finds_its_layer_by_the_usage_of_its_secret(key: Path) -> None:
    assert Keys([Rule("base image", f"file:{key}")]).find(NAMES, BY_USAGE) is not None


def test_libvirt_is_asked_only_when_no_rule_fits(key: Path) -> None:
    asked: list[SecretReference] = []

    def libvirt(reference: SecretReference) -> SecretValue | None:
        asked.append(reference)
        return SecretValue(b"from libvirt")

    keys = Keys([Rule("vda[0]", f"file:{key}")], libvirt)
    keys.get(("vda[0]",), BY_UUID)
    assert asked == []
    assert revealed(keys.get(NAMES, BY_UUID)) == b"from libvirt"
    assert asked == [BY_UUID]


def test_libvirt_is_not_asked_for_a_secret_nobody_named() -> None:
    with pytest.raises(SecretMissing, match="no secret is named"):
        Keys(libvirt=lambda _: SecretValue(b"")).get(NAMES, None)


@pytest.mark.parametrize("libvirt", [None, lambda _: None])
def test_a_missing_key_names_the_layer_and_the_secret(libvirt: object) -> None:
    assert libvirt is None or callable(libvirt)
    with pytest.raises(SecretMissing) as caught:
        Keys(libvirt=libvirt).get(NAMES, BY_UUID)
    assert caught.value.layer == "vda[1]"
    assert UUID in str(caught.value)


def test_an_environment_variable_that_is_not_set_is_a_missing_key() -> None:
    with pytest.raises(SecretMissing, match="env:DISKCHAIN_NO_SUCH"):
        Keys([Rule("vda[1]", "env:DISKCHAIN_NO_SUCH")]).get(NAMES, None)


def test_an_environment_variable_is_taken_as_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISKCHAIN_KEY", os.fsdecode(b"\xff key"))
    assert revealed(read_place("env:DISKCHAIN_KEY", "x")) == b"\xff key"


def test_a_descriptor_is_read_to_its_end() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"from a pipe")
    os.close(writing)
    try:
        assert revealed(read_place(f"fd:{reading}", "x")) == b"from a pipe"
    finally:
        os.close(reading)


def test_a_file_that_is_not_there_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no key can be read"):
        read_place(f"file:{tmp_path}/none", "x")


@pytest.mark.parametrize("place", ["file:/a\0b", "file:/", "fd:99999999999999999999", "fd:987654"])
def test_places_that_cannot_be_read_are_typed_errors(place: str) -> None:
    with pytest.raises(DiskchainError):
        read_place(place, "x")


def test_a_fifo_nobody_writes_to_does_not_block(fifo: Path) -> None:
    assert revealed(read_place(f"file:{fifo}", "x")) == b""


def test_a_file_larger_than_any_key_is_refused(tmp_path: Path) -> None:
    large = tmp_path / "large"
    large.write_bytes(bytes(LARGEST + 1))
    with pytest.raises(StorageError, match="longer than any key"):
        read_place(f"file:{large}", "x")


def test_a_keyring_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(MissingExtra, match=r"diskchain\[keyring\]"):
        read_place("keyring:service/user", "x")


class OneKeyring(KeyringBackend):
    """A backend of the real package: this machine may have no desktop with one."""

    priority = 1

    def get_password(self, service: str, username: str) -> str | None:
        return "from the keyring" if (service, username) == ("my/service", "me") else None

    def set_password(self, service: str, username: str, password: str) -> None:
        raise NotImplementedError


class BrokenKeyring(OneKeyring):
    def get_password(self, service: str, username: str) -> str | None:
        raise KeyringError(f"{service} {username}: locked")


@pytest.fixture
def use_keyring() -> Iterator[Callable[[KeyringBackend], None]]:
    before = keyring.get_keyring()
    yield keyring.set_keyring
    keyring.set_keyring(before)


def test_a_keyring_is_asked_for_service_and_user(use_keyring: Callable[[KeyringBackend], None]) -> None:
    use_keyring(OneKeyring())  # type: ignore[no-untyped-call]
    assert revealed(read_place("keyring:my/service/me", "x")) == b"from the keyring"
    assert read_place("keyring:my/service/you", "x") is None


def test_a_keyring_that_does_not_answer_is_an_error_of_storage(use_keyring: Callable[[KeyringBackend], None]) -> None:
    use_keyring(BrokenKeyring())  # type: ignore[no-untyped-call]
    with pytest.raises(StorageError, match="does not answer"):
        read_place("keyring:my/service/me", "x")


def test_a_keyring_needs_a_service_and_a_user() -> None:
    with pytest.raises(UsageError, match="SERVICE/USER"):
        read_place("keyring:service", "x")


def test_only_a_file_has_a_path() -> None:
    assert file_of("file:/a") == "/a"
    assert file_of("env:A") is None


def test_a_place_is_read_once_and_a_rule_in_vain_is_told() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"sesame")
    os.close(writing)
    keys = Keys([parse_rule(f"vda[1]=fd:{reading}"), parse_rule("vdb=env:NOPE")])
    keys.want(("vda[1]", "/base"), None)
    for _ in range(2):
        found = keys.find(("vda[1]",), None)
        assert found is not None
        with found.value as value:
            assert bytes(value.reveal()) == b"sesame"
    os.close(reading)
    keys.wipe()
    assert keys.misfit() == "--secret vdb fits no layer and no secret: a key is wanted by vda[1]"
    keys.pass_over("vdb", ())
    keys.check_fit()


def test_two_layers_may_have_the_key_of_one_descriptor() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"sesame")
    os.close(writing)
    keys = Keys([Rule("vda[0]", f"fd:{reading}"), Rule("vda[1]", f"fd:{reading}")])
    for name in ("vda[0]", "vda[1]"):
        assert revealed(keys.get((name,), None)) == b"sesame"
    os.close(reading)
    keys.wipe()


def test_a_key_leaves_the_environment_and_is_still_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISKCHAIN_KEY", "sesame")
    keys = Keys([Rule("vda[0]", "env:DISKCHAIN_KEY"), Rule("vda[1]", "env:DISKCHAIN_KEY"), Rule("vdb", "env:NONE")])
    keys.leave_environment()
    assert "DISKCHAIN_KEY" not in os.environ
    for name in ("vda[0]", "vda[1]"):
        assert revealed(keys.get((name,), None)) == b"sesame"
    assert keys.find(("vdb",), None) is None
    keys.wipe()
