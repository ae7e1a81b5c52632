"""Lines of scans → a catalogue. Lines of several scans may be mixed; a root whose end never comes is merged as ``partial``.

One scan's files go to the temporary tables as they come; those of others wait in memory until it is their turn.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from msgspec.structs import replace
from sqlalchemy import Engine

from diskchain.catalogue.domains import merge_domains
from diskchain.catalogue.merge import Merged, merge_mounts, merge_root
from diskchain.catalogue.staging import Staging
from diskchain.errors import JsonError
from diskchain.schema.scan import (
    DomainDocument,
    FileDocument,
    HostDocument,
    MountDocument,
    RootDocument,
    ScanLine,
)


class _Scan:
    """What is known of one scan so far. ``root``: the one that has begun and not ended."""

    def __init__(self, host: HostDocument) -> None:
        self.host = host
        self.mounts: list[MountDocument] = []
        self.mounts_merged = False
        self.root: RootDocument | None = None
        self.files: list[FileDocument] = []
        self.domains: list[DomainDocument] = []


@dataclass(frozen=True, slots=True)
class LoadedRoot:
    """A root that was merged. ``merged`` is None for the domains of a connection."""

    host: HostDocument
    root: RootDocument
    merged: Merged | None
    domains: int = 0


class Loader:
    """Merges each root when it has ended; ``tell`` is called then. Use as a context manager: at its end come the roots that were cut off."""

    def __init__(self, engine: Engine, tell: Callable[[LoadedRoot], None] = lambda _: None) -> None:
        self._connection = engine.connect()
        self._staging = Staging(self._connection)
        self._scans: dict[str, _Scan] = {}
        self._staged: str | None = None
        self._waiting: list[tuple[HostDocument, RootDocument, list[FileDocument]]] = []
        self._tell = tell

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.finish()
        finally:
            self._connection.close()

    def load(self, lines: Iterable[ScanLine]) -> None:
        """Take these lines. Raises JsonError for a line that does not fit what came before, and what the database raises."""
        for line in lines:
            self.take(line)

    def take(self, line: ScanLine) -> None:
        """Take one line."""
        if line.host is not None:
            self._scans[line.scan] = _Scan(line.host)
            return
        scan = self._scans.get(line.scan)
        if scan is None:
            raise JsonError(f"scan {line.scan[:40]} does not begin with its host")
        if line.file is not None:
            self._file(line.scan, scan, line.file)
        elif line.mount is not None:
            scan.mounts.append(line.mount)
        elif line.domain is not None:
            scan.domains.append(line.domain)
        elif line.root is not None:
            self._root(line.scan, scan, line.root)
        elif line.end is not None:
            self._merge_mounts(scan)
            self._cut_off(line.scan, scan)
            del self._scans[line.scan]

    def _file(self, name: str, scan: _Scan, file: FileDocument) -> None:
        if scan.root is None:
            raise JsonError(f"scan {name[:40]} has a file outside any root: {file.path[:200]!r}")
        if self._staged == name:
            self._staging.add(file)
        else:
            scan.files.append(file)

    def _root(self, name: str, scan: _Scan, root: RootDocument) -> None:
        if root.state != "begun":
            self._end(name, scan, root)
            return
        self._cut_off(name, scan)
        self._merge_mounts(scan)
        scan.root = root
        if self._staged is None and root.kind == "directory":
            self._staged = name

    def _merge_mounts(self, scan: _Scan) -> None:
        """What a host sees is known once its first root begins: all mounts come before it."""
        if not scan.mounts_merged:
            merge_mounts(self._connection, scan.host, scan.mounts)
            scan.mounts_merged = True

    def _end(self, name: str, scan: _Scan, root: RootDocument) -> None:
        """Merge a root that has ended; a directory waits while files of another scan are staged."""
        if scan.root is None:
            raise JsonError(f"scan {name[:40]} ends a root that has not begun: {root.path[:200]!r}")
        scan.root = None
        if root.kind == "domains":
            merge_domains(self._connection, scan.host, root, scan.domains)
            self._tell(LoadedRoot(scan.host, root, None, len(scan.domains)))
            scan.domains = []
        elif self._staged == name:
            self._merge(scan.host, root)
            self._staged = None
            self._merge_waiting()
        else:
            self._waiting.append((scan.host, root, scan.files))
            scan.files = []
            if self._staged is None:
                self._merge_waiting()

    def _merge_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        for host, root, files in waiting:
            for file in files:
                self._staging.add(file)
            self._merge(host, root)

    def _merge(self, host: HostDocument, root: RootDocument) -> None:
        merged = merge_root(self._staging, host, root)
        self._staging.clear()
        self._tell(LoadedRoot(host, root, merged))

    def _cut_off(self, name: str, scan: _Scan) -> None:
        if scan.root is not None:
            self._end(name, scan, replace(scan.root, state="partial"))

    def finish(self) -> None:
        """Merge what was cut off."""
        for name, scan in list(self._scans.items()):
            self._cut_off(name, scan)
        self._scans.clear()
