"""``diskchain scan``: JSON lines of schema ``diskchain/scan/1``. One line a thing that was seen; each line stands by itself.

Lines of one scan share the value of ``scan`` and keep their order; lines of several scans may be mixed, as by a log shipper. The first
line of a scan has ``host``, the last has ``end``: without it the scan was cut off.
"""

from collections.abc import Iterable, Iterator
from typing import Literal

import msgspec

from diskchain.errors import JsonError
from diskchain.schema.base import FindingDocument

SCAN_SCHEMA = "diskchain/scan/1"
#: Characters of one line, at most: a file with a thousand extents takes 200,000.
LONGEST_LINE = 4 << 20


class HostDocument(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Who scanned. ``machine``: its machine-id(5), else its name. ``started``: seconds since 1970, by its own clock."""

    name: str
    machine: str
    started: float
    version: str


class MountDocument(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A file system that the host sees, whether it was scanned or not. ``store``: which, the same word on every host that sees it."""

    path: str
    store: str
    fstype: str


class RootDocument(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A place that was looked through: a directory with all below it, or the domains of a libvirt connection.

    It comes before what was found there with ``state`` ``begun``, and once more after it. ``partial``: something could not be read
    (``denied`` names some of it), or the scan was interrupted. ``failed``: nothing could be. ``started``, ``ended``: seconds since 1970.
    ``shard``: ``K/N`` where only that part of its files was looked at.
    """

    kind: Literal["directory", "domains"]
    path: str
    state: Literal["begun", "complete", "partial", "failed"]
    started: float
    ended: float | None = None
    store: str | None = None
    files: int | None = None
    denied: tuple[str, ...] = ()
    shard: str | None = None


class ReferenceDocument(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A file that an image names. ``text``: as its header has it. ``format``: the format that is recorded with it.

    ``state``: ``resolved`` (there is such a file: ``path``, ``store``, ``inode``, ``generation`` say which), ``missing``, ``refused`` (no
    answer: permission, a dead server), ``elsewhere`` (no file of this host), ``malformed``.
    """

    kind: Literal["backing", "data-file", "extent"]
    text: str
    state: Literal["resolved", "missing", "refused", "elsewhere", "malformed"]
    format: str | None = None
    path: str | None = None
    store: str | None = None
    inode: str | None = None
    generation: int | None = None


class FileDocument(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A file or block device. ``store``, ``inode`` and ``generation`` say which, whatever its names and whoever sees it.

    ``inode``: its number, of a logical volume its UUID. ``generation``: its birth in nanoseconds since 1970; null where the file system
    does not record it. ``size``, ``allocated``, ``capacity``: bytes. ``modified``, ``changed``: nanoseconds since 1970. ``other``: what it
    is instead of a disk, in words that follow "it is". ``unread``: why it could not be read.
    """

    path: str
    store: str
    inode: str
    size: int
    allocated: int
    modified: int
    changed: int
    generation: int | None = None
    format: str | None = None
    capacity: int | None = None
    other: str | None = None
    unread: str | None = None
    references: tuple[ReferenceDocument, ...] = ()
    findings: tuple[FindingDocument, ...] = ()


class UseDocument(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A file that a domain needs. ``target``: ``vda``, or ``nvram``, ``kernel``, ``memory`` … where it is no disk.

    ``origin``: ``live``, ``inactive``, ``snapshot NAME`` or ``checkpoint NAME``. The other keys are those of a reference.
    """

    target: str
    origin: str
    path: str
    state: Literal["resolved", "missing", "refused", "elsewhere"]
    writes: bool = True
    store: str | None = None
    inode: str | None = None
    generation: int | None = None


class DomainDocument(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A domain of a connection, with every file it needs."""

    uuid: str
    name: str
    running: bool
    uses: tuple[UseDocument, ...] = ()


class ScanLine(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One line: ``scan`` says of which scan, and exactly one other key what was seen."""

    schema: str = msgspec.field(default_factory=lambda: SCAN_SCHEMA)  # a default of another kind would be left out
    scan: str
    host: HostDocument | None = None
    mount: MountDocument | None = None
    root: RootDocument | None = None
    file: FileDocument | None = None
    domain: DomainDocument | None = None
    end: Literal["complete", "interrupted"] | None = None


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(ScanLine)


def line_text(line: ScanLine) -> str:
    """One line of JSON, ASCII, without its end. Names that are not UTF-8 keep their bytes as lone surrogates."""
    try:
        text = _encoder.encode(line).decode("ascii")
    except UnicodeError:
        import json

        text = json.dumps(msgspec.to_builtins(line), ensure_ascii=True, separators=(",", ":"))
    return text.replace("\x7f", "\\u007f")


def read_lines(lines: Iterable[str], *, origin: str | None = None) -> Iterator[ScanLine]:
    """The lines of a scan, or of several. Blank lines are passed over. Raises JsonError with the line's number."""
    for number, text in enumerate(lines, 1):
        if not text.strip():
            continue
        yield _read_line(text, number, origin)


def _read_line(text: str, number: int, origin: str | None) -> ScanLine:
    if len(text) > LONGEST_LINE:
        raise JsonError(f"line {number} is longer than {LONGEST_LINE} characters", origin=origin)
    try:
        line = _decoder.decode(text)
    except msgspec.ValidationError as error:
        raise JsonError(f"line {number} is not as {SCAN_SCHEMA} has it: {error}", origin=origin) from error
    except (msgspec.DecodeError, UnicodeError):
        line = _with_surrogates(text, number, origin)
    if line.schema != SCAN_SCHEMA:
        raise JsonError(f"line {number} is of schema {line.schema}, not of {SCAN_SCHEMA}", origin=origin)
    return line


def _with_surrogates(text: str, number: int, origin: str | None) -> ScanLine:
    """A line with names that are not UTF-8, which msgspec does not read."""
    import json

    try:
        return msgspec.convert(json.loads(text), ScanLine)
    except (ValueError, RecursionError, msgspec.ValidationError) as error:
        raise JsonError(f"line {number} is no line of a scan: {error}", origin=origin) from error
