"""Key slots of LUKS2 as cryptsetup makes them: what opens for cryptsetup opens here, and nothing else does."""

import json
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.image.windows import bytes_window, file_window
from tests.live.peers import requires
from tests.live.storage import run

from diskchain.errors import ImageError
from diskchain.image.luks.luks2_unlock import UnknownKeySlot, opens_luks2

pytestmark = requires("cryptsetup")

MiB = 1 << 20
RIGHT, SECOND, WRONG = b"the right one", b"the second one\n", b"the wrong one"
_JSON_AT, _JSON_BYTES = 4096, 12288


def container(directory: Path, *options: str) -> Path:
    path, key = directory / "two.img", directory / "key"
    with path.open("wb") as file:
        file.truncate(20 * MiB)
    key.write_bytes(RIGHT)
    run("cryptsetup", "luksFormat", "--type", "luks2", "--batch-mode", *options, "--key-file", key, path)
    return path


def fast(pbkdf: str, algorithm: str = "sha256") -> tuple[str, ...]:
    if pbkdf == "pbkdf2":
        return ("--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--hash", algorithm)
    return ("--pbkdf", pbkdf, "--pbkdf-force-iterations", "4", "--pbkdf-memory", "4096", "--pbkdf-parallel", "3")


def theirs(path: Path, passphrase: bytes) -> bool:
    words = ["cryptsetup", "open", "--test-passphrase", "--key-file", "-", str(path)]
    return subprocess.run(words, input=passphrase, check=False, capture_output=True, timeout=60).returncode == 0


def ours(path: Path, passphrase: bytes) -> bool:
    return opens_luks2(file_window(path), passphrase)


@pytest.mark.parametrize(
    "options",
    [
        *(fast("pbkdf2", each) for each in ("sha1", "sha256", "sha512")),
        fast("argon2i"),
        fast("argon2id"),
        (*fast("pbkdf2"), "--cipher", "aes-xts-plain64", "--key-size", "256"),
        (*fast("pbkdf2"), "--cipher", "aes-cbc-essiv:sha256", "--key-size", "256"),
        (*fast("argon2id"), "--cipher", "aes-cbc-plain64", "--key-size", "128"),
    ],
    ids=" ".join,
)
def test_what_opens_for_cryptsetup_opens_here(options: tuple[str, ...], tmp_path: Path) -> None:
    path = container(tmp_path, *options)
    for passphrase in (RIGHT, WRONG, RIGHT + b"\n", b""):
        assert ours(path, passphrase) is theirs(path, passphrase) is (passphrase == RIGHT)
    assert opens_luks2(file_window(path), memoryview(RIGHT))


def test_every_key_slot_counts_and_a_killed_one_no_more(tmp_path: Path) -> None:
    path, key, second = container(tmp_path, *fast("pbkdf2")), tmp_path / "key", tmp_path / "second"
    second.write_bytes(SECOND)
    run(
        "cryptsetup",
        "luksAddKey",
        "--batch-mode",
        *fast("pbkdf2")[:4],
        "--key-file",
        key,
        "--key-slot",
        "17",
        path,
        second,
    )
    assert [ours(path, each) for each in (RIGHT, SECOND, WRONG)] == [True, True, False]
    run("cryptsetup", "luksKillSlot", "--batch-mode", "--key-file", second, path, "0")
    assert (
        [ours(path, each) for each in (RIGHT, SECOND)]
        == [theirs(path, each) for each in (RIGHT, SECOND)]
        == [False, True]
    )


def test_a_slot_whose_key_encrypts_nothing_opens_nothing(tmp_path: Path) -> None:
    path, key, second = container(tmp_path, *fast("pbkdf2")), tmp_path / "key", tmp_path / "second"
    second.write_bytes(SECOND)
    words = ("luksAddKey", "--batch-mode", "--unbound", "--key-size", "512", *fast("pbkdf2")[:4])
    run("cryptsetup", *words, "--key-file", key, path, second)
    assert not ours(path, SECOND)


def changed(path: Path, change: "dict[str, object]") -> bytes:
    """The container with its first key derivation changed. Checksums are for cryptsetup."""
    image = bytearray(path.read_bytes())
    area = json.loads(image[_JSON_AT : _JSON_AT + _JSON_BYTES].split(b"\0", 1)[0])
    area["keyslots"]["0"]["kdf"].update(change)
    text = json.dumps(area).encode()
    image[_JSON_AT : _JSON_AT + _JSON_BYTES] = text.ljust(_JSON_BYTES, b"\0")
    return bytes(image)


@pytest.mark.parametrize(
    "change",
    [
        {"type": "scrypt"},
        {"type": "argon2id", "time": 1, "memory": 1 << 40, "cpus": 1},
        {"type": "argon2id", "time": 1 << 40, "memory": 1 << 20, "cpus": 1},
        {"type": "argon2id", "time": 4, "memory": 1 << 20, "cpus": 1 << 20},
        {"type": "argon2id", "time": -1, "memory": -1, "cpus": -1},
        {"type": "argon2id"},
        {"hash": "md5"},
        {"iterations": 1 << 62},
        {"iterations": 0},
    ],
    ids=str,
)
def test_costs_beyond_reason_are_not_paid_and_nothing_is_claimed(change: "dict[str, object]", tmp_path: Path) -> None:
    image = changed(container(tmp_path, *fast("pbkdf2")), change)
    with pytest.raises(UnknownKeySlot, match="key slot 0"):
        opens_luks2(bytes_window(image), RIGHT)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The header and one key slot."""
    return container(tmp_path_factory.mktemp("luks2"), *fast("pbkdf2")).read_bytes()[: 512 << 10]


_PIECES = st.sampled_from(
    [b"{", b"}", b"[", b"0", b"9", b"-", b'"', b"null", b"64", b"aes", b"4000", b"", b"\xff", b"=="]
)


@given(st.data())
def test_any_metadata_is_read_or_refused(small: bytes, data: st.DataObject) -> None:
    image = bytearray(small)
    for _ in range(data.draw(st.integers(1, 4))):
        at, piece = data.draw(st.integers(_JSON_AT, _JSON_AT + 900)), data.draw(_PIECES)
        image[at : at + len(piece)] = piece
    with suppress(ImageError):
        opens_luks2(bytes_window(bytes(image)), RIGHT)
