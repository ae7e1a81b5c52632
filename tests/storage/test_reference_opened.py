"""On local files: ours and QEMU's agree on what is opened, and an overlay over what we write shows the same bytes."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.live.storage import QemuImg
from tests.storage.servers import HOST, Nbd

from diskchain.errors import ReferenceSyntaxError, UnsupportedReference
from diskchain.storage.location import (
    BlockLocation,
    DirLocation,
    FileLocation,
    NetworkHost,
    NetworkLocation,
    local_path,
)
from diskchain.storage.reference import format_reference, parse_reference
from diskchain.storage.slice import Slice
from diskchain.storage.source import Source
from diskchain.storage.terms import Format, Protocol, Transport

#: Files by name, each of a size of its own, in KiB: the size tells which one was opened.
FILES = {
    "plain": 1,
    "a:b": 2,
    "dir/é ü": 3,
    "dir/a:b": 4,
    "%41": 5,
    "nbd": 6,
    "json:{}": 7,
    "it's": 8,
    '"': 9,
    "back\\slash": 10,
}


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of images, which is the working directory too: QEMU starts relative names there."""
    (tmp_path / "dir").mkdir()
    for name, size in FILES.items():
        (tmp_path / name).write_bytes(bytes(size * 1024))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def info(qemu_img: QemuImg, text: str) -> dict[str, Any] | None:
    """What QEMU says of what it opens; None when it opens nothing."""
    try:
        found: dict[str, Any] = json.loads(qemu_img("info", "--output=json", text))
    except subprocess.CalledProcessError:
        return None
    return found


PLAIN = {"driver": "file", "filename": "plain"}
TEXTS: list[str | dict[str, Any]] = [
    *("plain", "./plain", "{dir}/plain", "{dir}//plain", "a:b", "./a:b", "{dir}/a:b", "dir/a:b", "dir/é ü", "%41", "nbd", "nbd:"),
    *("file:plain", "file:{dir}/plain", "file://{dir}/plain", "file:a:b", "file:./a:b", "file:", "file:dir/é ü", "file:%41"),
    *("json:{{}}", "./json:{{}}", "it's", '"', "back\\slash", "host_device:plain", "absent:plain", ":plain", "://plain", "FILE:plain"),
    PLAIN,
    {"driver": "file", "filename": "a:b"},
    {"driver": "file", "filename": "file:plain"},
    {"driver": "file", "filename": "json:{}"},
    {"driver": "file", "filename": "dir/é ü"},
    {"driver": "host_device", "filename": "plain"},
    {"file": PLAIN},
    {"file": {"filename": "plain"}},
    {"file.filename": "a:b"},
    {"filename": "plain"},
    {"driver": "file"},
    {"driver": "file", "file": PLAIN},
    {"driver": "raw", "file": PLAIN},
    {"driver": "raw", "file": "plain"},
    {"driver": "raw", "file": {"filename": "plain"}},
    {"driver": "raw", "offset": 512, "file": PLAIN},
    {"driver": "raw", "size": 512, "file": PLAIN},
    {"driver": "raw", "offset": "512", "size": "0.5k", "file": PLAIN},
    {"driver": "raw", "size": "1K", "file": {"driver": "file", "filename": "a:b"}},
    {"driver": "raw", "size": -512, "file": PLAIN},
    {"driver": "raw", "size": "x", "file": PLAIN},
    {"driver": "raw", "size": 512, "file.driver": "file", "file": {"filename": "plain"}},
    {"driver": "raw", "size": 512, "file.driver": "file", "file.filename": "plain"},
    {"file": {"driver": "raw", "offset": 512, "size": 512, "file": PLAIN}},
    {"driver": "nonsense", "file": PLAIN},
    {"driver": 1},
    *("json:{{}}x", "json:", "json:[]", "json:null", "json:{{", "json:{{'driver':'file','filename':'it\\'s'}}"),
    *("json:{{'driver':'file','filename':'\"'}}", "json:{{\"driver\":\"file\",'filename':\"it's\"}}"),
    *("json:{{'driver':'file','filename':'back\\\\slash'}}", 'json:{{"driver":"file","filename":"plain",}}', 'json:{{"driver":"file","filename":"\\u0061:b"}}'),
    'json:{{"driver":"file","filename":"plain","filename":"plain"}}',
]  # fmt: skip

#: What QEMU opens and we refuse, and why.
TOLERATED = {
    '{"driver": "raw", "offset": "512", "size": "0.5k", "file": {"driver": "file", "filename": "plain"}}': "a fraction"
}


@pytest.mark.parametrize("reference", TEXTS, ids=str)
def test_ours_and_qemus_agree(reference: str | dict[str, Any], files: Path, qemu_img: QemuImg) -> None:
    text = reference.format(dir=files) if isinstance(reference, str) else f"json:{json.dumps(reference)}"
    opened = info(qemu_img, text)
    try:
        ours = parse_reference(text, "qemu")
    except ReferenceSyntaxError:
        assert opened is None or text.removeprefix("json:") in TOLERATED, text
        return
    path = local_path(ours.location)
    assert path is not None
    if opened is None:
        # What is left to the host: is it there, and is it a device?
        assert not Path(path).exists() or isinstance(ours.location, BlockLocation)
        return
    size = Path(path).stat().st_size
    if ours.slice is not None:
        size = ours.slice.size or size - ours.slice.offset
    assert opened["virtual-size"] == size
    if ours.slice is None:
        again = info(qemu_img, format_reference(Source(ours.location), ours.unknown))
        assert again is not None
        assert again["virtual-size"] == size


_values = st.one_of(
    st.sampled_from(["file", "raw", "plain", "a:b", "absent"]),
    st.sampled_from([0, 512, 1024, "512", "1k"]),
    # Not an empty object: it says nothing to us, and an unknown key to QEMU.
    st.fixed_dictionaries(
        {}, optional={"driver": st.sampled_from(["file", "raw"]), "filename": st.just("plain")}
    ).filter(bool),
    st.just({"driver": "raw", "size": 512, "file": PLAIN}),
    st.just(PLAIN),
)
_documents = st.dictionaries(
    st.sampled_from(["driver", "file", "filename", "offset", "size", "file.driver", "file.filename", "file.file", "x"]),
    _values,
    max_size=4,
)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_documents)
def test_ours_and_qemus_agree_on_documents_put_together_at_random(
    files: Path, qemu_img: QemuImg, document: dict[str, Any]
) -> None:
    text = f"json:{json.dumps(document)}"
    opened = info(qemu_img, text)
    try:
        ours = parse_reference(text, "qemu")
    except UnsupportedReference:
        return  # raw above raw: one window at most, in our values
    except ReferenceSyntaxError as error:
        # One place named twice: QEMU takes either. A driver that is no string: QEMU acts as if it were not there.
        odd = (
            "twice" in error.problem
            or "through a value" in error.problem
            or not all(isinstance(document.get(key, ""), str) for key in ("driver", "file.driver"))
        )
        assert opened is None or odd
        return
    if opened is None:
        # An option that nobody knows, a window QEMU finds odd, or no such file.
        path = local_path(ours.location)
        assert ours.unknown or ours.slice is not None or not (files / str(path)).exists()
        return
    assert ours.slice is not None or opened["virtual-size"] == (files / str(local_path(ours.location))).stat().st_size


def test_qemu_takes_the_format_from_a_driver_on_top(files: Path, qemu_img: QemuImg) -> None:
    qemu_img("create", "-q", "-f", "qcow2", "overlay", "1M")
    for document, format in (
        ({"driver": "qcow2", "file": {"driver": "file", "filename": "overlay"}}, Format.QCOW2),
        ({"driver": "raw", "file": {"driver": "file", "filename": "overlay"}}, Format.RAW),
        ({"driver": "file", "filename": "overlay"}, Format.RAW),
    ):
        opened = info(qemu_img, f"json:{json.dumps(document)}")
        assert opened is not None
        capacity = 1 << 20 if format is Format.QCOW2 else -(-(files / "overlay").stat().st_size // 512) * 512
        assert opened["virtual-size"] == capacity
        assert parse_reference(f"json:{json.dumps(document)}", "qemu").format is format


@pytest.mark.parametrize(
    "text", ["fat:{dir}", "fat:floppy:12:{dir}", "fat:16:{dir}", "fat:ro:xx:{dir}", "fat:{dir}:{dir}"]
)
def test_fat_directories(text: str, tmp_path: Path, qemu_img: QemuImg) -> None:
    (tmp_path / "FILE").write_bytes(b"content")
    text = text.format(dir=tmp_path)
    opened = info(qemu_img, text)
    assert opened is not None
    said = json.loads(opened["filename"].removeprefix("json:"))["file"]
    ours = parse_reference(text, "qemu")
    assert ours.location == DirLocation(said["dir"])
    unknown = dict(ours.unknown)
    assert unknown.get("file.fat-type", 0) == said["fat-type"]
    assert unknown.get("file.floppy", False) == said["floppy"]
    again = info(qemu_img, format_reference(Source(ours.location, ours.format), ours.unknown))
    assert again is not None
    assert again["virtual-size"] == opened["virtual-size"]


def seen_by_guest(qemu_img: QemuImg, directory: Path, text: str) -> bytes:
    """The first sector of an overlay that holds `text` as its backing string."""
    overlay, copy = directory / "overlay.qcow2", directory / "copy.raw"
    qemu_img("create", "-q", "-u", "-f", "qcow2", "-b", text, "-F", "raw", overlay, "4096")
    assert json.loads(qemu_img("info", "--output=json", overlay))["backing-filename"] == text
    qemu_img("convert", "-O", "raw", overlay, copy)
    return copy.read_bytes()[:512]


@pytest.mark.parametrize("name", ["plain", "a:b", "dir/a:b", "dir/é ü", "%41", "json:{}", '"', "x=y,z"])
def test_an_overlay_finds_the_file_that_was_written_into_it(name: str, tmp_path: Path, qemu_img: QemuImg) -> None:
    (tmp_path / "dir").mkdir()
    for path in (name, str(tmp_path / name)):
        (tmp_path / name).write_bytes(os.fsencode(path).ljust(4096, b"."))
        text = format_reference(Source(FileLocation(path)))
        assert seen_by_guest(qemu_img, tmp_path, text).startswith(os.fsencode(path))


def test_an_overlay_finds_a_window_that_was_written_into_it(tmp_path: Path, qemu_img: QemuImg) -> None:
    base = tmp_path / "base.raw"
    base.write_bytes(b"a" * 512 + b"b" * 512 + b"c" * 4096)
    for window, content in ((Slice(512, 512), b"b" * 512), (Slice(1024, 0), b"c" * 512)):
        text = format_reference(Source(FileLocation(str(base)), slice=window))
        assert seen_by_guest(qemu_img, tmp_path, text) == content


@pytest.mark.parametrize("name", ["plain", "/slash", "a b:c?d#e%41", "é", None])
def test_an_overlay_finds_the_export_that_was_written_into_it(
    name: str | None, nbd: Nbd, tmp_path: Path, qemu_img: QemuImg
) -> None:
    for host in (NetworkHost(HOST, nbd.port), NetworkHost(None, None, str(nbd.socket), Transport.UNIX)):
        text = format_reference(Source(NetworkLocation(Protocol.NBD, name, (host,))))
        assert seen_by_guest(qemu_img, tmp_path, text).rstrip(b"\0").decode() == (name or "")
