"""What a target is: an image, a document, or a domain of a libvirt connection; as disks to look at."""

import os
import sys
from typing import TYPE_CHECKING, Final, NamedTuple

from diskchain.errors import NotStorage, StorageError, StorageTimeout, UsageError
from diskchain.readers.local import open_local, storage_error
from diskchain.storage.location import BlockLocation, FileLocation
from diskchain.storage.source import Source
from diskchain.storage.terms import Format, StorageType
from diskchain.system.deadline import DEFAULT_DEADLINE, within

if TYPE_CHECKING:
    import argparse


#: More than virsh sends to libvirt, which is 10 MiB; a bound for pipes and for files that only look like documents. Reading takes
#: up to forty times as much memory.
LARGEST_DOCUMENT: Final = 16 << 20


#: Some of these are among the first bytes of every document, in whatever encoding; the zeros most disks begin with are not.
_FIRST: Final = frozenset(b"< \t\r\n\xef\xfe\xff")
_ROOTS: Final = ("domain", "disk", "domainsnapshot", "domainbackup", "domstatus")


class Target(NamedTuple):
    """One disk to look at.

    ``probe``: nobody could declare a format, so guessing it is what the user wants. ``host``: the other host it is on, if any.
    ``attached``: it is the disk of a domain, so its guest writes to it. ``drive``: media come and go. ``cache``: its cache mode, if it declares one.
    """

    name: str
    source: Source
    probe: bool = False
    host: str | None = None
    attached: bool = False
    startup_policy: str | None = None
    drive: bool = False
    cache: str | None = None


class TargetDocument(NamedTuple):
    """A document to look at, and the other host its files are on, if any."""

    text: bytes
    host: str | None = None


def document_of(args: "argparse.Namespace", name: str) -> TargetDocument | None:
    """The document that ``name`` means, None when it is an image. Raises StorageError, UsageError, PeerError."""
    if args.connect is None:
        seconds = getattr(args, "timeout", DEFAULT_DEADLINE)
        if args.format is not None or not is_document(name, seconds):
            return None
        return TargetDocument(read_document(name, seconds))
    from diskchain.hypervisor.connection import Connection

    with Connection(args.connect) as connection:
        return TargetDocument(connection.domain(name).current, connection.host)


def is_document(target: str, seconds: float = DEFAULT_DEADLINE) -> bool:
    """Whether ``target`` is an XML document we know. Opens nothing that could block, except what is named as a stream.

    Raises StorageTimeout when it does not answer within so many ``seconds``.
    """
    if _is_stream(target):
        return True
    try:
        return _begins_document(within(seconds, target, lambda: _head(target)))
    except StorageTimeout:
        raise
    except StorageError:
        return False


def _head(path: str) -> bytes:
    with open_local(path) as image:
        return image.head


def _begins_document(head: bytes) -> bool:
    if _FIRST.isdisjoint(head[:4]):
        return False
    from diskchain.libvirtxml.markup.encoding import beginning_as_utf8

    head = beginning_as_utf8(head)
    if head.lstrip()[:1] != b"<":
        return False
    import re

    root = re.search(rb"<([A-Za-z_][\w.-]*)", re.sub(rb"<!--.*?-->", b"", head, flags=re.DOTALL))
    return root is not None and root[1].decode() in _ROOTS


def _is_stream(target: str) -> bool:
    return target == "-" or target.startswith("/dev/fd/") or target == "/dev/stdin"


def read_document(target: str, seconds: float = DEFAULT_DEADLINE) -> bytes:
    """The bytes of a document; ``-`` is stdin.

    Raises StorageError (StorageTimeout without an answer within so many ``seconds``), UsageError when absurdly large.
    """
    if target == "-":
        text = _standard_input(LARGEST_DOCUMENT + 1)
    elif _is_stream(target):
        with open(target, "rb") as stream:
            text = stream.read(LARGEST_DOCUMENT + 1)
    else:
        text = within(seconds, target, lambda: _file(target))
    if len(text) > LARGEST_DOCUMENT:
        raise UsageError(f"{target} is larger than any domain: {LARGEST_DOCUMENT >> 20} MiB and more")
    return text


def _file(target: str) -> bytes:
    with open_local(target) as image:
        if image.facts.type is StorageType.DIR:
            raise NotStorage("is a directory", path=target)
        return image.head if image.facts.size <= len(image.head) else _whole(target, image.facts.size)


def _standard_input(most: int) -> bytes:
    try:
        return sys.stdin.buffer.read(most)
    except OSError as error:
        raise storage_error(error, "standard input") from error


def _whole(target: str, size: int) -> bytes:
    if size > LARGEST_DOCUMENT:
        raise UsageError(f"{target} is larger than any domain: {size >> 20} MiB")
    with open(target, "rb") as file:
        return file.read(LARGEST_DOCUMENT + 1)


def image_target(path: str, format: str | None, seconds: float = DEFAULT_DEADLINE) -> Target:
    """One image; ``format`` None: probe. Raises StorageError, StorageTimeout after so many ``seconds``."""
    absolute = os.path.abspath(path)
    found = within(seconds, absolute, lambda: _type(absolute))
    if not path:
        raise UsageError("an empty name is no image and no document")
    if found is StorageType.DIR:
        raise UsageError(f"{path} is a directory, not an image or a document")
    location = BlockLocation(absolute) if found is StorageType.BLOCK else FileLocation(absolute)
    return Target(path, Source(location, Format(format) if format else None), probe=format is None)


def _type(path: str) -> StorageType:
    with open_local(path) as image:
        return image.facts.type
