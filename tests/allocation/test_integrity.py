"""``check --deep`` against ``qemu-img check``: whatever that calls an error is one here, and what it finds in order is in order."""

import json
import os
import subprocess
from pathlib import Path
from typing import Final

import pytest
from tests.allocation.mutations import damaged
from tests.allocation.random_chains import make_chain
from tests.cli.commands import diskchain as command
from tests.live.storage import QemuImg

import diskchain
from diskchain.findings import Severity

pytestmark = pytest.mark.qemu

_CHAINS: Final = range(60 if os.environ.get("DISKCHAIN_FULL") else 6)
_DAMAGES: Final = 4
_DEEP: Final = {"damaged-table", "refcount-low", "tables-overlap"}


def by_qemu(path: Path) -> tuple[bool, bool] | None:
    """Whether there are errors, and leaks; None where QEMU does not open it."""
    command = ["qemu-img", "check", "-f", "qcow2", "--output=json", str(path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, errors="replace")
    if not done.stdout:
        return None
    told = json.loads(done.stdout)
    return bool(told.get("corruptions", 0) + told.get("check-errors", 0)), bool(told.get("leaks"))


def by_us(path: Path) -> tuple[bool, bool]:
    """Whether there are errors that the file's tables have, and leaks."""
    top = next(iter(diskchain.check(path, format=diskchain.Format.QCOW2, deep=True).chains)).top
    ids = {found.id for found in top.findings}
    errors = any(found.severity is Severity.ERROR for found in top.findings)
    return errors or bool(ids & _DEEP), "leaked-clusters" in ids


def qcow2_files(made: tuple[Path, ...]) -> list[Path]:
    return [path for path in made if path.read_bytes()[:4] == b"QFI\xfb"]


@pytest.mark.usefixtures("qemu_img")
@pytest.mark.parametrize("seed", _CHAINS)
def test_what_qemu_made_is_judged_as_qemu_img_check_does(seed: int, tmp_path: Path) -> None:
    for path in qcow2_files(make_chain(tmp_path, seed).files):
        assert by_us(path) == by_qemu(path), path


@pytest.mark.usefixtures("qemu_img")
@pytest.mark.parametrize("seed", _CHAINS)
def test_damage_that_qemu_img_check_calls_an_error_is_one(seed: int, tmp_path: Path) -> None:
    for path in qcow2_files(make_chain(tmp_path, seed).files):
        image = path.read_bytes()
        for number in range(_DAMAGES):
            path.write_bytes(damaged(image, seed * _DAMAGES + number))
            theirs, ours = by_qemu(path), by_us(path)
            if theirs is not None and theirs[0]:
                assert ours[0], f"seed {seed}, damage {number} of {path.name}"
            elif theirs is not None and ours[0]:
                assert not _only_deep(path), f"seed {seed}, damage {number} of {path.name}: QEMU finds nothing"
        path.write_bytes(image)


def _only_deep(path: Path) -> bool:
    """Whether all errors are of the deep check: others know more than qemu-img check does."""
    top = next(iter(diskchain.check(path, format=diskchain.Format.QCOW2, deep=True).chains)).top
    return {found.id for found in top.findings if found.severity is Severity.ERROR} <= _DEEP


def test_leaks_are_a_note_and_exit_code_0(qemu_img: QemuImg, tmp_path: Path) -> None:
    path = tmp_path / "disk.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", path, "1M")
    with path.open("r+b") as file:
        file.seek(0x20000 + 6)  # the refcount block of an image in clusters of 64 KiB; cluster 3 is the L1 table
        assert file.read(2) == b"\0\1"
        file.seek(0x20000 + 6)
        file.write(b"\0\2")
    done = command("check", "--deep", "--verbose", path)
    assert done.code == 0
    assert "1 cluster (64 KiB)" in done.out


def test_a_base_with_two_overlays_is_read_once_and_told_of_in_both(qemu_img: QemuImg, tmp_path: Path) -> None:
    base = tmp_path / "base.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", base, "1M")
    for name in ("one.qcow2", "two.qcow2"):
        qemu_img("create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", tmp_path / name)
    with base.open("r+b") as file:
        file.seek(0x20000 + 6)
        file.write(b"\0\0")
    told = json.loads(command("check", "--deep", "--json", tmp_path / "one.qcow2", tmp_path / "two.qcow2").out)
    ids = [[found["id"] for found in target["findings"] if found["severity"] == "error"] for target in told["targets"]]
    assert ids == [["refcount-low"], ["refcount-low"]]


def test_an_image_that_qemu_writes_is_not_judged(qemu_img: QemuImg, tmp_path: Path) -> None:
    path = tmp_path / "disk.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", path, "1M")
    with subprocess.Popen(["qemu-io", "-f", "qcow2", path], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        writer.stdin.write(b"write 0 64k\n")
        writer.stdin.flush()
        writer.stdout.readline()
        done = command("check", "--deep", path)
        writer.stdin.close()
    assert done.code == 3
    assert "is written to now" in done.out
