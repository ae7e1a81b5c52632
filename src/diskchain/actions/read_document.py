"""A target that is a document, before it is understood: its bytes, and where they are from."""

import sys
from dataclasses import dataclass
from typing import Final

from diskchain.actions.target import TargetName, is_document, is_stream
from diskchain.errors import UsageError, printable
from diskchain.hypervisor.connection import Connection, DomainDocument
from diskchain.readers.local import LocalImage, open_local, storage_error
from diskchain.storage.terms import StorageType
from diskchain.system.deadline import DEFAULT_DEADLINE, within
from diskchain.versions import Versions

#: More than virsh sends to libvirt, which is 10 MiB; a bound for pipes and for files that only look like documents. Reading takes
#: up to forty times as much memory.
LARGEST_DOCUMENT: Final = 16 << 20


@dataclass(frozen=True, slots=True)
class TargetDocument:
    """A document to look at.

    ``host``: the other host its files are on, if any. ``domain``: where it is from, with ``-c``; ``uri``, ``versions``: of its connection
    and its peers then.
    """

    text: bytes
    origin: str
    host: str | None = None
    domain: DomainDocument | None = None
    versions: Versions | None = None
    uri: str | None = None


def document_of(target: TargetName) -> TargetDocument | None:
    """The document that ``target`` means, None when it is an image.

    Raises StorageError, UsageError for XML of another kind, PeerError.
    """
    if target.connect is not None:
        return domain_document(target.connect, target.name)
    if ":" in target.name and target.found_in is None:
        from diskchain.actions.reference_target import is_reference

        if is_reference(target.name):
            return None
    if target.format is None and is_document(target.name, target.timeout):
        return TargetDocument(read_document(target.name, target.timeout), target.name)
    return None


def domain_document(uri: str, name: str, *, here: bool = False) -> TargetDocument:
    """What the domain has now if it runs, else what it will have.

    ``here``: only of this host, whose files can be looked at. Raises UsageError when there is none, PeerError.
    """
    with Connection(uri) as connection:
        if here and connection.host is not None:
            raise UsageError(f"the files are on {printable(connection.host)}; run diskchain there")
        domain = connection.domain(name)
        return TargetDocument(domain.current, name, connection.host, domain, connection.versions, uri)


def read_document(target: str, seconds: float = DEFAULT_DEADLINE) -> bytes:
    """The bytes of a document; ``-`` is stdin.

    Raises StorageError (StorageTimeout without an answer within so many ``seconds``), UsageError when absurdly large.
    """
    if not target:
        raise UsageError("an empty name is no document")
    if target == "-":
        text = _standard_input(LARGEST_DOCUMENT + 1)
    elif is_stream(target):
        text = _stream(target, LARGEST_DOCUMENT + 1)
    else:
        text = within(seconds, target, lambda: _file(target))
    if len(text) > LARGEST_DOCUMENT:
        raise UsageError(f"{printable(target)} is larger than any domain: {LARGEST_DOCUMENT >> 20} MiB and more")
    return text


def _file(target: str) -> bytes:
    with open_local(target) as image:
        if image.facts.type is StorageType.DIR:
            raise UsageError(f"{printable(target)} is a directory, not a document")
        return image.head if image.facts.size <= len(image.head) else _whole(target, image)


def _standard_input(most: int) -> bytes:
    try:
        return sys.stdin.buffer.read(most)
    except OSError as error:
        raise storage_error(error, "standard input") from error


def _stream(target: str, most: int) -> bytes:
    try:
        with open(target, "rb") as stream:
            return stream.read(most)
    except OSError as error:
        raise storage_error(error, target) from error


def _whole(target: str, image: LocalImage) -> bytes:
    size = image.facts.size
    if size > LARGEST_DOCUMENT:
        raise UsageError(f"{printable(target)} is larger than any domain: {size >> 20} MiB")
    return image.pread(0, LARGEST_DOCUMENT + 1)
