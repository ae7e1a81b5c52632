"""What a scan says of files on this host, of what it could not see, and of domains."""

import json
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from diskchain.errors import JsonError
from diskchain.scan.directories import Shard, Walk, scan_directory
from diskchain.scan.domains import named_files
from diskchain.scan.files import Files
from diskchain.scan.stores import Stores
from diskchain.schema.scan import FileDocument, RootDocument, ScanLine, line_text, read_lines
from tests.cli.commands import diskchain
from tests.live.peers import requires
from tests.live.storage import QemuImg


def scanned(*words: str | Path, code: int = 0) -> list[ScanLine]:
    """The lines of a scan."""
    done = diskchain("scan", *words)
    assert done.code == code, done.err
    return list(read_lines(done.out.splitlines()))


def files(lines: list[ScanLine]) -> dict[str, FileDocument]:
    return {Path(line.file.path).name: line.file for line in lines if line.file is not None}


def ended(lines: list[ScanLine]) -> RootDocument:
    (root,) = [line.root for line in lines if line.root is not None and line.root.state != "begun"]
    return root


def test_every_file_below_a_directory_is_there_with_what_it_names(qemu_img: QemuImg, tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    qemu_img("create", "-q", "-f", "qcow2", tmp_path / "below" / "base", "1M")
    qemu_img("create", "-q", "-f", "qcow2", "-b", "below/base", "-F", "qcow2", tmp_path / "top")
    qemu_img("create", "-q", "-f", "qcow2", "-u", "-b", "gone", "-F", "raw", tmp_path / "broken", "1M")
    qemu_img("create", "-q", "-f", "qcow2", "-u", "-b", "nbd://host/x", "-F", "raw", tmp_path / "far", "1M")
    (tmp_path / "notes").write_text("read me")
    (tmp_path / "link").symlink_to(tmp_path / "top")
    os.mkfifo(tmp_path / "fifo")
    lines = scanned(tmp_path)
    found = files(lines)
    assert found.keys() == {"base", "top", "broken", "far", "notes"}
    assert found["notes"].other == "text"
    (backing,) = found["top"].references
    base = found["base"]
    assert (backing.state, backing.text) == ("resolved", "below/base")
    assert (backing.store, backing.inode, backing.generation) == (base.store, base.inode, base.generation)
    assert [found[name].references[0].state for name in ("broken", "far")] == ["missing", "elsewhere"]
    assert (ended(lines).state, ended(lines).files) == ("complete", 5)


def test_a_line_stands_by_itself_and_bytes_that_are_no_utf_8_stay(tmp_path: Path) -> None:
    name = os.fsdecode(b"na\xffme\x7f")
    (tmp_path / name).write_bytes(b"")
    done = diskchain("scan", tmp_path)
    assert done.out.isascii()
    for line in done.out.splitlines():
        assert json.loads(line)["schema"] == "diskchain/scan/1"
    assert name in files(list(read_lines(done.out.splitlines())))


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that anybody may enter."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@requires("root")
def test_what_cannot_be_seen_makes_a_place_partial_and_is_named(open_directory: Path) -> None:
    closed = open_directory / "closed"
    closed.mkdir(mode=0o700)
    (open_directory / "secret").touch(mode=0o600)
    walk = Walk(str(open_directory), Files(Stores()))
    os.seteuid(60123)
    try:
        found = list(scan_directory(walk))
    finally:
        os.seteuid(0)
    root = found[-1]
    assert isinstance(root, RootDocument)
    assert (root.state, set(root.denied)) == ("partial", {str(closed), f"{open_directory}/secret"})
    (file,) = [each for each in found if isinstance(each, FileDocument)]
    assert file.unread == "permission denied"


def test_a_directory_that_is_not_there_is_a_place_that_failed(tmp_path: Path) -> None:
    assert ended(scanned(tmp_path / "gone", code=3)).state == "failed"
    assert f"could not be seen: {tmp_path}/gone" in diskchain("scan", tmp_path / "gone").err


def test_shards_are_the_whole_without_overlap(tmp_path: Path) -> None:
    for number in range(50):
        (tmp_path / str(number)).touch()
    parts = [set(files(scanned(tmp_path, "--shard", f"{number}/3"))) for number in (1, 2, 3)]
    assert set.union(*parts) == {str(number) for number in range(50)}
    assert sum(map(len, parts)) == 50
    assert str(Shard(1, 3)) == "1/3"
    for odd in ("0/3", "4/3", "x", "1/", "-1/3"):
        assert diskchain("scan", tmp_path, "--shard", odd).code == 2


def test_every_absolute_path_of_a_document_is_needed_by_its_domain() -> None:
    text = b"""<domain><name>d</name><os><kernel>/boot/vmlinuz</kernel><loader readonly='yes'>/fw/code</loader>
    <nvram template='/fw/vars'>/nv/d</nvram></os><devices><emulator>/usr/bin/qemu</emulator>
    <disk type='file'><source file='/a'><dataStore type='file'><source file='/data'/></dataStore></source>
    <backingStore type='file'><source file='/b'/></backingStore><mirror type='file'><source file='/m'/></mirror>
    <target dev='vda'/></disk></devices></domain>"""
    assert named_files(text) == [
        ("kernel", "/boot/vmlinuz"),
        ("loader", "/fw/code"),
        ("nvram", "/fw/vars"),
        ("nvram", "/nv/d"),
        ("vda", "/a"),
        ("vda", "/data"),
        ("vda", "/b"),
        ("vda", "/m"),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "no line of a scan"),
        ('{"schema":"diskchain/scan/2","scan":"x"}', "is of schema"),
        ('{"schema":"diskchain/scan/1"}', "is not as"),
        ('{"schema":"diskchain/scan/1","scan":"x","file":{"path":"/x"}}', "is not as"),
        ("[" * 100_000, "is not as"),
        ('{"schema":"diskchain/scan/1","scan":"' + "[" * 9 + "\udc80", "no line of a scan"),
    ],
)
def test_what_is_no_line_of_a_scan_is_refused_with_its_number(text: str, words: str) -> None:
    with pytest.raises(JsonError, match=f"line 2.*{words}"):
        list(read_lines(["", text]))


def test_a_line_is_read_back() -> None:
    line = ScanLine(scan="x", root=RootDocument(kind="directory", path="/\udcff", state="begun", started=1.5))
    assert list(read_lines([line_text(line)])) == [line]


def test_a_socket_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        assert files(scanned(tmp_path)) == {}
