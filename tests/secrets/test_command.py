"""`diskchain secrets`: a row for each layer that needs a key, by what the headers, the document and a real QEMU say."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.commands import diskchain
from tests.live.daemons import Libvirtd
from tests.live.encrypted import PASSPHRASES, EncryptedChain, make_encrypted_chain
from tests.live.peers import requires
from tests.live.storage import QemuImg, run

pytestmark = [pytest.mark.qemu, requires("qemu-storage-daemon", "qemu-img", "qemu-io")]

SECONDS = 60


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory, qemu_img: QemuImg) -> EncryptedChain:
    return make_encrypted_chain(tmp_path_factory.mktemp("encrypted"), qemu_img)


def rows(*words: str | Path) -> tuple[int, list[list[str]]]:
    """Exit code, and (layer, kind, found, opens) of each row."""
    done = diskchain("secrets", *words, "--json", seconds=SECONDS)
    assert done.err == ""
    document = json.loads(done.out)
    assert document["schema"] == "diskchain/secrets/1"
    return done.code, [[row[name] for name in ("layer", "kind", "found", "opens")] for row in document["layers"]]


def test_each_layer_is_told_with_its_kind_and_where_its_key_is(chain: EncryptedChain, tmp_path: Path) -> None:
    vm = tmp_path / "vm.xml"
    vm.write_text(f"<domain><devices>{chain.disk_xml()}</devices></domain>")
    key = f"file:{chain.keys[1]}"
    assert rows(vm, "--secret", f"vda[1]={key}") == (
        1,
        [["vda[0]", "qcow2-luks", "no", "-"], ["vda[1]", "qcow2-luks", key, "-"], ["vda[2]", "luks", "no", "-"]],
    )


def test_trying_tells_right_keys_from_wrong_ones(chain: EncryptedChain, tmp_path: Path) -> None:
    vm = tmp_path / "vm.xml"
    vm.write_text(f"<domain><devices>{chain.disk_xml()}</devices></domain>")
    before = chain.digests()
    options = [f"--secret=vda[{layer}]=file:{chain.keys[key]}" for layer, key in ((0, 0), (1, 0), (2, 2))]
    code, found = rows(vm, *options, "--try")
    assert (code, [row[3] for row in found]) == (1, ["yes", "no", "yes"])
    assert chain.digests() == before


def test_keys_come_from_libvirt_by_uuid_and_by_usage(
    chain: EncryptedChain, libvirtd: Libvirtd, libvirt_secret: Callable[..., str], tmp_path: Path
) -> None:
    usage = f"diskchain-test-{tmp_path}"
    uuids = [libvirt_secret(PASSPHRASES[0]), libvirt_secret(PASSPHRASES[1], usage=usage), libvirt_secret(None)]
    disk = chain.disk_xml((uuids[0], uuids[1], uuids[2])).replace(f"uuid='{uuids[1]}'", f"usage='{usage}'")
    vm = tmp_path / "vm.xml"
    vm.write_text(f"<domain><devices>{disk}</devices></domain>")
    code, found = rows(vm, "--secrets-from", libvirtd.uri, "--try")
    assert [row[2:] for row in found] == [["libvirt", "yes"], ["libvirt", "yes"], ["no", "-"]]
    assert code == 1


def test_a_private_secret_is_something_that_could_not_be_told(
    chain: EncryptedChain, libvirtd: Libvirtd, libvirt_secret: Callable[..., str], tmp_path: Path
) -> None:
    uuid = libvirt_secret(b"x", private=True)
    vm = tmp_path / "vm.xml"
    vm.write_text(f"<domain><devices>{chain.disk_xml((uuid, uuid, uuid))}</devices></domain>")
    code, found = rows(vm, "--secrets-from", libvirtd.uri)
    assert code == 3
    assert all(row[2].startswith("could not tell") for row in found)


def test_the_legacy_encryption_of_qcow2_is_told_and_tried(qemu_img: QemuImg, tmp_path: Path) -> None:
    image, key = tmp_path / "old.qcow2", tmp_path / "key"
    key.write_bytes(b"0123456789abcdef")
    options = "encrypt.format=aes,encrypt.key-secret=k"
    qemu_img("create", "-q", "--object", f"secret,id=k,file={key}", "-f", "qcow2", "-o", options, image, "1M")
    code, found = rows(image, "-f", "qcow2", "--secret", f"{image}=file:{key}", "--try")
    assert (code, found) == (0, [[f"{image}[0]", "legacy aes", f"file:{key}", "yes"]])


@requires("cryptsetup")
@pytest.mark.parametrize("pbkdf", ["pbkdf2", "argon2id"])
def test_luks2_is_told_and_tried(pbkdf: str, tmp_path: Path) -> None:
    image, key, wrong = luks2(tmp_path, pbkdf), tmp_path / "key", tmp_path / "wrong"
    wrong.write_bytes(b"another passphrase")
    code, found = rows(image, "--secret", f"{image}=file:{key}", "--try")
    assert (code, found) == (0, [[f"{image}[0]", "luks2", f"file:{key}", "yes"]])
    code, found = rows(image, "--secret", f"{image}=file:{wrong}", "--try")
    assert (code, found[0][3]) == (1, "no")
    done = diskchain("secrets", image)
    assert "1 of 32" in done.out


def luks2(directory: Path, pbkdf: str) -> Path:
    """A container that opens with what is in the file ``key``."""
    image, key = directory / "two.img", directory / "key"
    image.write_bytes(bytes(20 << 20))
    key.write_bytes(b"some passphrase")
    rounds = ("1000",) if pbkdf == "pbkdf2" else ("4", "--pbkdf-memory", "4096")
    costs = ("--pbkdf", pbkdf, "--pbkdf-force-iterations", *rounds)
    run("cryptsetup", "luksFormat", "--type", "luks2", "--batch-mode", *costs, "--key-file", key, image)
    return image


@requires("cryptsetup")
def test_a_cipher_nobody_here_knows_could_not_be_told(tmp_path: Path) -> None:
    image, key = luks2(tmp_path, "pbkdf2"), tmp_path / "key"
    image.write_bytes(
        image.read_bytes().replace(b'"encryption":"aes-', b'"encryption":"two-', 1)
    )  # that of the key slot
    code, found = rows(image, "--secret", f"{image}=file:{key}", "--try")
    assert code == 3
    assert found[0][3] == "could not tell: luks: key slot 0: cipher two-xts-plain64"


@requires("cryptsetup")
def test_open_says_that_qemu_knows_no_luks2(tmp_path: Path) -> None:
    image, key = luks2(tmp_path, "pbkdf2"), tmp_path / "key"
    done = diskchain("open", image, "--secret", f"{image}=file:{key}", "--", "true", seconds=SECONDS)
    assert done.code == 2
    assert "QEMU cannot decrypt luks2, only LUKS version 1; cryptsetup and the kernel can" in done.err
    vm = tmp_path / "vm.xml"
    vm.write_text(
        f"<domain><devices><disk type='file'><driver type='raw'/><source file='{image}'><encryption format='luks'/></source>"
        "<target dev='vda'/></disk></devices></domain>"
    )
    done = diskchain("open", vm, "--secret", f"vda=file:{key}", "--", "true", seconds=SECONDS)
    assert (done.code, done.err) == (
        3,
        "diskchain: vda[0]: LUKS version 2 is not supported; cryptsetup and the kernel can open it\n",
    )


def test_a_chain_without_encryption_needs_no_key(qemu_img: QemuImg, tmp_path: Path) -> None:
    image = tmp_path / "plain.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", image, "1M")
    done = diskchain("secrets", image)
    assert (done.code, done.out) == (0, "no layer needs a key\n")


def test_the_table_has_a_line_a_layer_and_no_key(chain: EncryptedChain, tmp_path: Path) -> None:
    vm = tmp_path / "vm.xml"
    vm.write_text(f"<domain><devices>{chain.disk_xml()}</devices></domain>")
    done = diskchain("secrets", vm, "--secret", f"vda[0]=file:{chain.keys[0]}", seconds=SECONDS)
    lines = done.out.splitlines()
    assert lines[0].split() == ["layer", "kind", "cipher", "slots", "secret", "found", "opens"]
    assert lines[1].split() == [
        "vda[0]",
        "qcow2-luks",
        "aes-xts-plain64",
        "1",
        "of",
        "8",
        "none",
        "named",
        f"file:{chain.keys[0]}",
        "-",
    ]
    assert len(lines) == 4
    assert not any(passphrase.decode() in done.out for passphrase in PASSPHRASES)


def test_a_raw_disk_that_its_guest_decrypts_needs_no_key(chain: EncryptedChain, tmp_path: Path) -> None:
    vm = tmp_path / "vm.xml"
    disk = f"<disk type='file'><driver type='raw'/><source file='{chain.layers[2]}'/><target dev='vda'/></disk>"
    vm.write_text(f"<domain><devices>{disk}</devices></domain>")
    assert rows(vm) == (0, [])
