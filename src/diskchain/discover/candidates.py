"""Where is a missing layer now? Look through directories for files that could be it, and say why each could.

Reads headers through ``readers``; opens no file for writing and follows no symlink to a directory.
"""

import os
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Final, NamedTuple

from diskchain.discover.chain import BackingChain, Layer, Origin
from diskchain.discover.observations import REBASABLE
from diskchain.errors import AmbiguousImage, DiskchainError, StorageTimeout
from diskchain.image.header import ImageHeader
from diskchain.image.inspect import inspect
from diskchain.image.probe import probe
from diskchain.image.window import Window
from diskchain.readers.local import open_local
from diskchain.readers.patience import PATIENCE, within
from diskchain.storage.location import local_path
from diskchain.storage.terms import Format

#: Files looked at before giving up; a bound for a search that was started at ``/``.
MOST_FILES: Final = 200_000


class Wanted(NamedTuple):
    """What is known of a missing layer: from its overlay's header, which names it.

    ``identities``: the ids the overlay remembers of its parent (VMDK, VHD, VHDX, VDI). ``capacity``: the overlay's, in bytes.
    ``overlay``: its path, where it can be told of another name. ``above``: the files of the layers above, none of which can be it.
    """

    path: str
    format: Format | None = None
    capacity: int | None = None
    identities: frozenset[str] = frozenset()
    overlay: str | None = None
    above: frozenset[tuple[int, int]] = frozenset()


class Candidate(NamedTuple):
    """A file that could be the missing layer. ``reasons``, strongest first; ``score`` orders candidates, higher is likelier.

    ``likely``: it has the name or the id, and not only what many images have.
    """

    path: str
    score: int
    reasons: tuple[str, ...]
    format: Format
    likely: bool


def wanted_layers(chain: BackingChain) -> Iterator[Wanted]:
    """The layers of ``chain`` that are not there, data files apart."""
    above: Layer | None = None
    met: set[tuple[int, int]] = set()
    for layer in chain.layers:
        path = local_path(layer.source.location)
        if path is not None and any(found.id == "missing" and found.file == path for found in layer.findings):
            header = above.header if above is not None else None
            known = header.identity if header is not None else None
            ids = (known.parent, known.parent_or) if known is not None else ()
            capacity = header.capacity if header is not None else None
            told = above is not None and above.source.format in REBASABLE and layer.origin is not Origin.DECLARED
            overlay = local_path(above.source.location) if above is not None and told else None
            known_ids = frozenset(id for id in ids if id is not None)
            yield Wanted(path, layer.source.format, capacity, known_ids, overlay, frozenset(met))
        above = layer
        if layer.facts is not None and layer.facts.identity is not None:
            met.add(layer.facts.identity)


def candidates(wanted: Wanted, directories: Iterable[str], *, seconds: float = PATIENCE) -> list[Candidate]:
    """Files below ``directories`` that could be ``wanted``, likeliest first.

    What cannot be read, or does not answer within so many ``seconds``, is passed over.
    """
    return search([wanted], directories, seconds=seconds)[wanted]


def search(
    wanted: Iterable[Wanted], directories: Iterable[str], *, seconds: float = PATIENCE
) -> dict[Wanted, list[Candidate]]:
    """The :func:`candidates` for each of ``wanted``; every file is read once."""
    found: dict[Wanted, dict[str, Candidate]] = {each: {} for each in wanted}
    for number, path in enumerate(_files(directories, seconds) if found else ()):
        if number >= MOST_FILES:
            break
        header, identity = _header(path, seconds)
        for each, its in found.items():
            candidate = None if header is None or identity in each.above else _judge(each, path, header)
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


def _judge(wanted: Wanted, path: str, header: ImageHeader) -> Candidate | None:
    score, reasons = 0, []
    identity = header.identity
    if identity is not None and not wanted.identities.isdisjoint((identity.own, identity.own_state)):
        score, reasons = 8, ["has the id its overlay remembers"]
    if os.path.basename(path) == os.path.basename(wanted.path):
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


def _guess(image: Window) -> Format:
    """By every signature there is, as here nothing depends on it; by libvirt's rules where those contradict each other."""
    try:
        return probe(image, "untrusted")
    except AmbiguousImage:
        return probe(image)


def _header(path: str, seconds: float) -> tuple[ImageHeader | None, tuple[int, int] | None]:
    """The header of a file, and which file it is."""
    try:
        return within(seconds, path, lambda: _read(path))
    except DiskchainError:
        return None, None


def _read(path: str) -> tuple[ImageHeader, tuple[int, int] | None]:
    with open_local(path) as image:
        return inspect(image, _guess(image)), image.facts.identity
