"""The verbs on a real directory: what they print, and their exit codes."""

import json
from pathlib import Path

import pytest

from diskchain.schema import read_as
from diskchain.schema.catalogue import DependentsDocument, StatusDocument, UnreferencedDocument, WhatIfDocument
from tests.cli.commands import diskchain
from tests.live.storage import QemuImg


@pytest.fixture
def images(qemu_img: QemuImg, tmp_path: Path) -> Path:
    """Base <- mid <- top, base <- sib."""
    place = tmp_path / "images"
    place.mkdir()
    qemu_img("create", "-q", "-f", "qcow2", place / "base", "1M")
    for name, below in (("mid", "base"), ("top", "mid"), ("sib", "base")):
        qemu_img("create", "-q", "-f", "qcow2", "-b", below, "-F", "qcow2", place / name)
    return place


def test_without_a_catalogue_a_directory_is_scanned_on_the_spot(images: Path) -> None:
    done = diskchain("dependents", images / "base", "--search", images)
    assert done.code == 1
    lines = {line.strip(): len(line) - len(line.lstrip()) for line in done.out.splitlines()}
    assert [lines[str(images / name)] for name in ("base", "mid", "sib", "top")] == [0, 2, 2, 4]
    assert "3 files above it; needed by no domain" in done.out
    assert "domains not looked at" in done.out
    assert diskchain("dependents", images / "top", "--search", images).code == 3
    assert diskchain("dependents", images / "none", "--search", images).code == 3


def test_answers_are_json_documents(images: Path) -> None:
    found = read_as(DependentsDocument, diskchain("dependents", images / "mid", "--search", images, "--json").out)
    assert ([each.path for each in found.files], found.count) == ([str(images / "top")], 1)
    broken = read_as(WhatIfDocument, diskchain("what-if", "commit", images / "mid", "--search", images, "--json").out)
    assert {(each.effect, Path(each.file.path).name) for each in broken.consequences} == {
        ("invalid", "sib"),
        ("re-point", "top"),
    }
    left = read_as(UnreferencedDocument, diskchain("unreferenced", "--search", images, "--min-age", "0s", "--json").out)
    assert {each.state for each in left.files} == {"unknown"}
    assert len(left.files) == 4


def test_a_catalogue_is_made_by_a_scan_and_asked_later(images: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/c.db"
    assert diskchain("dependents", images / "base", "--db", url).code == 2
    assert "4 files, 3 with changed references" in diskchain("scan", images, "--db", url).out
    assert "4 files, 0 with changed references" in diskchain("scan", images, "--db", url).out
    (images / "sib").unlink()
    assert "3 files, 1 with changed references, 1 gone" in diskchain("scan", images, "--db", url).out
    assert read_as(DependentsDocument, diskchain("dependents", images / "base", "--db", url, "--json").out).count == 2
    assert diskchain("what-if", "delete", images / "base", "--db", url).code == 1
    assert diskchain("catalogue", "audit", "--db", url).code == 0
    status = diskchain("catalogue", "status", "--json", "--db", url)
    assert (status.code, len(read_as(StatusDocument, status.out).coverage.asked)) == (3, 1)


def test_the_state_directory_is_made_where_there_is_none(images: Path, tmp_path: Path) -> None:
    state = tmp_path / "new" / "state"
    assert diskchain("scan", images, "--load", "--state", state).code == 0
    assert diskchain("catalogue", "audit", "--state", state).code == 0
    (tmp_path / "file").touch()
    assert diskchain("scan", images, "--load", "--state", tmp_path / "file").code == 3


def test_lines_of_another_host_are_loaded(images: Path, tmp_path: Path) -> None:
    lines = diskchain("scan", images).out.replace('"machine":"', '"machine":"other-')
    url = f"sqlite:///{tmp_path}/c.db"
    assert diskchain("catalogue", "load", "-", "--db", url, stdin=lines).code == 0
    assert diskchain("dependents", images / "base", "--db", url).code == 1
    odd = diskchain("catalogue", "load", "-", "--db", url, stdin="{}\n")
    assert odd.code != 0
    assert "line 1" in odd.err


@pytest.mark.parametrize(
    "words",
    [
        ("scan",),
        ("catalogue", "load"),
        ("catalogue", "status", "x"),
        ("catalogue", "load", "x", "--json"),
        ("dependents", "x", "--search", "/srv", "--db", "sqlite:///x"),
        ("dependents", "x", "-c", "test:///default"),
        ("dependents", "x", "--db", "mysql://secret@host/x"),
        ("dependents", "x", "--db", "nonsense"),
        ("unreferenced", "--min-age", "soon"),
        ("what-if", "burn", "x"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error_of_one_line(words: tuple[str, ...]) -> None:
    done = diskchain(*words)
    assert done.code == 2, done
    assert "secret" not in done.err


def test_an_error_is_a_json_document(tmp_path: Path) -> None:
    done = diskchain("dependents", "/none", "--db", f"sqlite:///{tmp_path}/none.db", "--json")
    assert (done.code, json.loads(done.out)["schema"]) == (2, "diskchain/error/1")
