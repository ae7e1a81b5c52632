"""Where is a missing file now? Look through directories for files that could be it, and say why each could.

Reads headers through ``readers``; opens no file for writing and follows no symlink to a directory. Whether a candidate makes a better
chain is not known here: ``cures`` tries that.
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Final

from diskchain.checks.wanted import Part, Wanted
from diskchain.errors import AmbiguousImage, DiskchainError, ImageError, StorageTimeout
from diskchain.image.header import ImageHeader
from diskchain.image.inspect import inspect
from diskchain.image.probe import guess
from diskchain.image.window import Window
from diskchain.readers.local import open_local
from diskchain.storage.reference.foreign_name import last_component
from diskchain.storage.terms import Format
from diskchain.system.deadline import DEFAULT_DEADLINE, within

#: Files looked at before giving up; a bound for a search that was started at ``/``.
MOST_FILES: Final = 200_000
#: Entries of one directory looked at beside an image.
_MOST_BESIDE: Final = 20_000
#: What a download or a copy puts behind a name: ``disk (1).vmdk``, ``disk - Copy.vmdk``.
_COPIED: Final = re.compile(r"( ?\(\d{1,3}\)| - copy| copy)+(?=\.[^.]*$|$)")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file that could be the missing one.

    ``rank`` orders candidates, higher is likelier: the id, the components of the path that agree, the name, nearness to the file that
    names it, size, format. ``likely``: it has the id or the name, and not only what many images have. ``close``: it lies in the
    directory of what names it, or below. ``claimed``: another image in its own directory names a file called so.
    """

    path: str
    rank: tuple[int, ...]
    reasons: tuple[str, ...]
    format: Format
    likely: bool
    identity: tuple[int, int] | None = None
    close: bool = False
    claimed: bool = False

    @property
    def agreeing(self) -> int:
        """How many components at the end of its path are those of the missing file's."""
        return self.rank[1]

    @property
    def known(self) -> bool:
        """Whether the missing file's own id says that it is this one."""
        return bool(self.rank[0])


@dataclass(frozen=True, slots=True)
class _File:
    """What was read of one file. ``header`` is None where it is no image of the format it looks like."""

    path: str
    size: int
    identity: tuple[int, int] | None
    header: ImageHeader | None


class FileIndex:
    """The files below some directories, each read once, when first asked for. ``seconds`` for each answer.

    What cannot be read, or does not answer, is passed over.
    """

    def __init__(self, directories: Iterable[str], *, seconds: float = DEFAULT_DEADLINE) -> None:
        self._directories = tuple(directories)
        self._seconds = seconds

    def candidates(self, wanted: Wanted) -> list[Candidate]:
        """Files that could be ``wanted``, likeliest first, each under its likeliest name."""
        names, ids, kinds, claims = self._tables
        likely = list(names.get(_simplified(wanted.last), ())) if wanted.last else []
        for id in wanted.identities:
            likely += ids.get(id, ())
        capacity = wanted.capacity if wanted.size is None else wanted.size
        alike = kinds.get((wanted.format, capacity), ())
        return _sorted(_judge(wanted, file, claims) for file in (*likely, *alike))

    @cached_property
    def _tables(self) -> "_Tables":
        return _tables(
            file
            for _, path in zip(range(MOST_FILES), _files(self._directories, self._seconds), strict=False)
            if (file := _read(path, self._seconds)) is not None
        )


_Claims = dict[tuple[str, str], set[tuple[int, int] | None]]
_Tables = tuple[
    dict[str, list[_File]], dict[str, list[_File]], dict[tuple[Format | None, int | None], list[_File]], _Claims
]


def _tables(files: Iterable[_File]) -> _Tables:
    """Files by their simplified name, by the ids they have, by format and size; and who names a file in their own directory."""
    names: dict[str, list[_File]] = {}
    ids: dict[str, list[_File]] = {}
    kinds: dict[tuple[Format | None, int | None], list[_File]] = {}
    claims: _Claims = {}
    for file in files:
        directory, _, name = file.path.rpartition("/")
        names.setdefault(_simplified(name), []).append(file)
        header = file.header
        if header is None:
            continue
        kinds.setdefault((header.format, header.capacity), []).append(file)
        identity = header.identity
        for id in {identity.own, identity.own_state} - {None} if identity is not None else ():
            ids.setdefault(str(id), []).append(file)
        if header.backing is not None:
            claims.setdefault((directory, last_component(header.backing.text)), set()).add(file.identity)
    return names, ids, kinds, claims


def beside(wanted: Wanted, *, further: bool = True, seconds: float = DEFAULT_DEADLINE) -> list[Candidate]:
    """Files called as ``wanted`` in the directory of the file that names it; with ``further``, for want of one, one directory down.

    Opens nothing that is not called so. Nearness is by the name the file has and by where it really is.
    """
    near = wanted.namer or wanted.path
    if near is None or not wanted.last:
        return []
    try:
        paths = within(seconds, near, lambda: _called_so(near, wanted.last, further=further))
    except (OSError, ValueError, StorageTimeout):
        return []
    if wanted.meant.startswith("/"):
        paths.append(wanted.meant)  # what only QEMU finds by the name that is stored
    files = [file for path in paths if (file := _read(path, seconds)) is not None]
    found = _sorted(_judge(wanted, file, {}) for file in files)
    return [each for each in found if each.likely]


def _called_so(near: str, name: str, *, further: bool) -> list[str]:
    """The files near ``near`` with this ``name``, or with what a copy makes of it; ``further``: for want of one, those one directory down."""
    simple = _simplified(name)
    directories = dict.fromkeys((os.path.dirname(near), os.path.dirname(os.path.realpath(near))))
    listed = [entry for directory in directories for entry in _entries(directory)]
    found = [entry.path for entry in listed if _simplified(entry.name) == simple and entry.is_file()]
    if found or not further:
        return found
    below = (os.path.join(entry.path, name) for entry in listed if entry.is_dir(follow_symlinks=False))
    return [path for path in dict.fromkeys(below) if os.path.isfile(path)]


def _entries(directory: str) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(directory or "/") as entries:
            return [entry for _, entry in zip(range(_MOST_BESIDE), entries, strict=False)]
    except OSError:
        return []


def _simplified(name: str) -> str:
    """``name`` without what copying it adds, and without regard to case."""
    return _COPIED.sub("", name.lower())


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


def _sorted(judged: Iterable[Candidate | None]) -> list[Candidate]:
    """Each file once, under the name that ranks highest; likeliest first."""
    found = sorted(
        (each for each in judged if each is not None),
        key=lambda each: (*(-value for value in each.rank), each.path),
    )
    likeliest: dict[object, Candidate] = {}
    for each in found:
        likeliest.setdefault(each.identity or each.path, each)
    return list(likeliest.values())


def _judge(wanted: Wanted, file: _File, claims: _Claims) -> Candidate | None:
    """Whether and why ``file`` could be ``wanted``."""
    directory, _, name = file.path.rpartition("/")
    if file.identity in wanted.exclude:
        return None
    identity = file.header.identity if file.header is not None else None
    known = identity is not None and not wanted.identities.isdisjoint((identity.own, identity.own_state))
    same = name == wanted.last
    alike = bool(wanted.last) and _simplified(name) == _simplified(wanted.last)
    format, sized, kind, why = _fits(wanted, file)
    likely = known or alike
    # Format and capacity together are worth a look; either alone is not.
    if format is None or not (likely or (kind and sized)):
        return None
    reasons = (
        *(("has the id its overlay remembers",) if known else ()),
        *(("has the same name",) if same else ("has nearly the same name",) if alike else ()),
        *why,
    )
    near = os.path.dirname(wanted.namer or wanted.path or "/")
    claimed = bool(claims.get((directory, name), set()) - wanted.exclude)
    close = f"{directory}/".startswith(near.rstrip("/") + "/")
    rank = (int(known), _agreeing(wanted, file.path), int(alike), _common(near, directory), int(directory == near))
    return Candidate(file.path, (*rank, int(sized), int(kind)), reasons, format, likely, file.identity, close, claimed)


def _fits(wanted: Wanted, file: _File) -> tuple[Format | None, bool, bool, tuple[str, ...]]:
    """The format ``file`` would be read as (None: it cannot be), whether its size fits, whether its format does, and the reasons."""
    header = file.header
    if wanted.size is not None:  # raw, whatever a guest wrote to its beginning
        sized, kind = file.size == wanted.size, header is not None and header.format is Format.RAW
        if file.size < wanted.size and wanted.part is Part.EXTENT:
            return None, False, False, ()
        what = "the disk" if wanted.part is Part.DATA else "its descriptor says"
        return Format.RAW, sized, kind, (f"is as large as {what}",) if sized else ()
    if wanted.format is Format.RAW:  # the same, and a base may be shorter or longer than its overlay
        sized, kind = file.size == wanted.capacity, header is not None and header.format is Format.RAW
        why = (*(("is raw",) if kind else ()), *(("has the capacity of its overlay",) if sized else ()))
        return Format.RAW, sized, kind, why
    if header is None:
        return None, False, False, ()
    kind = wanted.format is not None and header.format is wanted.format
    sized = wanted.capacity is not None and header.capacity == wanted.capacity
    owner = "its descriptor says" if wanted.part is Part.EXTENT else "its overlay"
    reasons = (
        *((f"is {header.format}",) if kind else ()),
        *((f"has the capacity {'' if wanted.part is Part.EXTENT else 'of '}{owner}",) if sized else ()),
    )
    return header.format, sized, kind, reasons


def _agreeing(wanted: Wanted, path: str) -> int:
    """How many components at the end of ``path`` are those of the missing file's name."""
    asked = re.split(r"[\\/]", wanted.meant)
    agreeing = 0
    for one, other in zip(reversed(asked), reversed(path.split("/")), strict=False):
        if one != other or not one:
            break
        agreeing += 1
    return agreeing


def _common(one: str, other: str) -> int:
    """How many directories two paths have in common at their beginning."""
    common = 0
    for a, b in zip(one.split("/"), other.split("/"), strict=False):
        if a != b:
            break
        common += 1
    return common


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
