"""A fleet in memory, whose truth is known: hosts that see stores, files with names and references; and what a scan of it says."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count
from typing import Literal

from diskchain.schema.scan import (
    DomainDocument,
    FileDocument,
    HostDocument,
    MountDocument,
    ReferenceDocument,
    RootDocument,
    ScanLine,
    UseDocument,
)

Kind = Literal["backing", "data-file", "extent"]
_numbers = count()


@dataclass
class Image:
    """A file. ``backing``: the path, on its own store, of what it is an overlay of."""

    inode: int
    backing: str | None = None
    data: str | None = None


@dataclass
class Store:
    """A file system: files by their path below its root."""

    name: str
    files: dict[str, Image] = field(default_factory=dict)


@dataclass
class Host:
    """``mounts``: what it sees where. ``domains``: for each the paths of its disks."""

    name: str
    mounts: dict[str, Store]
    domains: dict[str, list[str]] = field(default_factory=dict)

    def at(self, path: str) -> tuple[Store, Image] | None:
        for point, store in self.mounts.items():
            if path.startswith(point + "/") and (found := store.files.get(path.removeprefix(point))):
                return store, found
        return None


def scan(
    host: Host, roots: list[str], *, clock: float = 1000.0, cut_after: int | None = None, domains: bool = True
) -> list[ScanLine]:
    """What a scan of a host prints; cut off after so many lines."""
    name = f"scan-{next(_numbers)}"
    lines = list(_lines(name, host, roots, clock, domains=domains))
    return lines if cut_after is None else lines[:cut_after]


def _lines(scan: str, host: Host, roots: list[str], clock: float, *, domains: bool) -> Iterator[ScanLine]:
    yield ScanLine(scan=scan, host=HostDocument(name=host.name, machine=f"id-{host.name}", started=clock, version="1"))
    for point, store in host.mounts.items():
        yield ScanLine(scan=scan, mount=MountDocument(path=point, store=store.name, fstype="nfs"))
    for root in roots:
        yield from _directory(scan, host, root, clock)
    if domains:
        begun = RootDocument(kind="domains", path="qemu:///system", state="begun", started=clock)
        yield ScanLine(scan=scan, root=begun)
        for domain, paths in host.domains.items():
            uses = tuple(_use(host, number, path) for number, path in enumerate(paths))
            yield ScanLine(
                scan=scan, domain=DomainDocument(uuid=f"{host.name}-{domain}", name=domain, running=False, uses=uses)
            )
        end = RootDocument(kind="domains", path="qemu:///system", state="complete", started=clock, ended=clock)
        yield ScanLine(scan=scan, root=end)
    yield ScanLine(scan=scan, end="complete")


def _directory(scan: str, host: Host, root: str, clock: float) -> Iterator[ScanLine]:
    begun = RootDocument(kind="directory", path=root, state="begun", started=clock)
    yield ScanLine(scan=scan, root=begun)
    for point, store in host.mounts.items():
        for below, image in sorted(store.files.items()):
            path = point + below
            if path.startswith(root + "/"):
                yield ScanLine(scan=scan, file=_file(host, store, path, image))
    yield ScanLine(
        scan=scan, root=RootDocument(kind="directory", path=root, state="complete", started=clock, ended=clock)
    )


def _file(host: Host, store: Store, path: str, image: Image) -> FileDocument:
    point = path.removesuffix(
        next(below for below, each in store.files.items() if each is image and path.endswith(below))
    )
    named: list[tuple[Kind, str | None]] = [("backing", image.backing), ("data-file", image.data)]
    return FileDocument(
        path=path,
        store=store.name,
        inode=str(image.inode),
        size=1 << 21,
        allocated=1 << 20,
        modified=1,
        changed=1,
        format="qcow2",
        capacity=1 << 30,
        references=tuple(_reference(host, kind, point + below) for kind, below in named if below is not None),
    )


def _reference(host: Host, kind: Kind, path: str) -> ReferenceDocument:
    found = host.at(path)
    if found is None:
        return ReferenceDocument(kind=kind, text=path, state="missing", path=path)
    store, image = found
    return ReferenceDocument(
        kind=kind, text=path, state="resolved", path=path, store=store.name, inode=str(image.inode)
    )


def _use(host: Host, number: int, path: str) -> UseDocument:
    found = host.at(path)
    if found is None:
        return UseDocument(target=f"vd{number}", origin="inactive", path=path, state="missing")
    store, image = found
    return UseDocument(
        target=f"vd{number}", origin="inactive", path=path, state="resolved", store=store.name, inode=str(image.inode)
    )


def dependents(store: Store, inode: int) -> set[int]:
    """The inodes of every file above one, on its own store."""
    found: set[int] = set()
    pending = [inode]
    while pending:
        wanted = pending.pop()
        for image in store.files.values():
            for below in (image.backing, image.data):
                under = store.files.get(below) if below is not None else None
                if under is not None and under.inode == wanted and image.inode not in found:
                    found.add(image.inode)
                    pending.append(image.inode)
    return found - {inode}
