"""Looking into a raw image: partition tables as sfdisk writes them, ISO volumes, LUKS, signatures."""

import json
import subprocess
from pathlib import Path

import pytest
from tests.image.windows import bytes_window, file_window
from tests.live.peers import requires

from diskchain.image.inspect import inspect
from diskchain.image.raw_content import examine
from diskchain.storage.terms import Format

MiB = 1 << 20


def partitioned(path: Path, script: str) -> dict[str, object]:
    with path.open("wb") as file:
        file.truncate(20 * MiB)
    subprocess.run(["sfdisk", "--quiet", path], input=script, text=True, check=True, capture_output=True)
    dump = subprocess.run(["sfdisk", "--json", path], check=True, capture_output=True, text=True).stdout
    table = json.loads(dump)["partitiontable"]
    assert isinstance(table, dict)
    return table


@requires("sfdisk")
@pytest.mark.parametrize(
    ("label", "script"),
    [
        ("gpt", 'label: gpt\nsize=2M,name="Größe"\nsize=3M,type=swap,name=second\n'),
        ("dos", "label: dos\nsize=2M,type=83\nsize=3M,type=82\n"),
    ],
)
def test_partitions_are_read_like_sfdisk_reads_them(label: str, script: str, tmp_path: Path) -> None:
    path = tmp_path / "disk"
    theirs = partitioned(path, script)

    table = examine(file_window(path)).partition_table

    assert table is not None
    assert table.scheme == {"gpt": "gpt", "dos": "mbr"}[label]
    assert table.sound
    rows = theirs["partitions"]
    assert isinstance(rows, list)
    assert [(row.start, row.size, row.kind, row.name) for row in table.partitions] == [
        (row["start"] * 512, row["size"] * 512, row["type"].lower(), row.get("name", "")) for row in rows
    ]
    if label == "gpt":
        assert table.guid == str(theirs["id"]).lower()


@requires("sfdisk")
def test_a_damaged_gpt_is_shown_and_called_unsound(tmp_path: Path) -> None:
    path = tmp_path / "disk"
    partitioned(path, "label: gpt\nsize=2M\n")
    with path.open("r+b") as file:
        file.seek(1024 + 60)  # in the first entry's name
        file.write(b"x")

    table = examine(file_window(path)).partition_table

    assert table is not None
    assert not table.sound
    assert len(table.partitions) == 1


def test_a_volume_name_is_read_from_an_iso() -> None:
    image = bytearray(18 * 2048)
    image[32768:32775] = b"\x01CD001\x01"
    image[32808:32840] = b"RESCUE".ljust(32)

    content = examine(bytes_window(bytes(image)))

    assert (content.signatures, content.iso_volume) == ((Format.ISO,), "RESCUE")
    assert dict(inspect(bytes_window(bytes(image)), Format.ISO, full=True).details)["volume id"] == "RESCUE"


def test_what_a_guest_wrote_is_named_and_does_not_make_the_image_anything_but_raw() -> None:
    image = b"QFI\xfb\0\0\0\3".ljust(MiB, b"\0")

    assert examine(bytes_window(image)).signatures == (Format.QCOW2,)
    assert inspect(bytes_window(image), Format.RAW).format == Format.RAW


def test_a_luks_header_cut_short_is_left_out() -> None:
    content = examine(bytes_window(b"LUKS\xba\xbe\0\1".ljust(100, b"\0")))

    assert (content.signatures, content.encryption) == ((Format.LUKS,), None)
