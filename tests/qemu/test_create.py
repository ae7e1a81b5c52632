"""Every kind of image that can be made is made by a real qemu-storage-daemon, and reads back as what was asked for."""

import itertools
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from diskchain.errors import UsageError
from diskchain.qemu.create import CreateItem, Creation, ImageOptions, creation
from diskchain.qemu.daemon import StorageDaemon
from diskchain.qemu.emission import NodeItem, ObjectItem, SecretItem
from diskchain.qemu.nodes import Numbering
from diskchain.storage.auth import SecretReference
from diskchain.storage.encryption import Cipher, Encryption, EncryptionEngine, EncryptionFormat, InitVector
from diskchain.storage.location import (
    BlockLocation,
    DirLocation,
    FileLocation,
    Location,
    NetworkHost,
    NetworkLocation,
    VhostUserLocation,
)
from diskchain.storage.protocol_options import NfsOptions, RbdOptions, SshOptions
from diskchain.storage.slice import Slice
from diskchain.storage.source import TERMINATOR, Source
from diskchain.storage.terms import Format, Protocol, Transport
from tests.live.peers import requires
from tests.live.storage import QemuImg
from tests.storage.servers import HOST, accepts, free_port, serving, sftp_server

pytestmark = [pytest.mark.qemu, requires("qemu-storage-daemon", "qemu-img")]

SIZE = 3 << 20
PASSPHRASE = b"correct horse"
#: With the slowest hash, QEMU 7.2 never finds that making a key took no time at all.
QUICK_KEY = {"key_time": 10, "key_hash": "sha512"}
_ID = "9f8e0f4e-1111-4222-8333-0123456789ab"
LUKS = Encryption(EncryptionFormat.LUKS, (SecretReference("volume", _ID),))


def make(daemon: StorageDaemon, made: Creation) -> None:
    """Do every step, and take the nodes away again."""
    for number, step in enumerate(made.steps):
        match step:
            case SecretItem():
                daemon.add_secret(step.id, PASSPHRASE)
            case ObjectItem():
                daemon.execute("object-add", step.properties)
            case NodeItem():
                daemon.execute("blockdev-add", step.properties)
            case CreateItem():
                daemon.job("blockdev-create", {"options": step.properties}, f"create-{number}")
    for node in reversed(made.nodes):
        daemon.execute("blockdev-del", {"node-name": node})


_DEFAULT = ImageOptions()


def made_by_qemu(new: Source, options: ImageOptions = _DEFAULT, capacity: int = SIZE) -> None:
    with StorageDaemon() as daemon:
        make(daemon, creation(Numbering().chain(new), capacity, options))


def info(qemu_img: QemuImg, path: Path | str, *words: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(qemu_img("info", "-U", "--output=json", *words, path))
    return found


_KINDS: dict[str, tuple[Format, ImageOptions]] = {
    "raw": (Format.RAW, ImageOptions()),
    "raw, allocated": (Format.RAW, ImageOptions(preallocation="full")),
    "qcow2": (Format.QCOW2, ImageOptions()),
    "qcow2 of version 2": (Format.QCOW2, ImageOptions(version="v2")),
    "qcow2 with subclusters": (Format.QCOW2, ImageOptions(extended_l2=True, cluster_size=131072)),
    "qcow2 of small clusters": (Format.QCOW2, ImageOptions(cluster_size=4096, refcount_bits=64, lazy_refcounts=True)),
    "qcow2 of zstd": (Format.QCOW2, ImageOptions(compression="zstd")),
    "qcow2 with its metadata": (Format.QCOW2, ImageOptions(preallocation="metadata")),
    "qcow": (Format.QCOW, ImageOptions()),
    "qed": (Format.QED, ImageOptions(cluster_size=131072)),
    "vmdk": (Format.VMDK, ImageOptions()),
    "vmdk for streaming": (Format.VMDK, ImageOptions(subformat="streamOptimized")),
    "vdi": (Format.VDI, ImageOptions()),
    "vdi, allocated": (Format.VDI, ImageOptions(preallocation="metadata")),
    "vpc": (Format.VPC, ImageOptions()),
    "vpc, fixed": (Format.VPC, ImageOptions(subformat="fixed")),
    "vhdx": (Format.VHDX, ImageOptions(cluster_size=1 << 20)),
    "vhdx, fixed": (Format.VHDX, ImageOptions(subformat="fixed")),
    "parallels": (Format.PARALLELS, ImageOptions()),
}


@pytest.mark.parametrize("kind", _KINDS)
def test_an_image_of_every_format_is_made_in_a_file(kind: str, tmp_path: Path, qemu_img: QemuImg) -> None:
    format, options = _KINDS[kind]
    path = tmp_path / "new"
    made_by_qemu(Source(FileLocation(str(path)), format, TERMINATOR), options)
    found = info(qemu_img, path, "-f", str(format))  # a fixed VHD has nothing at its beginning to know it by
    assert (found["format"], found["virtual-size"]) == (str(format), SIZE)
    details = found.get("format-specific", {}).get("data", {})
    if format is Format.QCOW2:
        assert details["compat"] == ("0.10" if options.version == "v2" else "1.1")
        assert details.get("extended-l2", False) is options.extended_l2
        assert details.get("compression-type", "zlib") == (options.compression or "zlib")
    if options.cluster_size and format in (Format.QCOW2, Format.QED):
        assert found["cluster-size"] == options.cluster_size
    if kind == "raw, allocated":
        assert path.stat().st_blocks * 512 >= SIZE


@pytest.mark.parametrize("format", [each for each in Format if each in (format for format, _ in _KINDS.values())])
def test_a_size_that_is_no_whole_sector_is_rounded_up_where_it_must_be(
    format: Format, tmp_path: Path, qemu_img: QemuImg
) -> None:
    path = tmp_path / "new"
    made_by_qemu(Source(FileLocation(str(path)), format, TERMINATOR), capacity=SIZE - 511)
    assert info(qemu_img, path)["virtual-size"] - SIZE in (0, -511)
    assert info(qemu_img, path)["virtual-size"] >= SIZE - 511


_OVERLAYS = {
    Format.QCOW2: (Format.RAW, Format.QCOW2, Format.VMDK, Format.QED),
    Format.QED: (Format.RAW, Format.QCOW2),
    Format.QCOW: (Format.RAW, Format.QCOW2),
    Format.VMDK: (Format.VMDK,),
}


@pytest.mark.parametrize(
    ("over", "below"), [(over, below) for over, formats in _OVERLAYS.items() for below in formats], ids=str
)
def test_an_overlay_names_what_it_stands_on(over: Format, below: Format, tmp_path: Path, qemu_img: QemuImg) -> None:
    base, new = tmp_path / "a: base", tmp_path / "new"
    qemu_img("create", "-q", "-f", str(below), f"file:{base}", str(SIZE))
    backing = Source(FileLocation(str(base)), below, TERMINATOR, chain_index=7)
    made_by_qemu(Source(FileLocation(str(new)), over, backing))
    top, bottom = json.loads(qemu_img("info", "--output=json", "--backing-chain", new))
    assert (top["format"], top["backing-filename"]) == (str(over), str(base))
    if over is Format.QCOW2:  # qed remembers of a format only that it is raw
        assert top["backing-filename-format"] == str(below)
    assert bottom["virtual-size"] == SIZE


def test_an_overlay_keeps_the_string_that_its_backing_file_is_known_by(tmp_path: Path, qemu_img: QemuImg) -> None:
    qemu_img("create", "-q", "-f", "raw", tmp_path / "base", str(SIZE))
    backing = Source(FileLocation(str(tmp_path / "base")), Format.RAW, TERMINATOR, reference="base")
    made_by_qemu(Source(FileLocation(str(tmp_path / "new")), Format.QCOW2, backing))
    found = info(qemu_img, tmp_path / "new")
    assert (found["backing-filename"], found["full-backing-filename"]) == ("base", str(tmp_path / "base"))


def test_an_overlay_of_a_luks_image_says_so(tmp_path: Path, qemu_img: QemuImg) -> None:
    backing = Source(FileLocation("/x/base"), Format.RAW, TERMINATOR, encryption=LUKS)
    made = creation(Numbering().chain(Source(FileLocation(str(tmp_path / "new")), Format.QCOW2, backing)), SIZE)
    with StorageDaemon() as daemon:
        make(daemon, made)
    assert info(qemu_img, tmp_path / "new")["backing-filename-format"] == "luks"


@pytest.mark.parametrize(
    ("format", "cipher", "vector"),
    [
        *itertools.product((Format.RAW, Format.QCOW2), (None,), (None,)),
        (Format.RAW, Cipher("aes", 128, "cbc", "sha512"), InitVector("essiv", "sha256")),
        (Format.QCOW2, Cipher("twofish", 256, "xts", "sha512"), InitVector("plain64")),
    ],
    ids=str,
)
def test_an_encrypted_image_opens_with_its_key(
    format: Format, cipher: Cipher | None, vector: InitVector | None, tmp_path: Path, qemu_img: QemuImg
) -> None:
    path, key = tmp_path / "new", tmp_path / "key"
    key.write_bytes(PASSPHRASE)
    encryption = Encryption(LUKS.format, LUKS.secrets, EncryptionEngine.QEMU, cipher, vector)
    made_by_qemu(Source(FileLocation(str(path)), format, TERMINATOR, encryption=encryption), ImageOptions(**QUICK_KEY))  # type: ignore[arg-type]
    found = info(qemu_img, path)
    details = found["format-specific"]["data"]
    details = details if format is Format.RAW else details["encrypt"]
    assert found["virtual-size"] == SIZE
    if cipher is not None and vector is not None:
        shown = (details["cipher-alg"], details["cipher-mode"], details["ivgen-alg"])
        assert shown == (f"{cipher.name}-{cipher.size}", cipher.mode, vector.name)
    driver = (
        {"driver": "luks", "key-secret": "k"}
        if format is Format.RAW
        else {"driver": "qcow2", "encrypt.key-secret": "k"}
    )
    options = ",".join(f"{name}={value}" for name, value in {**driver, "file.filename": path}.items())
    qemu_img("compare", "--object", f"secret,id=k,file={key}", "--image-opts", options, options)


def test_a_data_file_is_made_with_its_image(tmp_path: Path, qemu_img: QemuImg) -> None:
    data = Source(FileLocation(str(tmp_path / "data")), Format.RAW)
    new = Source(FileLocation(str(tmp_path / "new")), Format.QCOW2, TERMINATOR, data_file=data)
    made_by_qemu(new, ImageOptions(data_file_raw=True))
    details = info(qemu_img, tmp_path / "new")["format-specific"]["data"]
    assert (details["data-file"], details["data-file-raw"]) == (str(tmp_path / "data"), True)
    assert (tmp_path / "data").stat().st_size == SIZE


def test_an_image_is_made_on_an_nbd_export(tmp_path: Path, qemu_img: QemuImg) -> None:
    with (tmp_path / "disk").open("wb") as disk:
        disk.truncate(4 * SIZE)
    port = free_port()
    command = ("qemu-nbd", "-t", "-b", HOST, "-p", str(port), "-f", "raw", "-x", "x", tmp_path / "disk")
    with serving(accepts((HOST, port)), *command):
        location = NetworkLocation(Protocol.NBD, "x", (NetworkHost(HOST, port),))
        made_by_qemu(Source(location, Format.QCOW2, TERMINATOR))
    assert info(qemu_img, tmp_path / "disk", "-f", "qcow2")["virtual-size"] == SIZE


@pytest.mark.parametrize("format", [Format.RAW, Format.QCOW2], ids=str)
def test_an_image_is_made_over_ssh(format: Format, qemu_img: QemuImg) -> None:
    with tempfile.TemporaryDirectory(prefix="diskchain-ssh-", dir="/var/tmp") as name:
        directory = Path(name)
        directory.chmod(0o755)
        with sftp_server(directory) as server:
            location = NetworkLocation(
                Protocol.SSH,
                str(directory / "new"),
                (NetworkHost(HOST, server.port),),
                SshOptions(username=server.user, check_host_key=False),
            )
            made = creation(Numbering().chain(Source(location, format, TERMINATOR)), SIZE)
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("SSH_AUTH_SOCK", server.environment["SSH_AUTH_SOCK"])
                with StorageDaemon() as daemon:
                    make(daemon, made)
        found = info(qemu_img, directory / "new")
        assert (found["format"], found["virtual-size"]) == (str(format), SIZE)


def _options(
    location: Location, format: Format = Format.RAW, encryption: Encryption | None = None
) -> list[dict[str, Any]]:
    new = Source(location, format, TERMINATOR, encryption=encryption)
    steps = creation(Numbering().chain(new), SIZE).steps
    return [step.properties for step in steps if isinstance(step, CreateItem)]


_HOSTS = (NetworkHost("h", 77),)


@pytest.mark.parametrize(
    ("location", "place"),
    [
        (
            NetworkLocation(Protocol.RBD, "p/n/i", _HOSTS, RbdOptions("u"), config_file="/c"),
            {
                "pool": "p",
                "namespace": "n",
                "image": "i",
                "conf": "/c",
                "server": [{"host": "h", "port": "77"}],
                "user": "u",
            },
        ),
        (
            NetworkLocation(Protocol.NFS, "/x/i", (NetworkHost("h"),), NfsOptions("+1", "+2")),
            {"server": {"host": "h", "type": "inet"}, "path": "/x/i", "user": 1, "group": 2},
        ),
        (
            NetworkLocation(Protocol.GLUSTER, "v/i", (NetworkHost(socket="/s", transport=Transport.UNIX),)),
            {"volume": "v", "path": "i", "server": [{"type": "unix", "path": "/s"}], "debug": 4},
        ),
    ],
    ids=["rbd", "nfs", "gluster"],
)
def test_servers_that_make_images_are_asked_to_with_options_that_qemu_takes(
    location: NetworkLocation, place: dict[str, Any]
) -> None:
    (made,) = _options(location)
    assert made == {"driver": str(location.protocol), "location": place, "size": SIZE}
    with StorageDaemon() as daemon, pytest.raises(Exception, match=r"^(?!.*(Invalid parameter|Parameter ')).*"):
        daemon.job("blockdev-create", {"options": made}, "create")


def test_librbd_makes_its_own_encryption() -> None:
    encryption = Encryption(EncryptionFormat.LUKS2, LUKS.secrets, EncryptionEngine.LIBRBD, Cipher("aes", 256))
    steps = creation(
        Numbering().chain(Source(NetworkLocation(Protocol.RBD, "p/i"), Format.RAW, encryption=encryption)), SIZE
    ).steps
    key, made = steps
    assert isinstance(key, SecretItem)
    assert isinstance(made, CreateItem)
    assert made.properties["encrypt"] == {"format": "luks2", "key-secret": key.id, "cipher-alg": "aes-256"}


def test_a_block_device_is_used_as_it_is() -> None:
    assert _options(BlockLocation("/dev/x")) == []
    (made,) = _options(BlockLocation("/dev/x"), Format.QCOW2)
    assert (made["driver"], made["size"]) == ("qcow2", SIZE)


_FILE = FileLocation("/a")
REFUSED: dict[str, Source] = {
    "on http": Source(NetworkLocation(Protocol.HTTP, "x", _HOSTS), Format.RAW),
    "in a directory": Source(DirLocation("/a"), Format.FAT, readonly=True),
    "behind vhost-user": Source(VhostUserLocation("/s"), Format.RAW),
    "nowhere": Source(FileLocation(None), Format.RAW),
    "in a slice": Source(_FILE, Format.QCOW2, slice=Slice(0, SIZE)),
    "of format dmg": Source(_FILE, Format.DMG),
    "raw over something": Source(_FILE, Format.RAW, Source(_FILE, Format.RAW)),
    "vdi over something": Source(_FILE, Format.VDI, Source(_FILE, Format.RAW)),
    "vmdk over raw": Source(_FILE, Format.VMDK, Source(_FILE, Format.RAW)),
    "raw with a data file": Source(_FILE, Format.RAW, data_file=Source(_FILE, Format.RAW)),
    "of old encryption": Source(_FILE, Format.QCOW2, encryption=Encryption(EncryptionFormat.QCOW)),
    "of LUKS2 by QEMU": Source(_FILE, Format.RAW, encryption=Encryption(EncryptionFormat.LUKS2)),
}


@pytest.mark.parametrize("new", REFUSED.values(), ids=REFUSED)
def test_what_qemu_cannot_make_is_refused(new: Source) -> None:
    with pytest.raises(UsageError):
        creation(Numbering().chain(new), SIZE)
