"""Maps of the other formats: as ``qemu-img map`` has them, and where it knows no better than "data", by the bytes themselves."""

import random
import subprocess
from pathlib import Path

import pytest
from tests.allocation.judged import Plain, by_qemu, by_us
from tests.live.storage import QemuImg

import diskchain
from diskchain.allocation.layer_map import LayerMap

pytestmark = [pytest.mark.qemu, pytest.mark.usefixtures("qemu_img")]

_SIZE = 40 << 20
_KINDS = (
    ("qed", ""),
    ("qed", "cluster_size=4096"),
    ("qcow", ""),
    ("vdi", ""),
    ("vdi", "static=on"),
    ("vpc", ""),
    ("vpc", "subformat=fixed"),
    ("parallels", ""),
    ("vmdk", ""),
    ("vmdk", "subformat=streamOptimized"),
    ("vmdk", "zeroed_grain=on"),
)


def make(path: Path, format: str, options: str, seed: int) -> None:
    rng = random.Random(seed)  # noqa: S311  # the same image for the same seed is the point
    chosen = ["-o", options] if options else []
    if "stream" in options:
        raw = path.with_suffix(".raw")
        raw.write_bytes(b"".join(rng.choice((bytes(65536), b"x" * 65536)) for _ in range(_SIZE >> 16)))
        subprocess.run(["qemu-img", "convert", "-f", "raw", "-O", format, *chosen, raw, path], check=True)
        return
    subprocess.run(["qemu-img", "create", "-q", "-f", format, *chosen, path, str(_SIZE)], check=True)
    writes = []
    for _ in range(8):
        at = rng.randrange(600) * 65536
        writes += ["-c", f"write -P {rng.randrange(1, 255)} {at} {rng.choice((4096, 65536, 300 * 1024))}"]
    if "zeroed" in options or format == "qed":
        writes += ["-c", "write -z 1M 1M"]
    subprocess.run(["qemu-io", "-f", format, *writes, path], check=True, capture_output=True)


@pytest.mark.parametrize(("format", "options"), _KINDS)
def test_a_map_is_what_qemu_img_map_says(format: str, options: str, tmp_path: Path) -> None:
    for seed in range(3):
        path = tmp_path / str(seed)
        make(path, format, options, seed)
        ours = LayerMap(diskchain.discover(path, format=diskchain.Format(format)))
        assert by_us(ours) == by_qemu(["qemu-img", "map", "--output=json", "-f", format, str(path)]), f"seed {seed}"
        assert not ours.findings


@pytest.mark.parametrize("kind", ["monolithicFlat", "twoGbMaxExtentSparse", "twoGbMaxExtentFlat"])
def test_a_vmdk_in_several_files_is_what_qemu_img_map_says(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "disk.vmdk"
    subprocess.run(["qemu-img", "create", "-q", "-f", "vmdk", "-o", f"subformat={kind}", path, "5G"], check=True)
    writes = ["-c", "write -P 1 1M 3M", "-c", "write -P 2 2047M 2M", "-c", "write -P 3 4G 64k"]
    subprocess.run(["qemu-io", "-f", "vmdk", *writes, path], check=True, capture_output=True)
    ours = LayerMap(diskchain.discover(path))
    theirs = by_qemu(["qemu-img", "map", "--output=json", "-f", "vmdk", str(path)])
    if kind == "monolithicFlat":
        assert by_us(ours) == theirs
        assert ours.data_names == [str(tmp_path / "disk-flat.vmdk")]
    else:
        assert _without_places(by_us(ours)) == _without_places(theirs)
    assert not ours.findings


def _without_places(runs: list[Plain]) -> list[tuple[int, int, bool, bool, bool]]:
    """Runs without their places in files, joined anew."""
    done: list[tuple[int, int, bool, bool, bool]] = []
    for run in runs:
        if done and done[-1][1] == run.start and done[-1][2:] == (run.present, run.zero, run.data):
            done[-1] = (done[-1][0], run.end, *done[-1][2:])
        else:
            done.append((run.start, run.end, run.present, run.zero, run.data))
    return done


@pytest.mark.parametrize(("format", "options"), [("vhdx", ""), ("vhdx", "subformat=fixed"), ("vhdx", "block_size=1M")])
def test_of_vhdx_what_is_data_is_there_and_the_rest_is_zeros(format: str, options: str, tmp_path: Path) -> None:
    path, raw = tmp_path / "disk", tmp_path / "raw"
    make(path, format, options, 7)
    subprocess.run(["qemu-img", "convert", "-f", format, "-O", "raw", path, raw], check=True)
    seen, held = raw.read_bytes(), path.read_bytes()
    ours = LayerMap(diskchain.discover(path, format=diskchain.Format(format)))
    runs = list(ours.runs())
    assert runs[-1].end == len(seen)
    assert any(run.data for run in runs)
    assert not ours.findings
    for run in runs:
        guest = seen[run.start : run.end]
        assert guest == (bytes(run.length) if run.offset is None else held[run.offset : run.offset + run.length])


def test_a_qcow2_overlay_on_another_format(qemu_img: QemuImg, tmp_path: Path) -> None:
    base, top = tmp_path / "base.vmdk", tmp_path / "top.qcow2"
    make(base, "vmdk", "", 3)
    qemu_img("create", "-q", "-f", "qcow2", "-b", base, "-F", "vmdk", top)
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write 3M 1M", top], check=True, capture_output=True)
    assert by_us(LayerMap(diskchain.discover(top))) == by_qemu(["qemu-img", "map", "--output=json", str(top)])


@pytest.mark.parametrize(("format", "options"), [*_KINDS, ("vhdx", "")])
def test_tables_that_lie_raise_nothing(format: str, options: str, tmp_path: Path) -> None:
    path = tmp_path / "disk"
    make(path, format, options, 5)
    image = path.read_bytes()
    rng = random.Random(11)  # noqa: S311
    for _ in range(25):
        broken = bytearray(image[: rng.choice((len(image), len(image), len(image) // 2))])
        for _ in range(3):
            at = rng.randrange(0, min(len(broken), 1 << 20) - 8)
            broken[at : at + 8] = rng.choice((rng.randbytes(8), b"\xff" * 8, bytes(8)))
        path.write_bytes(broken)
        ours = LayerMap(diskchain.discover(path, format=diskchain.Format(format)))
        header = ours.chain.top.header
        if header is not None and header.capacity <= 1 << 40:
            assert sum(int(window.length.sum()) for window in ours) == header.capacity
