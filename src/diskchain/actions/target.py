"""What the name of a target means: an image, a document, or a domain of a libvirt connection.

Told apart by content: what begins with ``<`` and has a root element we know is a document. ``-`` and ``/dev/fd/N`` are read as
documents, since a pipe is no disk. Must not know what is done with a target.
"""

from typing import Final, Literal, NamedTuple

from diskchain.errors import StorageError, StorageTimeout, XmlError
from diskchain.readers.local import open_local
from diskchain.storage.source import Source
from diskchain.storage.terms import Format, StorageType
from diskchain.system.deadline import DEFAULT_DEADLINE, within

#: Some of these are among the first bytes of every document, in whatever encoding; the zeros most disks begin with are not.
_FIRST: Final = frozenset(b"< \t\r\n\xef\xfe\xff")
_ROOTS: Final = ("domain", "disk", "domainsnapshot", "domainbackup", "domstatus")


class TargetName(NamedTuple):
    """What a user calls a target.

    ``connect``: ``name`` is the name or UUID of a domain of this libvirt connection. ``format``: it is an image of this format;
    None: look. ``timeout``: seconds for each answer of storage. ``sort``: what it is known to be, after a first look. ``found_in``: the
    directory that was named; nobody named this file.
    """

    name: str
    connect: str | None = None
    format: Format | None = None
    timeout: float = DEFAULT_DEADLINE
    sort: Literal["image", "document"] | None = None
    found_in: str | None = None


class Target(NamedTuple):
    """One disk to look at.

    ``probe``: nobody could declare a format, so guessing it is what the user wants. ``host``: the other host it is on, if any.
    ``attached``: it is the disk of a domain, so its guest writes to it. ``drive``: media come and go. ``cache``: its cache mode, if it declares one.
    ``kept``: what is left of it when the domain stops, where that is not ``source``: it is transient, and on libvirt's overlay now.
    """

    name: str
    source: Source
    probe: bool = False
    host: str | None = None
    attached: bool = False
    startup_policy: str | None = None
    drive: bool = False
    cache: str | None = None
    kept: Source | None = None


def is_document(target: str, seconds: float = DEFAULT_DEADLINE) -> bool:
    """Whether ``target`` is an XML document we know. Opens nothing that could block, except what is named as a stream.

    Raises StorageTimeout when it does not answer within so many ``seconds``; UsageError for XML that is no domain, and for what is
    called ``.xml`` and is none.
    """
    if is_stream(target):
        return True
    try:
        head = within(seconds, target, lambda: _head(target))
    except StorageTimeout:
        raise
    except StorageError:
        return False
    return begins_document(head, target)


def _head(path: str) -> bytes | None:
    with open_local(path) as image:
        return None if image.facts.type is StorageType.DIR else image.head


def may_be_document(head: bytes, name: str) -> bool:
    """Whether what begins with ``head``, or is called ``name``, deserves a look: :func:`is_document` says whether it is one."""
    return not _FIRST.isdisjoint(head[:4]) or _is_named_so(name)


def _is_named_so(name: str) -> bool:
    return name.lower().endswith(".xml")


def begins_document(head: bytes | None, name: str) -> bool:
    """Whether a file called ``name`` that begins with ``head`` is an XML document we know; None, a directory, is none. Raises XmlError."""
    if head is None or not may_be_document(head, name):
        return False
    is_named_so = _is_named_so(name)
    from diskchain.libvirtxml.markup.encoding import beginning_as_utf8

    head = beginning_as_utf8(head)
    if head.lstrip()[:1] != b"<":
        if is_named_so:
            what = "is empty" if not head.strip(b"\0 \t\r\n") else "holds no XML"
            raise XmlError(f"it is called .xml and {what}; -f raw says that it is an image", origin=name)
        return False
    import re

    root = re.search(rb"<([A-Za-z_][\w.-]*)", re.sub(rb"<!--.*?-->", b"", head, flags=re.DOTALL))
    called = root[1].decode() if root is not None else ""
    if called not in _ROOTS and is_named_so:
        raise XmlError(f"<{called}> is no domain, snapshot, backup or disk of libvirt", origin=name)
    return called in _ROOTS


def is_stream(target: str) -> bool:
    """Whether ``target`` is read from standard input or from a descriptor."""
    return target == "-" or target.startswith("/dev/fd/") or target == "/dev/stdin"
