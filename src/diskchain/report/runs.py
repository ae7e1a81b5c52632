"""Every run of a map, as text for programs: JSON, JSON lines, CSV; or Parquet. Written as they are found; nothing holds all of them."""

import csv
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from diskchain.actions.map import DiskMap
    from diskchain.schema.map import RunDocument

_COLUMNS: Final = (
    "start", "length", "depth", "present", "zero", "data", "compressed", "offset", "layer", "filename", "damaged", "unknown", "disk",
)  # fmt: skip


def print_runs(form: str, disks: "Sequence[DiskMap]", out: TextIO) -> None:
    """The runs of ``disks`` in a ``form``: json, jsonl, csv or parquet (of one disk). Raises MissingExtra."""
    if form == "parquet":
        from diskchain.allocation.arrow import write_parquet

        write_parquet(disks[0].map.arrow(), out.buffer)
    elif form == "csv":
        _print_csv(disks, out)
    elif form == "jsonl":
        out.writelines(line + "\n" for line in _lines(disks))
    else:
        out.write("[")
        out.writelines((",\n " if number else "") + line for number, line in enumerate(_lines(disks)))
        out.write("]\n")


def _lines(disks: "Sequence[DiskMap]") -> Iterator[str]:
    import msgspec

    encode = msgspec.json.Encoder().encode
    for each in _documents(disks):
        try:
            yield encode(each).decode("ascii")
        except UnicodeError:
            yield json.dumps(msgspec.to_builtins(each), ensure_ascii=True)


def _documents(disks: "Sequence[DiskMap]") -> "Iterator[RunDocument]":
    from diskchain.schema.map import run_document

    several = len(disks) > 1
    for each in disks:
        names, files = each.layers, each.map.data_names
        disk = each.disk.name if several else None
        for run in each.map.runs():
            yield run_document(run, names[run.depth], files[run.depth], disk)


def _print_csv(disks: "Sequence[DiskMap]", out: TextIO) -> None:
    import msgspec

    columns = _COLUMNS if len(disks) > 1 else _COLUMNS[:-1]
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    for each in _documents(disks):
        row = msgspec.structs.asdict(each)
        row["offset"] = "" if row["offset"] is msgspec.UNSET else row["offset"]
        writer.writerow([_cell(row[column]) for column in columns])


def _cell(value: object) -> object:
    """Truth as JSON spells it; names so that they can be written, whatever their bytes."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    return value
