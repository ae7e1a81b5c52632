"""One file → what a scan says of it: which file it is, what its header says, and which files it names. Opens nothing that a header names.

A reference is resolved by its letters, as libvirt resolves it, and the file there is asked for its status alone.
"""

import os
from collections.abc import Mapping
from stat import S_ISBLK, S_ISREG
from typing import Final, Literal

from diskchain.discover.messages import malformed
from diskchain.discover.resolve import CredentialsInside, referenced_source
from diskchain.errors import ImageError, ReferenceSyntaxError, StorageError
from diskchain.image.header import ImageHeader
from diskchain.image.header_cache import recognised, remember
from diskchain.image.inspect import inspect
from diskchain.image.other_files import other_file
from diskchain.image.probe import guess_alone
from diskchain.image.window import Window
from diskchain.readers.local import LocalImage, begin
from diskchain.scan.stores import FileKey, Stores
from diskchain.schema.base import FindingDocument, finding_document
from diskchain.schema.scan import FileDocument, ReferenceDocument
from diskchain.storage.location import FileLocation, local_path
from diskchain.storage.source import Source
from diskchain.storage.terms import Format
from diskchain.system.statx import birth

State = Literal["resolved", "missing", "refused"]
#: What is at a path: whether there is a file, and which.
Found = tuple[State, FileKey | None]

_SECTOR: Final = 512  # unit of st_blocks, POSIX
#: Paths of which it is kept what is there.
_MOST_KEPT: Final = 100_000


class Files:
    """Reads files for one scan. ``before``: what an earlier scan said, by path: of a file that is still the same nothing is read."""

    def __init__(self, stores: Stores, before: Mapping[str, FileDocument] | None = None) -> None:
        self.stores = stores
        self._before = before or {}
        self._found: dict[str, Found] = {}

    def read(self, path: str, status: os.stat_result) -> FileDocument | None:
        """What there is to say of a file with this ``status``; None where it is neither a file nor a block device. Raises StorageError."""
        if S_ISREG(status.st_mode):
            store, inode = self.stores.of(status.st_dev, path), str(status.st_ino)
        elif S_ISBLK(status.st_mode):
            key = self.stores.of_device(status.st_rdev)
            store, inode = key.store, key.inode
        else:
            return None
        known = self._before.get(path)
        if known is not None and _is_same(known, store, inode, status):
            return self._again(path, known)
        return self._read(path, status, store, inode)

    def _again(self, path: str, known: FileDocument) -> FileDocument:
        """What was said before, but for what its references lead to now."""
        if not known.references:
            return known
        from msgspec.structs import replace

        top = Source(FileLocation(path))
        references = [self._named(top, each.kind, each.text, each.format) for each in known.references]
        return replace(known, references=tuple(references))

    def _read(self, path: str, status: os.stat_result, store: str, inode: str) -> FileDocument:
        descriptor, facts, head = begin(path)
        with LocalImage(path, descriptor, facts, head) as image:
            born = None if descriptor < 0 else _birth(descriptor)
            window = image.window()
            header, other, findings = _understood(path, window)
        references = () if header is None else self._references(path, header)
        return FileDocument(
            path=path,
            store=store,
            inode=inode,
            generation=born,
            size=facts.size,
            allocated=status.st_blocks * _SECTOR,
            modified=status.st_mtime_ns,
            changed=status.st_ctime_ns,
            format=None if header is None else str(header.format),
            capacity=None if header is None else header.capacity,
            other=other,
            references=references,
            findings=findings,
        )

    def _references(self, path: str, header: ImageHeader) -> tuple[ReferenceDocument, ...]:
        backing, data_file, extents = header.backing, header.data_file, header.extents
        if backing is None and data_file is None and not extents:
            return ()
        named: list[tuple[Literal["backing", "data-file", "extent"], str, str | None]] = []
        if backing is not None:
            named.append(("backing", backing.text, backing.format))
        if data_file is not None:
            named.append(("data-file", data_file, "raw"))
        named += [("extent", each.name, None) for each in extents]
        top = Source(FileLocation(path))
        return tuple([self._named(top, *each) for each in named])

    def _named(
        self, top: Source, kind: Literal["backing", "data-file", "extent"], text: str, format: str | None
    ) -> ReferenceDocument:
        try:
            location = referenced_source(top, text, Format.RAW).location
        except CredentialsInside:
            return ReferenceDocument(kind=kind, text=_without_login(text), format=format, state="elsewhere")
        except ReferenceSyntaxError:
            return ReferenceDocument(kind=kind, text=text, format=format, state="malformed")
        path = local_path(location)
        if path is None:
            return ReferenceDocument(kind=kind, text=_without_login(text), format=format, state="elsewhere")
        return self._reference(kind, text, format, path)

    def _reference(
        self, kind: Literal["backing", "data-file", "extent"], text: str, format: str | None, path: str
    ) -> ReferenceDocument:
        state, key = self.at(path)
        if key is None:
            return ReferenceDocument(kind=kind, text=text, format=format, path=path, state=state)
        return ReferenceDocument(
            kind=kind,
            text=text,
            format=format,
            path=path,
            state=state,
            store=key.store,
            inode=key.inode,
            generation=key.generation,
        )

    def at(self, path: str) -> Found:
        """Which file is at a path, symlinks followed. Nothing is opened for reading. Never raises."""
        found = self._found.get(path)
        if found is None:
            if len(self._found) >= _MOST_KEPT:
                self._found.clear()
            found = self._found[path] = self._looked_up(path)
        return found

    def _looked_up(self, path: str) -> Found:
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return "missing", None
        except OSError:
            return "refused", None
        try:
            status = os.fstat(descriptor)
            if S_ISBLK(status.st_mode):
                return "resolved", self.stores.of_device(status.st_rdev)
            key = FileKey(self.stores.of(status.st_dev, path), str(status.st_ino), _birth(descriptor))
        except OSError:
            return "refused", None
        finally:
            os.close(descriptor)
        return "resolved", key


def unread(path: str, status: os.stat_result, stores: Stores, error: StorageError) -> FileDocument:
    """What a scan says of a file that cannot be read."""
    is_block = S_ISBLK(status.st_mode)
    key = stores.of_device(status.st_rdev) if is_block else None
    return FileDocument(
        path=path,
        store=stores.of(status.st_dev, path) if key is None else key.store,
        inode=str(status.st_ino) if key is None else key.inode,
        size=status.st_size,
        allocated=status.st_blocks * _SECTOR,
        modified=status.st_mtime_ns,
        changed=status.st_ctime_ns,
        unread=error.problem,
    )


def _is_same(known: FileDocument, store: str, inode: str, status: os.stat_result) -> bool:
    """Whether a file was not written since: neither its size nor its times have changed, nor is it another."""
    if (known.store, known.inode, known.unread) != (store, inode, None) or S_ISBLK(status.st_mode):
        return False
    return (known.size, known.modified, known.changed) == (status.st_size, status.st_mtime_ns, status.st_ctime_ns)


def _birth(descriptor: int) -> int | None:
    try:
        return birth(descriptor)
    except OSError:
        return None


def _understood(path: str, window: Window) -> "tuple[ImageHeader | None, str | None, tuple[FindingDocument, ...]]":
    """The header, what the file is instead, and what is wrong with it."""
    try:
        format = guess_alone(window, path)
        header = recognised(window.head) if format is Format.QCOW2 else None
        if header is None:
            header = inspect(window, format)
            if format is Format.QCOW2:
                remember(window.head, header)
        other = other_file(window) if format is Format.RAW else None
    except ImageError as error:
        return None, None, (finding_document(malformed(path, None, str(error))),)
    return header, other, ()


def _without_login(text: str) -> str:
    from diskchain.storage.reference import redacted

    return redacted(text)
