"""``check`` says of every image whether its file is as long as its own tables say; what QEMU does with each part of one is the judge."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.checks.whole_images import FORMATS, RECIPES, Recipe, cuts, harmed, make
from tests.cli.commands import diskchain
from tests.live.storage import QemuImg, run

from diskchain.behaviours import for_versions
from diskchain.checks.closer import closer
from diskchain.checks.consistency import examine
from diskchain.discover import Discoverer
from diskchain.findings import Finding, Severity
from diskchain.storage.location import BlockLocation, FileLocation
from diskchain.storage.source import Source

#: Cuts of each image; with CUTS=50 in the environment it is as many as a careful look takes.
CUTS = int(os.environ.get("CUTS", "12"))


def faults(path: Path, format: str) -> list[Finding]:
    """What ``check`` says of an image that is no note."""
    source = Source(FileLocation(str(path)), FORMATS[format])
    chain = Discoverer(closer=closer).discover(source)
    found = [*chain.findings, *(each for _, each in examine(chain))]
    return [each for each in found if each.severity is not Severity.INFO]


def beyond_a_bounded_look(recipe: Recipe, size: int, cut: int) -> bool:
    """What no few reads can tell, each with its reason.

    * The cluster at the end of a qcow2 file is incomplete, and what uses it is not the active disk: QEMU calls that whole itself.
    * The last sector of a file is incomplete, and a compressed qcow2 cluster ends somewhere in it: its length is noted in sectors.
    """
    if recipe.format == "qcow2" and recipe.copied and size - cut < 512:
        return True
    snapshots = recipe.format == "qcow2" and any("snapshot" in step or "bitmap" in step for step in recipe.steps)
    return snapshots and size - cut < 65536


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_a_healthy_image_is_clean_and_a_part_of_it_is_not(qemu_img: QemuImg, tmp_path: Path, recipe: Recipe) -> None:
    path, part, whole = tmp_path / "image", tmp_path / "part", tmp_path / "whole.raw"
    make(qemu_img, recipe, path)
    assert faults(path, recipe.format) == []
    qemu_img("convert", "-f", recipe.format, "-O", "raw", path, whole)
    data = path.read_bytes()
    missed = []
    for cut in cuts(recipe, len(data), CUTS):
        part.write_bytes(data[:cut])
        wrong = harmed(recipe, part, whole)
        if wrong and not faults(part, recipe.format) and not beyond_a_bounded_look(recipe, len(data), cut):
            missed.append((cut, len(data), wrong))
    assert missed == []


def test_a_search_that_finds_nothing_would_be_noticed(qemu_img: QemuImg, tmp_path: Path) -> None:
    """The judge itself sees what is wrong: else nothing above would mean anything."""
    recipe = Recipe("qcow2")
    path, whole = tmp_path / "image", tmp_path / "whole.raw"
    make(qemu_img, recipe, path)
    qemu_img("convert", "-O", "raw", path, whole)
    assert harmed(recipe, path, whole) is None
    os.truncate(path, path.stat().st_size // 2)
    assert harmed(recipe, path, whole)


def only(path: Path, format: str) -> Finding:
    (found,) = faults(path, format)
    return found


def test_the_message_says_how_many_bytes_are_needed_for_what_and_what_qemu_does(
    qemu_img: QemuImg, tmp_path: Path
) -> None:
    path = tmp_path / "disk.qcow2"
    make(qemu_img, Recipe("qcow2"), path)
    size = path.stat().st_size
    os.truncate(path, 200_000)
    found = only(path, "qcow2")
    assert (found.id, found.severity, found.stops) == ("truncated", Severity.ERROR, None)
    assert "it has 200000 bytes and needs at least " in found.message
    assert int(found.message.partition("needs at least ")[2].split()[0]) in range(size - 65536, size + 1)
    assert "its L1 table" not in found.message
    assert "the guest reads" in found.message


def test_what_qemu_refuses_to_open_does_not_start(qemu_img: QemuImg, tmp_path: Path) -> None:
    path = tmp_path / "disk.vhdx"
    make(qemu_img, Recipe("vhdx", "block_size=1M"), path)
    os.truncate(path, path.stat().st_size - 4096)
    found = only(path, "vhdx")
    assert (found.id, found.stops) == ("truncated", "start")
    assert "QEMU refuses to open it" in found.message


def test_clusters_that_are_counted_and_never_written_are_no_data(qemu_img: QemuImg, tmp_path: Path) -> None:
    """As after a crash. ``qemu-img check`` does not count what is behind the end."""
    path = tmp_path / "disk.qcow2"
    make(qemu_img, Recipe("qcow2"), path)
    clusters = path.stat().st_size >> 16
    with path.open("r+b") as file:
        file.seek((2 << 16) + 2 * clusters)
        file.write(b"\0\1" * 3)
    assert faults(path, "qcow2") == []
    (found,) = Discoverer(closer=closer).discover(Source(FileLocation(str(path)), FORMATS["qcow2"])).findings
    assert (found.id, found.severity) == ("truncated", Severity.INFO)
    assert "clusters that nothing refers to" in found.message
    qemu_img("check", path)


def test_a_data_file_is_as_long_as_the_disk(qemu_img: QemuImg, tmp_path: Path) -> None:
    for raw, severity in (("on", Severity.ERROR), ("off", Severity.WARNING)):
        path, data = tmp_path / f"{raw}.qcow2", tmp_path / f"{raw}.raw"
        qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={data},data_file_raw={raw}", path, "3M")
        assert faults(path, "qcow2") == []
        os.truncate(data, (3 << 20) - 512)
        found = only(path, "qcow2")
        assert (found.id, found.severity, found.file, found.referrer) == ("truncated", severity, str(data), str(path))


def test_what_is_left_of_a_parallels_block_is_kept_or_discarded_as_the_message_says(
    qemu_img: QemuImg, tmp_path: Path
) -> None:
    path = tmp_path / "disk.hds"
    qemu_img("create", "-q", "-f", "parallels", path, "3M")
    run("qemu-io", "-f", "parallels", "-c", "write -P 7 0 64k", path)
    os.truncate(path, path.stat().st_size - 4096)
    found = for_versions(only(path, "parallels"), qemu_img.versions)
    assert (found.severity, found.stops) == (Severity.ERROR, None)
    assert _reads_sevens(path)
    run("qemu-io", "-f", "parallels", "-c", "read 0 512", path)  # opens it for writing
    kept = _reads_sevens(path)
    assert ("keeps what is left" in found.message, "discards what is left" in found.message) == (kept, not kept)


def _reads_sevens(path: Path) -> bool:
    command: list[str | Path] = ["qemu-io", "-r", "-f", "parallels", "-c", "read -P 7 0 64k", path]
    read = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "65536/65536 bytes" in read.stdout
    return "failed" not in read.stdout


def test_a_parallels_image_without_data_that_ends_before_the_place_for_them_loses_nothing(
    qemu_img: QemuImg, tmp_path: Path
) -> None:
    path = tmp_path / "disk.hds"
    qemu_img("create", "-q", "-f", "parallels", path, "3M")
    os.truncate(path, path.stat().st_size - 1)  # the last sector counts as a whole one
    assert faults(path, "parallels") == []
    os.truncate(path, path.stat().st_size - 4096)
    found = only(path, "parallels")
    assert (found.id, found.severity) == ("truncated", Severity.WARNING)
    assert "no data of the disk are lost" in found.message


def test_an_extent_of_a_split_vmdk_is_whole_as_well(qemu_img: QemuImg, tmp_path: Path) -> None:
    for kind, extent in (("twoGbMaxExtentSparse", "disk-s001.vmdk"), ("monolithicFlat", "disk-flat.vmdk")):
        path = tmp_path / "disk.vmdk"
        make(qemu_img, Recipe("vmdk", f"subformat={kind}"), path)
        assert faults(path, "vmdk") == []
        os.truncate(tmp_path / extent, (tmp_path / extent).stat().st_size - 4096)
        found = only(path, "vmdk")
        assert (found.id, found.severity) == ("truncated", Severity.ERROR)
        assert f'extent "{extent}"' in found.message


def test_of_a_block_device_the_size_of_the_device_counts(
    qemu_img: QemuImg, tmp_path: Path, loop_device: Callable[[Path], Path]
) -> None:
    whole, part = tmp_path / "whole", tmp_path / "part"
    make(qemu_img, Recipe("qcow2"), whole)
    shutil.copy(whole, part)
    os.truncate(part, part.stat().st_size - (4 << 16))
    for path, ids in ((whole, []), (part, ["truncated"])):
        source = Source(BlockLocation(str(loop_device(path))), FORMATS["qcow2"])
        assert [found.id for found in Discoverer(closer=closer).discover(source).findings] == ids


def test_info_and_show_tell_of_it_as_check_does(qemu_img: QemuImg, tmp_path: Path) -> None:
    path = tmp_path / "disk.qcow2"
    make(qemu_img, Recipe("qcow2"), path)
    os.truncate(path, path.stat().st_size // 2)
    verbs = [diskchain(verb, path) for verb in ("info", "show", "check")]
    assert ["[truncated]" in verb.out for verb in verbs] == [True] * 3
    told = {verb.out.partition("it has ")[2].partition(" [truncated]")[0] for verb in verbs}
    assert len(told) == 1


def test_while_another_process_writes_to_an_image_it_is_to_be_checked_again(qemu_img: QemuImg, tmp_path: Path) -> None:
    path = tmp_path / "disk.qcow2"
    make(qemu_img, Recipe("qcow2"), path)
    command: list[str | Path] = ["qemu-io", "-f", "qcow2", path]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        writer.stdin.write("read 0 512\n")
        writer.stdin.flush()
        assert "read" in writer.stdout.readline()
        assert faults(path, "qcow2") == []
        os.truncate(path, path.stat().st_size // 2)
        found = only(path, "qcow2")
        assert (found.severity, "Check it again" in found.message) == (Severity.WARNING, True)
        writer.kill()
    assert only(path, "qcow2").severity is Severity.ERROR
