"""LUKS containers that cryptsetup makes, read as `qemu-img info` (LUKS1) and `cryptsetup luksDump` (both) read them."""

import json
from pathlib import Path

import pytest
from tests.image.qemu_view import our_view, qemu_view
from tests.image.windows import bytes_window, file_window
from tests.live.peers import requires
from tests.live.storage import QemuImg, run

from diskchain.errors import ImageError
from diskchain.image.inspect import inspect
from diskchain.image.luks.header import read_luks
from diskchain.image.probe import probe, starts_with_luks
from diskchain.storage.terms import Format

pytestmark = requires("cryptsetup")

MiB = 1 << 20


def luks_format(path: Path, *options: str, size: int = 32 * MiB) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
    key = path.with_suffix(".key")
    key.write_bytes(b"not a secret")
    fast = ("--batch-mode", "--pbkdf-force-iterations", "1000", "--key-file", str(key))
    run("cryptsetup", "luksFormat", *fast, *options, path)
    return path


@pytest.mark.parametrize("hash_name", ["sha1", "sha256", "sha512"])
@pytest.mark.parametrize(
    ("cipher", "bits"),
    [("aes-xts-plain64", 512), ("aes-xts-plain64", 256), ("aes-cbc-essiv:sha256", 256), ("aes-cbc-plain", 128)],
)
def test_luks1_agrees_with_qemu_img_info(
    qemu_img: QemuImg, cipher: str, bits: int, hash_name: str, tmp_path: Path
) -> None:
    path = luks_format(
        tmp_path / "disk", "--type", "luks1", "--cipher", cipher, "--key-size", str(bits), "--hash", hash_name
    )

    header = inspect(file_window(path), Format.LUKS, full=True)

    theirs = qemu_view(qemu_img, path, "luks")
    assert our_view(header, theirs) == theirs


def test_luks2_agrees_with_luks_dump(tmp_path: Path) -> None:
    path = luks_format(tmp_path / "disk", "--type", "luks2", "--pbkdf", "pbkdf2")
    dump = json.loads(run("cryptsetup", "luksDump", "--dump-json-metadata", path))

    header = inspect(file_window(path), Format.LUKS, full=True)

    encryption = header.encryption
    assert encryption is not None
    assert (encryption.kind, encryption.cipher) == ("luks2", dump["segments"]["0"]["encryption"])
    assert encryption.uuid == run("cryptsetup", "luksUUID", path).strip()
    assert encryption.payload_offset == int(dump["segments"]["0"]["offset"])
    assert encryption.hash == dump["digests"]["0"]["hash"]
    (slot,) = encryption.slots or ()
    assert (slot.number, slot.iterations) == (0, dump["keyslots"]["0"]["kdf"]["iterations"])
    assert (slot.key_offset, slot.stripes) == (int(dump["keyslots"]["0"]["area"]["offset"]), 4000)
    assert header.capacity == path.stat().st_size - int(dump["segments"]["0"]["offset"])


def test_luks2_key_slots_are_numbered_as_cryptsetup_numbers_them(tmp_path: Path) -> None:
    path = luks_format(tmp_path / "disk", "--type", "luks2", "--pbkdf", "pbkdf2")
    key = path.with_suffix(".key")
    fast = ("--batch-mode", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--key-file", str(key))
    for slot in ("17", "2"):
        run("cryptsetup", "luksAddKey", *fast, "--key-slot", slot, path, key)

    encryption = inspect(file_window(path), Format.LUKS, full=True).encryption

    assert encryption is not None
    assert [slot.number for slot in encryption.slots or ()] == [0, 2, 17]


@pytest.mark.parametrize("version", ["luks1", "luks2"])
def test_probing_calls_a_luks_container_raw_by_libvirts_rules_and_luks_by_the_strict_ones(
    version: str, tmp_path: Path
) -> None:
    window = file_window(luks_format(tmp_path / "disk", "--type", version, "--pbkdf", "pbkdf2"))

    assert probe(window, "libvirt") == Format.RAW
    assert probe(window, "untrusted") == Format.LUKS
    assert starts_with_luks(window)


@pytest.mark.parametrize("version", ["luks1", "luks2"])
def test_key_material_is_in_no_value(version: str, tmp_path: Path) -> None:
    """Salts, digests and key slots' bytes: none of them may be shown, even in hex."""
    path = luks_format(tmp_path / "disk", "--type", version, "--pbkdf", "pbkdf2")
    dump = run("cryptsetup", "luksDump", path)

    shown = repr(inspect(file_window(path), Format.LUKS, full=True))

    salts = [line.split(":", 1)[1].split() for line in dump.splitlines() if "alt:" in line]
    assert salts
    for salt in salts:
        assert "".join(salt) not in shown
        assert bytes.fromhex("".join(salt)) not in shown.encode("latin-1", "replace")


@pytest.mark.parametrize(
    "area",
    [
        b"",
        b"{",
        b"[]",
        b'{"keyslots": 5}',
        b'{"segments": {"0": {"offset": 7}}}',
        b"\xff\xfe",
        b"[" * 16000,
        b'{"segments":{"0":{"encryption":"\xed\xa0\x80"}}}',
    ],
    ids=["empty", "open", "list", "number", "wrong type", "not UTF-8", "deep", "surrogate"],
)
def test_a_malformed_luks2_json_area_is_an_image_error(area: bytes) -> None:
    header = b"LUKS\xba\xbe\x00\x02" + (20480).to_bytes(8, "big") + bytes(496 + 3584) + area.ljust(16384, b"\0")

    with pytest.raises(ImageError):
        read_luks(bytes_window(header, 32 * MiB), full=True)


@pytest.mark.parametrize("version", ["luks1", "luks2"])
def test_a_container_that_ends_before_its_data_is_told_of(version: str, tmp_path: Path) -> None:
    whole = luks_format(tmp_path / "disk", "--type", version, "--pbkdf", "pbkdf2").read_bytes()
    window = bytes_window(whole[:MiB])
    assert [id for id, _ in inspect(window, Format.LUKS).remarks] == ["qemu-refuses"]
    assert not inspect(bytes_window(whole), Format.LUKS).remarks
