"""What is no disk image, what is called one format and is none, what a raw image says of its own length, and what QEMU asks of that."""

import gzip
import json
import struct
import subprocess
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from tests.checks.examining import mend, refused
from tests.checks.test_whole_files import faults
from tests.image.makers import relics, vhd
from tests.live.peers import demand
from tests.live.storage import QemuImg, run

from diskchain.checks.closer import closer
from diskchain.discover import BackingChain, Discoverer
from diskchain.findings import Finding, Severity
from diskchain.image.other_files import other_beginning
from diskchain.storage.location import FileLocation
from diskchain.storage.source import Source
from diskchain.storage.terms import Format

MiB = 1 << 20


def looked_at(path: Path, format: Format | None = None) -> BackingChain:
    """As ``check PATH``, and ``check -f FORMAT PATH``."""
    return Discoverer(closer=closer).discover(Source(FileLocation(str(path)), format), probe=format is None)


def told(path: Path, format: Format | None = None) -> list[Finding]:
    return [found for found in looked_at(path, format).findings if found.id != "format-probed"]


def compressed(program: str, *options: str) -> Callable[[], bytes]:
    def pack() -> bytes:
        demand(program)
        return subprocess.run([program, *options], input=bytes(100_000), capture_output=True, check=True).stdout

    return pack


def tar() -> bytes:
    packed = BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("disk.img"))
    return packed.getvalue()


def zipped() -> bytes:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("disk.img", "x")
    return packed.getvalue()


OTHERS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "gzip": ("gzip data", lambda: gzip.compress(bytes(100_000))),
    "xz": ("xz data", compressed("xz", "-c")),
    "zstd": ("zstd data", compressed("zstd", "-qc")),
    "bzip2": ("bzip2 data", compressed("bzip2", "-c")),
    "zip": ("a zip archive", zipped),
    "tar": ("a tar archive", tar),
    "page": ("an HTML page", lambda: b"<!DOCTYPE html>\n<html><body>404 Not Found</body></html>\n"),
    "page in capitals": ("an HTML page", lambda: b"\n<HTML><HEAD><TITLE>302 Found"),
    "json": ("a JSON document", lambda: json.dumps({"error": "not found"}).encode()),
    "pool": (
        "an XML document (<pool>)",
        lambda: b"<?xml version='1.0'?>\n<!-- a <domain> -->\n<pool type='dir'><name>p</name></pool>",
    ),
    "utf-16": ("an XML document (<volume>)", lambda: "<?xml version='1.0'?><volume/>".encode("utf-16")),
    "error": ("text", "error: domänen 'x' is not there\n".encode),
    "nothing": ("empty", lambda: b""),
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_a_file_is_instead_of_a_disk_is_named(tmp_path: Path, name: str) -> None:
    what, content = OTHERS[name]
    path = tmp_path / "disk.qcow2"
    path.write_bytes(content())
    (guessed,) = told(path)
    assert (guessed.id, guessed.severity, f"it is {what}" in guessed.message) == ("not-a-disk", Severity.WARNING, True)
    (declared,) = told(path, Format.QCOW2)
    assert (declared.id, declared.severity) == ("format-mismatch", Severity.ERROR)
    assert declared.message.endswith(f"it is {what}")


@pytest.mark.parametrize(
    "start", [bytes(512), b"\xeb\x63\x90" + bytes(509), b"\xfe\xed" * 256, b" " * 512, b"a\0b" * 171]
)
def test_what_a_disk_may_begin_with_is_nothing_else(start: bytes) -> None:
    assert other_beginning(start) is None


def test_of_an_image_declared_raw_it_is_a_note_as_a_guest_may_have_written_it(tmp_path: Path) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(tar().ljust(MiB, b"\0"))
    (found,) = told(path, Format.RAW)
    assert (found.id, found.severity) == ("not-a-disk", Severity.INFO)
    path.write_bytes(gzip.compress(bytes(MiB)) + b"\0")  # no guest writes half a sector
    assert path.stat().st_size % 512
    assert [(found.id, found.severity) for found in told(path, Format.RAW)] == [("not-a-disk", Severity.WARNING)]


def test_a_name_that_says_a_format_which_the_file_is_not(tmp_path: Path) -> None:
    path = tmp_path / "disk.qcow2"
    path.write_bytes(bytes(MiB))
    (found,) = told(path)
    assert (found.id, found.severity) == ("not-a-disk", Severity.WARNING)
    assert "is called .qcow2" in found.message
    assert told(path, Format.RAW) == []
    assert told(path.rename(tmp_path / "disk.img")) == []


def test_a_fixed_vhd_is_raw_to_those_who_guess_and_it_is_said(tmp_path: Path) -> None:
    path = tmp_path / "disk.vhd"
    path.write_bytes(vhd.fixed(bytes(MiB)))
    assert looked_at(path).top.source.format is Format.RAW  # as to libvirt and QEMU
    (found, *_) = told(path)
    assert (found.id, "only its end is that of vpc" in found.message) == ("not-a-disk", True)
    assert told(path, Format.VPC) == []


def test_a_dmg_is_known_by_its_name_as_qemu_knows_it(qemu_img: QemuImg, tmp_path: Path) -> None:
    from uuid import UUID

    content = relics.dmg(bytes(64 << 10), UUID(int=1))
    for name, format in (("disk.dmg", Format.DMG), ("disk.img", Format.RAW), ("disk.DMG", Format.RAW)):
        path = tmp_path / name
        path.write_bytes(content)
        assert looked_at(path).top.source.format is format
        assert json.loads(qemu_img("info", "--output=json", path))["format"] == format
    cut = tmp_path / "cut.dmg"
    cut.write_bytes(content[:-512])
    assert refused("qemu-img", "info", cut)
    assert told(cut)[0].id == "not-a-disk"


def _gpt(capacity: int) -> bytes:
    mbr = bytearray(512)
    struct.pack_into("<B3xB3xII", mbr, 446, 0, 0xEE, 1, 0xFFFFFFFF)
    mbr[510:] = b"\x55\xaa"
    header = struct.pack(
        "<8sIIIIQQQQ16sQIII",
        b"EFI PART",
        0x10000,
        92,
        0,
        0,
        1,
        capacity // 512 - 1,
        34,
        capacity // 512 - 34,
        bytes(16),
        2,
        128,
        128,
        0,
    )
    return bytes(mbr) + header[:16] + struct.pack("<I", zlib.crc32(header)) + header[20:]


def _iso(capacity: int) -> bytes:
    volume = struct.pack("<B5s", 1, b"CD001").ljust(80, b"\0") + struct.pack("<I4x", capacity // 2048)
    return bytes(32768) + volume.ljust(128, b"\0") + struct.pack("<H", 2048)


def _mbr(capacity: int) -> bytes:
    mbr = bytearray(512)
    struct.pack_into("<B3xB3xII", mbr, 446, 0x80, 0x83, 2048, capacity // 512 - 2048)
    mbr[510:] = b"\x55\xaa"
    return bytes(mbr)


@pytest.mark.parametrize("content", [_gpt, _iso, _mbr], ids=["gpt", "iso", "mbr"])
def test_raw_data_that_go_on_behind_the_end_were_cut(tmp_path: Path, content: Callable[[int], bytes]) -> None:
    path = tmp_path / "disk.img"
    path.write_bytes(content(64 * MiB).ljust(64 * MiB, b"\0"))
    assert told(path) == []
    path.write_bytes(content(64 * MiB).ljust(16 * MiB, b"\0"))
    (found,) = told(path)
    assert (found.id, found.severity) == ("truncated", Severity.WARNING)
    assert str(64 * MiB) in found.message


@pytest.mark.parametrize("content", [bytes, lambda size: b"\x01" * size], ids=["sparse", "filled"])
@pytest.mark.parametrize("more", [100, 512, 3584])
def test_a_length_that_direct_io_does_not_take(
    qemu_img: QemuImg, tmp_path: Path, more: int, content: Callable[[int], bytes]
) -> None:
    path = tmp_path / "disk.img"
    with path.open("wb") as file:
        if content is not bytes:
            file.write(content(MiB))
        file.truncate(MiB + more)
    write = ("qemu-io", "-t", "none", "-f", "raw", "-c", "write 0 512", path)
    (found,) = told(path, Format.RAW)
    assert found.id == "raw-size"
    assert (found.severity is Severity.WARNING) is refused(*write)
    mend(qemu_img, found)
    assert told(path, Format.RAW) == []
    assert not refused(*write)


def test_a_backing_file_and_a_read_only_image_may_have_any_length(qemu_img: QemuImg, tmp_path: Path) -> None:
    base, top = tmp_path / "base.img", tmp_path / "top.qcow2"
    base.write_bytes(b"\x01" * (MiB + 100))
    qemu_img("create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", top)
    assert not [found for found in looked_at(top, Format.QCOW2).findings if found.id == "raw-size"]
    source = Source(FileLocation(str(base)), Format.RAW, readonly=True)
    assert list(Discoverer(closer=closer).discover(source).findings) == []
    assert not refused("qemu-io", "-r", "-t", "none", "-f", "raw", "-c", "read 0 512", base)


def test_a_bitmap_that_was_left_in_use_is_told_and_one_in_use_is_a_note(qemu_img: QemuImg, tmp_path: Path) -> None:
    path = tmp_path / "disk.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", path, "8M")
    qemu_img("bitmap", "--add", "-f", "qcow2", path, "daily one")
    assert faults(path, "qcow2") == []
    command: list[str | Path] = ["qemu-io", "-f", "qcow2", path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as user:
        assert user.stdin is not None
        assert user.stdout is not None
        user.stdin.write("write 0 64k\n")
        user.stdin.flush()
        assert "wrote" in user.stdout.readline()
        notes = [found for found in told(path, Format.QCOW2) if found.id == "bitmap-in-use"]
        assert [(note.severity, "daily one" in note.message) for note in notes] == [(Severity.INFO, True)]
        user.kill()
    (found,) = faults(path, "qcow2")
    assert (found.id, found.severity) == ("bitmap-in-use", Severity.WARNING)
    assert '"flags": ["in-use"' in " ".join(qemu_img("info", "--output=json", path).split()).replace("[ ", "[")
    mend(qemu_img, found)
    assert faults(path, "qcow2") == []
    run("qemu-io", "-f", "qcow2", "-c", "write 0 64k", path)
