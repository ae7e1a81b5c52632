"""``diskchain map``: sums, runs and blame as a user sees them."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.commands import diskchain
from tests.live.storage import QemuImg


@pytest.fixture
def top(qemu_img: QemuImg, tmp_path: Path) -> Path:
    base, top = tmp_path / "base.qcow2", tmp_path / "top.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", base, "4M")
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write 0 2M", base], check=True, capture_output=True)
    qemu_img("create", "-q", "-f", "qcow2", "-b", base, "-F", "qcow2", top)
    subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write 1M 2M", top], check=True, capture_output=True)
    return top


def test_a_line_for_each_layer_says_what_it_answers_for_and_hides(top: Path) -> None:
    done = diskchain("map", str(top))
    assert done.code == 0
    lines = done.out.splitlines()
    assert "4 MiB, 2 layers, top first" in lines[0]
    assert lines[2].split()[1:6] == ["2", "MiB", "-", "-", "2.3"]
    assert lines[3].split()[1:6] == ["1", "MiB", "-", "1", "MiB"]
    assert "1 MiB are in no layer" in lines[4]


def test_json_says_the_same_to_programs(top: Path) -> None:
    (disk,) = json.loads(diskchain("map", str(top), "--json").out)["disks"]
    assert disk["virtual-size"] == 4 << 20
    assert [(layer["answers"], layer["hidden"]) for layer in disk["layers"]] == [(2 << 20, 0), (1 << 20, 1 << 20)]


def test_runs_have_the_keys_and_values_of_qemu_img_map(top: Path) -> None:
    ours = json.loads(diskchain("map", str(top), "--format", "json").out)
    theirs = json.loads(subprocess.check_output(["qemu-img", "map", "--output=json", top]))
    assert [{key: run.get(key) for key in each} for run, each in zip(ours, theirs, strict=True)] == theirs
    assert [run["layer"] for run in ours] == [f"{top}[1]", f"{top}[0]", f"{top}[1]"][: len(ours)]


def test_lines_csv_and_parquet_hold_the_same_runs(top: Path, tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    array = json.loads(diskchain("map", str(top), "--format", "json").out)
    lines = [json.loads(line) for line in diskchain("map", str(top), "--format", "jsonl").out.splitlines()]
    rows = list(csv.DictReader(io.StringIO(diskchain("map", str(top), "--format", "csv").out)))
    file = tmp_path / "runs.parquet"
    with file.open("wb") as out:
        subprocess.run(
            [sys.executable, "-m", "diskchain", "map", str(top), "--format", "parquet"], stdout=out, check=True
        )
    assert lines == array
    assert [int(row["start"]) for row in rows] == [run["start"] for run in array]
    assert pq.read_table(file).column("length").to_pylist() == [run["length"] for run in array]


def test_blame_names_the_layer_and_the_place_in_its_file(top: Path) -> None:
    done = diskchain("map", str(top), "--blame", "1.5M")
    assert done.code == 0
    assert f"{top}[0]" in done.out
    assert f"{top} at 0x" in done.out
    stretch = diskchain("map", str(top), "--blame", "0-4M").out.splitlines()
    assert [line.split()[0] for line in stretch] == ["0x0-0x100000", "0x100000-0x300000", "0x300000-0x400000"]


@pytest.mark.parametrize("place", ["5M", "nonsense", "2M-1M", "1-", ""])
def test_a_place_that_is_not_there_is_a_usage_error(place: str, top: Path) -> None:
    assert diskchain("map", str(top), "--blame", place).code == 2


def test_a_layer_is_mapped_from_itself_down(top: Path) -> None:
    done = diskchain("map", str(top), "-d", "base.qcow2", "--json")
    (disk,) = json.loads(done.out)["disks"]
    assert [layer["answers"] for layer in disk["layers"]] == [2 << 20]
    assert disk["layers"][0]["name"] == f"{top}[1]"


def test_without_numpy_it_says_what_to_install(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from diskchain.cli.main import main

    monkeypatch.setitem(sys.modules, "numpy", None)
    assert main(["map", str(top)]) != 0


def test_the_cost_of_a_commit_is_said_before_it_runs(top: Path) -> None:
    done = diskchain("map", top, "--cost", "commit")
    assert done.code == 0
    assert "copies at most 2 MiB into" in done.out
    assert "grows by 1 MiB" in done.out
    assert "enough" in done.out
    told = json.loads(diskchain("map", top, "--cost", "commit", "--json").out)
    assert (told["schema"], told["copies"], told["growth"]) == ("diskchain/cost/1", 2 << 20, 1 << 20)
    subprocess.run(["qemu-img", "commit", "-q", top], check=True)
    (disk,) = json.loads(diskchain("map", top, "-d", "base.qcow2", "--json").out)["disks"]
    assert disk["layers"][0]["data"] == (2 << 20) + told["growth"]


def test_pull_copy_and_rebase_have_a_cost(top: Path) -> None:
    told = {
        operation: json.loads(diskchain("map", top, "--cost", operation, "--json", *more).out)
        for operation, more in (("pull", ()), ("copy", ()), ("rebase", ("--base", "")))
    }
    assert [each["growth"] for each in told.values()] == [1 << 20, 3 << 20, 1 << 20]
    assert told["copy"]["writes"] is None


@pytest.mark.parametrize(
    "words",
    [
        ("--top", "base.qcow2"),
        ("--cost", "commit", "--top", "base.qcow2"),
        ("--cost", "rebase"),
        ("--cost", "commit", "--base", "nonsense"),
        ("--json", "--format", "csv"),
    ],
)
def test_a_cost_of_no_range_is_a_usage_error(words: tuple[str, ...], top: Path) -> None:
    assert diskchain("map", top, *words).code == 2
