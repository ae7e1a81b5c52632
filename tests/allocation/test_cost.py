"""What a merge would cost, said before, against what QEMU then did: bytes of data in the layer that was written to."""

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Final

import pytest
from tests.allocation.random_chains import Made, make_chain
from tests.live.storage import QemuImg

import diskchain
from diskchain.allocation.answers import DATA, ZERO
from diskchain.allocation.cost import commit_cost, copy_cost, pull_cost, rebase_cost
from diskchain.allocation.layer_map import LayerMap

pytestmark = [pytest.mark.qemu, pytest.mark.usefixtures("qemu_img")]

_BATCH: Final = 10
_BATCHES: Final = range(15 if os.environ.get("DISKCHAIN_FULL") else 1)
_CLUSTERS: Final = (4096, 16384, 65536)
_SIZES: Final = (2 << 20, 4 << 20, 8 << 20)


def held(path: Path) -> int:
    """Bytes of data in one image, without what is below it."""
    layers = LayerMap(diskchain.discover(path))
    found = 0
    for part in layers.sections(2 << 20):
        own = part.own[0]
        found += int(own.length[(own.tag & (DATA | ZERO)) == DATA].sum())
    return found


def seeds(batch: int) -> range:
    return range(3000 + batch * _BATCH, 3000 + (batch + 1) * _BATCH)


@pytest.mark.parametrize("batch", _BATCHES)
def test_a_commit_writes_what_was_said(batch: int, tmp_path: Path) -> None:
    for seed in seeds(batch):
        made = make_chain(tmp_path, seed, sizes=_SIZES, clusters=_CLUSTERS, preallocated=False)
        if len(made.files) == 1:
            continue
        base = 1 + seed % (len(made.files) - 1)
        said = commit_cost(LayerMap(diskchain.discover(made.top)), base)
        path = made.files[base]
        before = held(path)
        done = subprocess.run(
            ["qemu-img", "commit", "-q", "-d", "-b", path, made.top], check=False, capture_output=True, text=True
        )
        if done.returncode == 0:  # an image with a raw data file and one with snapshots cannot be made larger
            assert held(path) - before == said.growth - said.loses, f"seed {seed}"
            assert said.growth <= said.growth_at_most


@pytest.mark.parametrize("batch", _BATCHES)
def test_a_pull_writes_what_was_said_or_zeros_with_it(batch: int, tmp_path: Path) -> None:
    for seed in seeds(batch):
        made = make_chain(tmp_path, seed, sizes=(4 << 20,), clusters=_CLUSTERS, patterns=range(1, 250))
        if len(made.files) == 1:
            continue
        base = (None, *range(1, len(made.files)))[seed % len(made.files)]
        said = pull_cost(LayerMap(diskchain.discover(made.top)), base)
        before = held(made.top)
        _pull(made, base)
        # QEMU takes data and holes of a raw base together, so that some holes become data: exact where there are none.
        assert said.growth <= held(made.top) - before <= said.growth_at_most, f"seed {seed}, base {base}"


@pytest.mark.parametrize("batch", _BATCHES)
def test_a_rebase_writes_what_was_said(batch: int, tmp_path: Path) -> None:
    for seed in seeds(batch):
        (tmp_path / "old").mkdir(exist_ok=True)
        (tmp_path / "new").mkdir(exist_ok=True)
        old = make_chain(tmp_path / "old", seed, sizes=(4 << 20,), clusters=_CLUSTERS, patterns=range(1, 250, 2))
        if len(old.files) == 1:
            continue
        new = None
        if seed % 2:
            new = make_chain(
                tmp_path / "new", seed + 1, sizes=(4 << 20,), clusters=_CLUSTERS, patterns=range(2, 250, 2)
            )
        onto = None if new is None else LayerMap(diskchain.discover(new.top))
        said = rebase_cost(LayerMap(diskchain.discover(old.top)), onto)
        before = held(old.top)
        names = ["-b", ""] if new is None else ["-b", str(new.top), "-F", _format(new.top)]
        subprocess.run(["qemu-img", "rebase", "-f", "qcow2", *names, str(old.top)], check=True)
        written = held(old.top) - before
        assert written <= said.growth, f"seed {seed}"
        if not any(_is_raw_data_file(made) for made in (old, new)):  # all of it counts as data, and reads as zeros
            assert written == said.growth, f"seed {seed}"


def _is_raw_data_file(made: Made | None) -> bool:
    headers = () if made is None else (layer.header for layer in diskchain.discover(made.top))
    return any(header is not None and header.data_file_raw for header in headers)


def test_a_copy_moves_what_is_seen_and_takes_no_more_than_was_said(tmp_path: Path) -> None:
    for seed in seeds(0):
        made = make_chain(tmp_path, seed, sizes=_SIZES, clusters=_CLUSTERS, patterns=range(1, 250))
        said = copy_cost(LayerMap(diskchain.discover(made.top)))
        target = tmp_path / f"{seed}.copy"
        subprocess.run(["qemu-img", "convert", "-O", "qcow2", made.top, target], check=True)
        assert said.growth == held(target), f"seed {seed}"
        assert target.stat().st_size <= said.growth_at_most


def test_layers_that_go_free_the_room_their_files_take(qemu_img: QemuImg, tmp_path: Path) -> None:
    base, top = tmp_path / "base.qcow2", tmp_path / "top.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", base, "4M")
    qemu_img("create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", top)
    said = commit_cost(LayerMap(diskchain.discover(top)), 1)
    assert said.frees == top.stat().st_blocks * 512
    assert (said.copies, said.growth, said.unknown) == (0, 0, 0)


def _format(path: Path) -> str:
    return "qcow2" if path.read_bytes()[:4] == b"QFI\xfb" else "raw"


def _pull(made: Made, base: int | None) -> None:
    """As a block job of a storage daemon does it."""
    node: dict[str, Any] = {
        "node-name": "top",
        "driver": "qcow2",
        "file": {"driver": "file", "filename": str(made.top)},
    }
    with _daemon() as ask:
        ask("blockdev-add", node)
        words = {"job-id": "job", "device": "top"} | ({} if base is None else {"base": str(made.files[base])})
        ask("block-stream", words, until="BLOCK_JOB_COMPLETED")
        ask("quit", {})


@contextmanager
def _daemon() -> Iterator[Any]:
    command = ["qemu-storage-daemon", "--chardev", "stdio,id=c", "--monitor", "chardev=c"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        asked, told = process.stdin, process.stdout
        assert asked is not None
        assert told is not None
        told.readline()

        def ask(command: str, arguments: dict[str, Any], until: str | None = None) -> None:
            asked.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
            asked.flush()
            _wait(told, until)

        ask("qmp_capabilities", {})
        yield ask
        asked.close()


def _wait(told: IO[str], until: str | None) -> None:
    for line in told:
        message = json.loads(line)
        assert "error" not in message, message
        if message.get("event") == until or (until is None and "return" in message):
            assert "error" not in message.get("data", {}), message
            return
