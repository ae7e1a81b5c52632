"""Where is a missing layer now? Look through directories for files that could be it, and say why each could.

Reads headers through ``readers``; opens no file for writing and follows no symlink to a directory.
"""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

from diskchain.checks.messages import DIFFERENCING
from diskchain.discover.chain import BackingChain, Layer, Origin
from diskchain.discover.fixes import REBASABLE
from diskchain.errors import AmbiguousImage, DiskchainError, ImageError, StorageTimeout
from diskchain.image.header import Identity, ImageHeader
from diskchain.image.inspect import inspect
from diskchain.image.probe import guess
from diskchain.image.window import Window
from diskchain.readers.local import open_local
from diskchain.storage.location import local_path
from diskchain.storage.terms import Format
from diskchain.system.deadline import DEFAULT_DEADLINE, within

#: Files looked at before giving up; a bound for a search that was started at ``/``.
MOST_FILES: Final = 200_000


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is known of a missing layer: from its overlay's header, which names it.

    ``path``: its name, or for want of one its id. ``identities``: the ids the overlay remembers of its parent (VMDK, VHD, VHDX, VDI).
    ``capacity``: the overlay's, in bytes. ``overlay``: its path, where it can be told of another name; ``stored``: the name it has
    now. ``above``: the files of the layers above, none of which can be it. ``data``: it is not a backing file, but the data file.
    """

    path: str
    format: Format | None = None
    capacity: int | None = None
    identities: frozenset[str] = frozenset()
    overlay: str | None = None
    above: frozenset[tuple[int, int]] = frozenset()
    stored: str | None = None
    data: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that could be the missing layer. ``reasons``, strongest first; ``score`` orders candidates, higher is likelier.

    ``likely``: it has the name or the id, and not only what many images have.
    """

    path: str
    score: int
    reasons: tuple[str, ...]
    format: Format
    likely: bool


def wanted_layers(chain: BackingChain) -> Iterator[Wanted]:
    """The layers and data files of ``chain`` that are not there, and the parents that QEMU does not read."""
    above: Layer | None = None
    met: set[tuple[int, int]] = set()
    for layer in chain.layers:
        path = local_path(layer.source.location)
        if path is not None and _is_missing(layer, path):
            yield _wanted_layer(path, layer, above, frozenset(met))
        if layer.facts is not None and layer.facts.identity is not None:
            met.add(layer.facts.identity)
        if layer.data_file is not None:
            path = local_path(layer.data_file.source.location)
            if path is not None and _is_missing(layer.data_file, path):
                yield _wanted_data_file(path, layer, layer.data_file, frozenset(met))
        if layer.below is None and layer.header is not None and layer.header.format in DIFFERENCING:
            parent = _wanted_parent(layer.header, frozenset(met))
            if parent is not None:
                yield parent
        above = layer


def _is_missing(file: Layer, path: str) -> bool:
    return any(found.id == "missing" and found.file == path for found in file.findings)


def _ids(identity: Identity | None) -> frozenset[str]:
    return frozenset(id for id in (identity.parent, identity.parent_or) if id is not None) if identity else frozenset()


def _wanted_layer(path: str, layer: Layer, above: Layer | None, met: frozenset[tuple[int, int]]) -> Wanted:
    header = above.header if above is not None else None
    if above is None or header is None:
        return Wanted(path, layer.source.format, above=met)
    told = above.source.format in REBASABLE and layer.origin is not Origin.DECLARED
    overlay = local_path(above.source.location) if told else None
    stored = header.backing.text if header.backing is not None else None
    return Wanted(path, layer.source.format, header.capacity, _ids(header.identity), overlay, met, stored)


def _wanted_data_file(path: str, layer: Layer, data: Layer, met: frozenset[tuple[int, int]]) -> Wanted:
    header = layer.header
    if header is None:
        return Wanted(path, data.source.format, above=met, data=True)
    told = data.source.detected and header.encryption is None
    overlay = local_path(layer.source.location) if told else None
    return Wanted(path, Format.RAW, header.capacity, above=met, overlay=overlay, stored=header.data_file, data=True)


def _wanted_parent(header: ImageHeader, met: frozenset[tuple[int, int]]) -> Wanted | None:
    """The parent of a differencing VHD, VHDX or VDI: no layer, as nobody follows it. Its name is one of another host."""
    identity = header.identity
    if identity is None or identity.parent is None:
        return None
    name = identity.parent_names[0] if identity.parent_names else identity.parent
    return Wanted(name, header.format, header.capacity, _ids(identity), above=met)


def candidates(wanted: Wanted, directories: Iterable[str], *, seconds: float = DEFAULT_DEADLINE) -> list[Candidate]:
    """Files below ``directories`` that could be ``wanted``, likeliest first.

    What cannot be read, or does not answer within so many ``seconds``, is passed over.
    """
    return search([wanted], directories, seconds=seconds)[wanted]


def search(
    wanted: Iterable[Wanted], directories: Iterable[str], *, seconds: float = DEFAULT_DEADLINE
) -> dict[Wanted, list[Candidate]]:
    """The :func:`candidates` for each of ``wanted``; every file is read once."""
    found: dict[Wanted, dict[str, Candidate]] = {each: {} for each in wanted}
    for number, path in enumerate(_files(directories, seconds) if found else ()):
        if number >= MOST_FILES:
            break
        file = _read(path, seconds)
        for each, its in found.items():
            candidate = _judge(each, file) if file is not None and file.identity not in each.above else None
            if candidate is not None:
                its[path] = candidate
    return {
        each: sorted(its.values(), key=lambda candidate: (-candidate.score, candidate.path))
        for each, its in found.items()
    }


def _files(directories: Iterable[str], seconds: float) -> Iterator[str]:
    pending = [os.path.abspath(directory) for directory in directories]
    while pending:
        directory = pending.pop()
        try:
            below, files = within(seconds, directory, partial(_listed, directory))
        except (OSError, ValueError, StorageTimeout):
            continue
        pending += below
        yield from files


def _listed(directory: str) -> tuple[list[str], list[str]]:
    """The directories and the files in a directory, in the order of their names."""
    below, files = [], []
    with os.scandir(directory) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.is_dir(follow_symlinks=False):
                below.append(entry.path)
            elif entry.is_file():
                files.append(entry.path)
    return below, files


@dataclass(frozen=True, slots=True)
class _File:
    """What was read of one file. ``header`` is None where it is no image of the format it looks like."""

    path: str
    size: int
    identity: tuple[int, int] | None
    header: ImageHeader | None


def _has_same_name(wanted: Wanted, path: str) -> bool:
    names = {os.path.basename(wanted.path)}
    if wanted.format in DIFFERENCING:
        names.add(wanted.path.replace("\\", "/").rpartition("/")[2])  # written on Windows
    return os.path.basename(path) in names


def _judge(wanted: Wanted, file: _File) -> Candidate | None:
    if wanted.data:
        return _judge_data(wanted, file)
    path, header = file.path, file.header
    if header is None:
        return None
    score, reasons = 0, []
    identity = header.identity
    if identity is not None and not wanted.identities.isdisjoint((identity.own, identity.own_state)):
        score, reasons = 8, ["has the id its overlay remembers"]
    if _has_same_name(wanted, path):
        score += 4
        reasons.append("has the same name")
    likely = score > 0
    if wanted.format is not None and header.format is wanted.format:
        score += 1
        reasons.append(f"is {header.format}")
    if wanted.capacity is not None and header.capacity == wanted.capacity:
        score += 2
        reasons.append("has the capacity of its overlay")
    # Format and capacity together are worth a look; either alone is not.
    return Candidate(path, score, tuple(reasons), header.format, likely) if score > 2 else None  # noqa: PLR2004 - the sum just above


def _judge_data(wanted: Wanted, file: _File) -> Candidate | None:
    """A data file is raw whatever it begins with, which a guest wrote. Many files have the size of a disk: the name counts."""
    named = _has_same_name(wanted, file.path)
    sized = file.size == wanted.capacity
    if not named and not (sized and file.header is not None and file.header.format is Format.RAW):
        return None
    reasons = (("has the same name",) if named else ()) + (("is as large as the disk",) if sized else ())
    return Candidate(file.path, 4 * named + 2 * sized, reasons, Format.RAW, named)


def _guess(image: Window) -> Format:
    """By every signature there is, as here nothing depends on it; by libvirt's rules where those contradict each other."""
    try:
        return guess(image, "untrusted")
    except AmbiguousImage:
        return guess(image)


def _read(path: str, seconds: float) -> _File | None:
    """A file, and which it is; None: it cannot be read."""
    try:
        return within(seconds, path, lambda: _read_file(path))
    except DiskchainError:
        return None


def _read_file(path: str) -> _File:
    with open_local(path) as image:
        window = image.window()
        try:
            header = inspect(window, _guess(window))
        except ImageError:
            header = None
        return _File(path, image.facts.size, image.facts.identity, header)
