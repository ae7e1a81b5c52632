"""Maps of real chains, run by run, against ``qemu-img map``; what it refuses or does not tell, against what was written."""

import json
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest
from tests.allocation.judged import by_qemu, by_us
from tests.allocation.random_chains import make_chain
from tests.live.peers import requires
from tests.live.storage import QemuImg
from tests.qemu.images import LUKS_OPTIONS

import diskchain
from diskchain.allocation.layer_map import LayerMap
from diskchain.readers.open import open_location
from diskchain.storage.terms import Transport

pytestmark = pytest.mark.qemu

#: ``make test-full`` takes all; each seed is one chain.
_BATCH: Final = 20
_BATCHES: Final = range(26 if os.environ.get("DISKCHAIN_FULL") else 2)


def layers_of(path: Path) -> LayerMap:
    return LayerMap(diskchain.discover(path))


@pytest.mark.usefixtures("qemu_img")
@pytest.mark.parametrize("batch", _BATCHES)
def test_random_chains_are_what_qemu_img_map_says(batch: int, tmp_path: Path) -> None:
    for seed in range(batch * _BATCH, (batch + 1) * _BATCH):
        made = make_chain(tmp_path, seed)
        ours = layers_of(made.top)
        assert by_us(ours) == by_qemu(made.map_command), f"seed {seed}"
        assert not ours.findings, f"seed {seed}"


@pytest.mark.usefixtures("qemu_img")
def test_a_byte_is_answered_for_as_its_run_is(tmp_path: Path) -> None:
    for seed in range(1000, 1010):
        ours = layers_of(make_chain(tmp_path, seed).top)
        for run in list(ours.runs()):
            for offset in (run.start, run.end - 1):
                at = ours.at(offset)
                assert at is not None
                assert at.start <= offset < at.end
                assert (at.depth, at.zero, at.data, at.compressed) == (run.depth, run.zero, run.data, run.compressed)
                assert at.offset is None or run.offset is None or at.offset - run.offset == at.start - run.start


@pytest.mark.usefixtures("qemu_img")
def test_sums_are_those_of_the_runs_and_a_disk_has_no_gaps(tmp_path: Path) -> None:
    for seed in range(2000, 2010):
        ours = layers_of(make_chain(tmp_path, seed).top)
        runs = list(ours.runs())
        assert [run.start for run in runs] == [0, *(run.end for run in runs[:-1])]
        totals = ours.totals()
        assert sum(each.answers + each.empty for each in totals) == runs[-1].end
        for depth, each in enumerate(totals):
            mine = [run for run in runs if run.depth == depth]
            assert each.data == sum(run.length for run in mine if run.data and not run.zero)
            assert each.empty == sum(run.length for run in mine if not run.present)


def test_of_encrypted_chains_the_map_needs_no_key(qemu_img: QemuImg, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("passphrase")
    secret = f"secret,id=key,file={key}"
    base, top = tmp_path / "base.qcow2", tmp_path / "top.qcow2"
    options = f"encrypt.format=luks,encrypt.key-secret=key,{LUKS_OPTIONS.format(prefix='encrypt.').split(',', 1)[-1]}"
    qemu_img("create", "-q", "--object", secret, "-f", "qcow2", "-o", options, base, "4M")
    opened = f"driver=qcow2,encrypt.key-secret=key,file.filename={base}"
    writes = ["-c", "write -P 7 64k 200k", "-c", "write -z 1M 128k"]
    subprocess.run(["qemu-io", "--object", secret, "--image-opts", *writes, opened], check=True, capture_output=True)
    qemu_img("create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", top)
    command = ["qemu-img", "map", "--output=json", "--object", secret, "--image-opts"]
    assert by_us(layers_of(base)) == by_qemu([*command, opened])
    backing = f"driver=qcow2,file.filename={top},backing.driver=qcow2,backing.encrypt.key-secret=key,backing.file.filename={base}"
    assert by_us(layers_of(top)) == by_qemu([*command, backing])


def test_a_luks_container_is_data_from_end_to_end(qemu_img: QemuImg, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("passphrase")
    path = tmp_path / "disk.luks"
    options = "key-secret=key,iter-time=10"
    qemu_img("create", "-q", "--object", f"secret,id=key,file={key}", "-f", "luks", "-o", options, path, "4M")
    runs = list(layers_of(path).runs())
    assert [(run.start, run.length, run.data, run.offset) for run in runs] == [(0, 4 << 20, True, None)]


@requires("root", "losetup")
def test_a_block_device_is_what_qemu_says(loop_device: Callable[[Path], Path], tmp_path: Path) -> None:
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(1 << 20)
    device = loop_device(image)
    ours = LayerMap(diskchain.discover(device, format=diskchain.Format.RAW))
    assert by_us(ours) == by_qemu(["qemu-img", "map", "--output=json", "-f", "raw", str(device)])


def test_a_chain_whose_base_is_missing_is_known_down_to_there(qemu_img: QemuImg, tmp_path: Path) -> None:
    base, top = tmp_path / "base.qcow2", tmp_path / "top.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", base, "4M")
    qemu_img("create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", top)
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write 1M 1M", top], check=True, capture_output=True)
    base.unlink()
    ours = layers_of(top)
    assert [(run.start >> 20, run.length >> 20, run.depth, run.data, run.unknown) for run in ours.runs()] == [
        (0, 1, 1, False, True),
        (1, 1, 0, True, False),
        (2, 2, 1, False, True),
    ]
    assert [found.id for found in ours.findings] == ["map-unknown"]


def test_a_file_that_was_exchanged_since_is_not_read(qemu_img: QemuImg, tmp_path: Path) -> None:
    path, other = tmp_path / "disk.qcow2", tmp_path / "other.qcow2"
    for each in (path, other):
        qemu_img("create", "-q", "-f", "qcow2", each, "1M")
    ours = layers_of(path)
    os.replace(other, path)  # noqa: PTH105
    assert all(run.unknown for run in ours.runs())
    assert "another file" in ours.findings[0].message


def test_a_map_is_a_table_of_arrow(qemu_img: QemuImg, tmp_path: Path) -> None:
    path = tmp_path / "disk.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", path, "1M")
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write 64k 64k", path], check=True, capture_output=True)
    table = layers_of(path).arrow()
    told = json.loads(subprocess.check_output(["qemu-img", "map", "--output=json", path]))
    assert [row["start"] for row in table.to_pylist()] == [each["start"] for each in told]
    assert table.to_pylist()[1]["filename"] == str(path)


def test_of_a_raw_image_on_another_host_it_is_said_that_holes_are_not_known(tmp_path: Path) -> None:
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(1 << 20)
    socket = tmp_path / "socket"
    options = ["-r", "-t", "-f", "raw", "--fork"]
    subprocess.run(["qemu-nbd", *options, "--pid-file", tmp_path / "pid", "-k", socket, image], check=True)
    try:
        target = diskchain.Source(
            diskchain.NetworkLocation(
                diskchain.Protocol.NBD, hosts=(diskchain.NetworkHost(transport=Transport.UNIX, socket=str(socket)),)
            ),
            diskchain.Format.RAW,
        )
        ours = LayerMap(diskchain.Discoverer(elsewhere=lambda source: open_location(source.location)).discover(target))
        assert sum(run.length for run in ours.runs() if run.data) == 1 << 20
        assert [found.id for found in ours.findings] == ["map-unknown"]
    finally:
        os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)
