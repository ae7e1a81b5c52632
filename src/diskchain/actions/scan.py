"""``scan``: what a host has, as lines of one scan. Reads; writes nothing, and opens nothing that an image names."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from time import time
from uuid import uuid4

from diskchain import __version__
from diskchain.errors import UsageError
from diskchain.scan.directories import Shard, Walk, scan_directory
from diskchain.scan.domains import scan_domains
from diskchain.scan.files import Files
from diskchain.scan.stores import Stores
from diskchain.schema.scan import FileDocument, HostDocument, MountDocument, RootDocument, ScanLine
from diskchain.system.deadline import DEFAULT_DEADLINE
from diskchain.system.paths import absolute_path


@dataclass(frozen=True, slots=True)
class ScanSettings:
    """What is scanned, and how.

    ``directories``: each with all below it, symlinks not followed. ``connect``: a libvirt connection whose domains are scanned. ``seconds``
    for each answer of storage. ``before``: what an earlier scan said, by path: a file that was not written since is not read again.
    """

    directories: tuple[str, ...] = ()
    connect: str | None = None
    one_file_system: bool = False
    shard: Shard | None = None
    seconds: float = DEFAULT_DEADLINE
    before: Mapping[str, FileDocument] = field(default_factory=dict)


def scan(settings: ScanSettings) -> Iterator[ScanLine]:
    """The lines of one scan. Raises UsageError where there is nothing to scan, PeerError when libvirt cannot be reached."""
    if not settings.directories and settings.connect is None:
        raise UsageError("scan what? Name directories, or a connection with -c")
    stores = Stores()
    files = Files(stores, settings.before)
    number = uuid4().hex[:16]
    yield ScanLine(scan=number, host=_host(stores))
    for mount, store in stores.seen():
        yield ScanLine(scan=number, mount=MountDocument(path=mount.point, store=store, fstype=mount.fstype))
    for root in roots_of(settings.directories):
        walk = Walk(root, files, settings.shard, one_file_system=settings.one_file_system, seconds=settings.seconds)
        for found in scan_directory(walk):
            if isinstance(found, RootDocument):
                yield ScanLine(scan=number, root=found)
            else:
                yield ScanLine(scan=number, file=found)
    if settings.connect is not None:
        yield from _domains(number, settings.connect, files)
    yield ScanLine(scan=number, end="complete")


def roots_of(directories: Sequence[str]) -> list[str]:
    """The directories as absolute paths without a slash at the end, none below another."""
    paths = sorted({absolute_path(each).rstrip("/") or "/" for each in directories})
    return [path for path in paths if not any(_is_below(path, other) for other in paths)]


def _is_below(path: str, other: str) -> bool:
    return path != other and path.startswith(other.rstrip("/") + "/")


def _domains(number: str, uri: str, files: Files) -> Iterator[ScanLine]:
    from diskchain.hypervisor.connection import Connection

    with Connection(uri) as connection:
        if connection.host is not None:
            raise UsageError(f"the files of {connection.host} are not on this host: run diskchain scan there")
        for found in scan_domains(connection, files):
            if isinstance(found, RootDocument):
                yield ScanLine(scan=number, root=found)
            else:
                yield ScanLine(scan=number, domain=found)


def _host(stores: Stores) -> HostDocument:
    import os

    return HostDocument(name=os.uname().nodename, machine=stores.machine, started=time(), version=__version__)
