"""``relocate``: headers and documents name files where they were, and they are somewhere else now: the names are written anew.

No data are copied, and what was at the old place is gone, so there is nothing to compare with. What is at the new place must be an image of
the format that is recorded. Reads headers; follows them by the map, within ``root`` where that is given.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from diskchain.errors import ImageError, ParseError, StorageError
from diskchain.findings import Finding, finding
from diskchain.image.header import ImageHeader
from diskchain.image.inspect import inspect
from diskchain.image.probe import guess
from diskchain.jobs.evidence import look
from diskchain.jobs.plan import Plan, PlannedLayer, Repoint, SeenFile
from diskchain.jobs.planning.commit import Planned
from diskchain.jobs.planning.draft import LONGEST_REFERENCE
from diskchain.readers.local import open_local
from diskchain.storage.location import FileLocation, local_path
from diskchain.storage.reference import format_reference, parse_reference
from diskchain.storage.terms import Format

#: Layers after which a chain counts as a loop.
_DEEPEST = 1000


@dataclass(frozen=True, slots=True)
class Moves:
    """Where files went: directories or files, old path to new path. ``root``: where on this host these paths begin; empty: at the top."""

    paths: Mapping[str, str]
    root: str = ""

    def new_place(self, path: str) -> str | None:
        """Where ``path`` is now, by the longest entry that fits; None: it did not move."""
        fitting = [old for old in self.paths if path == old or path.startswith(old.rstrip("/") + "/")]
        if not fitting:
            return None
        old = max(fitting, key=len)
        return self.paths[old].rstrip("/") + path[len(old.rstrip("/")) :]

    def here(self, path: str) -> str:
        """``path`` on this host."""
        return self.root.rstrip("/") + path if self.root else path

    def inside(self, path: str) -> str:
        """A path on this host as files inside ``root`` name it."""
        root = self.root.rstrip("/")
        return path[len(root) :] if root and path.startswith(root + "/") else path


@dataclass(frozen=True, slots=True)
class _Step:
    layer: PlannedLayer
    seen: SeenFile
    pointer: Repoint | None
    below: str | None


def plan_relocate(target: str, path: str, moves: Moves) -> Planned:
    """The chain of the image at ``path`` with the names that ``moves`` gives. Raises StorageError."""
    steps: list[_Step] = []
    refused: list[Finding] = []
    at: str | None = path
    while at is not None and len(steps) < _DEEPEST:
        step = _step(at, len(steps), moves, refused)
        if step is None or step.seen.inode in {
            each.seen.inode for each in steps if each.seen.device == step.seen.device
        }:
            break
        steps.append(step)
        at = step.below
    places = tuple(range(len(steps)))
    pointers = tuple(step.pointer for step in steps if step.pointer is not None)
    plan = Plan(
        "relocate",
        target,
        None,
        tuple(step.layer for step in steps),
        tuple(step.seen for step in steps),
        places,
        places,
        repoints=pointers,
    )
    return Planned(plan if steps else None, tuple(refused))


def _step(path: str, number: int, moves: Moves, refused: list[Finding]) -> _Step | None:
    head = look(path)
    try:
        with open_local(path) as image:  # what tells formats apart may lie beyond a small first cluster
            form = guess(image.window())
            header = inspect(image.window(), form)
    except (ImageError, StorageError) as error:
        refused.append(finding("job-chain", f"{path}: {error}", file=path))
        return None
    backing = header.backing
    layer = PlannedLayer(
        path,
        form,
        header.capacity,
        path,
        reference=None if backing is None else backing.text,
        reference_format=None if backing is None else backing.format,
    )
    pointer, below = _moved(path, number, header, moves, refused)
    return _Step(layer, head.seen, pointer, below)


def _moved(
    path: str, number: int, header: ImageHeader, moves: Moves, refused: list[Finding]
) -> tuple[Repoint | None, str | None]:
    """The new pointer of an image, None where it stays, and the path on this host of what is below."""
    if header.data_file is not None and moves.new_place(header.data_file) is not None:
        refused.append(
            finding(
                "job-format", f"{path} keeps its data in {header.data_file}; such a name is not rewritten", file=path
            )
        )
    backing = header.backing
    if backing is None:
        return None, None
    try:
        reference = parse_reference(backing.text, "qemu")
    except ParseError as error:
        refused.append(finding("job-chain", f"{path}: {error}", file=path))
        return None, None
    named = local_path(reference.location)
    if named is None:
        return None, None
    whole = (
        named if named.startswith("/") else os.path.normpath(os.path.join(os.path.dirname(moves.inside(path)), named))
    )
    if os.path.exists(moves.here(whole)):
        return None, moves.here(whole)
    place = moves.new_place(whole)
    if place is None or header.format is not Format.QCOW2:
        refused.append(
            finding(
                "job-chain", f"{whole}, which {path} names, is not there, and --map does not say where it is", file=path
            )
        )
        return None, None
    refused.extend(_unfit(path, place, backing.format, moves))
    if backing.format is None or not os.path.exists(moves.here(place)):
        return None, None
    name = place
    if backing.text.startswith("json:"):
        name = format_reference(reference.source()._replace(location=FileLocation(place)))
    return Repoint(number, path, backing.text, backing.format, name, backing.format), moves.here(place)


def _unfit(overlay: str, place: str, recorded: str | None, moves: Moves) -> Iterator[Finding]:
    """Why what is at the new place cannot be what the overlay named."""
    here = moves.here(place)
    if recorded is None:
        yield finding("job-chain", f"{overlay} does not record the format of its backing file", file=overlay)
        return
    try:
        head = look(here)
    except StorageError as error:
        yield finding("job-chain", f"{overlay} is to name {place}: {error}", file=overlay)
        return
    if recorded == "qcow2" and head.cluster[:4] != b"QFI\xfb":
        yield finding("job-chain", f"{overlay} records that what is below is qcow2, and {here} is not", file=here)
    if len(os.fsencode(place)) > LONGEST_REFERENCE:
        yield finding("job-reference", f"{place} is too long a name for a header", file=overlay)
