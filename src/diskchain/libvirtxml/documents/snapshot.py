"""``<domainsnapshot>``: which disks a snapshot covers and how, and the domain as it was.

Source: libvirt 11.3.0 (``conf/snapshot_conf.c``).
"""

from dataclasses import dataclass, replace
from typing import Any

from diskchain.guest.terms import SnapshotPolicy
from diskchain.libvirtxml.documents.domain import Domain, format_domain, read_domain
from diskchain.libvirtxml.format.foreign import ORDER, strangers_of_chain
from diskchain.libvirtxml.format.source import Within, format_name, metadata_cache_element, source_element
from diskchain.libvirtxml.format.style import style
from diskchain.libvirtxml.markup.document import Document, Element, Text, as_document, refuse
from diskchain.libvirtxml.markup.scalars import one_of, text_of
from diskchain.libvirtxml.markup.template import Frame, Hole
from diskchain.libvirtxml.markup.unknown import attributes, children, restore
from diskchain.libvirtxml.markup.writer import attribute, element
from diskchain.libvirtxml.parse.source import Contents, Wrapper, layer, read_contents, read_metadata_cache
from diskchain.libvirtxml.postparse import post_parse_source
from diskchain.libvirtxml.view import View
from diskchain.libvirtxml.vocabulary import FORMATS, SNAPSHOTS, STORAGE_TYPES
from diskchain.storage.foreign import Foreign
from diskchain.storage.location import FileLocation, local_path
from diskchain.storage.source import UNKNOWN, Source
from diskchain.storage.terms import BACKING_FORMATS, StorageType

_HOLES = (
    Hole((), "disks", before=("name", "description", "state", "creationTime", "parent", "memory")),
    Hole((), "domain", before=("disks",)),
    Hole((), "inactiveDomain", before=("domain",)),
    Hole((), "revertDisks", before=("disks",)),
)
_DISK = frozenset({"name", "snapshot", "type"})
_DISK_CHILDREN = frozenset({"driver", "source", "snapshotDeleteInProgress"})
_DRIVER_CHILDREN = frozenset({"metadata_cache"})
_NOT_A_SNAPSHOT = frozenset({StorageType.VOLUME, StorageType.DIR})
_ORDER = {**ORDER, "disk": ("driver", "source", "snapshotDeleteInProgress")}

_snapshot = one_of(SNAPSHOTS)
_type = one_of({word: type for word, type in STORAGE_TYPES.items() if type not in _NOT_A_SNAPSHOT})
_format = one_of({word: format for word, format in FORMATS.items() if format in BACKING_FORMATS})


@dataclass(frozen=True, slots=True)
class SnapshotDisk:
    """One disk of a snapshot: ``name`` is its target or its path.

    ``source`` is the new overlay of an external snapshot; with no path yet, libvirt makes one up. None: not said.
    ``deleting``: libvirt is at it.
    """

    name: str
    snapshot: SnapshotPolicy | None = None
    source: Source | None = None
    deleting: bool = False
    foreign: tuple[Foreign, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot of a domain.

    ``domain`` is the domain as it ran (or was defined), ``inactive_domain`` its configuration beside that.
    ``revert_disks`` are the overlays made by reverting to it. ``frame`` is the rest of the document.
    """

    name: str | None
    state: str | None
    parent: str | None
    memory: SnapshotPolicy | None
    memory_file: str | None
    disks: tuple[SnapshotDisk, ...]
    revert_disks: tuple[SnapshotDisk, ...]
    domain: Domain | None
    inactive_domain: Domain | None
    frame: Frame


def parse_snapshot(text: Text, *, view: View = View.INACTIVE, origin: str | None = None) -> Snapshot:
    """A ``<domainsnapshot>``.

    >>> snapshot = parse_snapshot('''
    ... <domainsnapshot><name>monday</name><disks>
    ...   <disk name='vda' snapshot='external'><driver type='qcow2'/><source file='/a.monday'/></disk>
    ... </disks></domainsnapshot>''')
    >>> snapshot.name, snapshot.disks[0].name, snapshot.disks[0].source.location.path
    ('monday', 'vda', '/a.monday')

    ``view`` is that of the domains inside; libvirt reads them as configurations. A ``<domain>`` that only names its
    UUID, as libvirt before 0.9.5 wrote, has no disks. Raises XmlError.
    """
    with (document := as_document(text, origin)).reading() as root:
        if root.tag != "domainsnapshot":
            refuse(root, f"<{root.tag}> is no <domainsnapshot>")
        return read_snapshot(document, root, view)


def read_snapshot(document: Document, root: Element, view: View) -> Snapshot:
    """A snapshot that is part of ``document``."""
    parts: dict[str, list[Element]] = {}
    for child in root:
        parts.setdefault(child.tag, []).append(child)
    memory = parts["memory"][0] if "memory" in parts else None
    said = memory.get("snapshot") if memory is not None else None
    parent = parts["parent"][0].find("name") if "parent" in parts else None
    domains = [
        read_domain(document, (root.tag, name), parts[name][0], view) if name in parts else None
        for name in ("domain", "inactiveDomain")
    ]
    return Snapshot(
        text_of(parts["name"][0]) if "name" in parts else None,
        text_of(parts["state"][0]) if "state" in parts else None,
        None if parent is None else text_of(parent),
        _snapshot(memory, "snapshot of <memory>", said) if memory is not None and said is not None else None,
        (memory.get("file") or None) if memory is not None else None,
        _read_disks(parts.get("disks", ()), view),
        _read_disks(parts.get("revertDisks", ()), view),
        domains[0],
        domains[1],
        Frame(document, root, (root.tag,), _HOLES),
    )


def _read_disks(groups: "list[Element] | tuple[()]", view: View) -> tuple[SnapshotDisk, ...]:
    elements = (child for group in groups for child in group if isinstance(child.tag, str))
    return tuple(_read_disk(child, view) for child in elements)  # libvirt: whatever their name


def _read_disk(disk: Element, view: View) -> SnapshotDisk:
    found: list[Foreign] = []
    names = attributes(disk, _DISK, "", found)
    parts = children(disk, _DISK_CHILDREN, "", found)
    if "name" not in names:
        refuse(disk, "a snapshot's <disk> has no name")
    said: dict[str, Any] = {}
    if "snapshot" in names:
        said["snapshot"] = _snapshot(disk, "snapshot of <disk>", names["snapshot"])
    if "snapshotDeleteInProgress" in parts:
        said["deleting"] = True
    source = _read_overlay(disk, names.get("type"), parts, view)
    return SnapshotDisk(names["name"], source=source, foreign=tuple(found), **said)


def _read_overlay(disk: Element, said: str | None, parts: dict[str, list[Element]], view: View) -> Source | None:
    type = StorageType.FILE if said is None else _type(disk, "type of a snapshot's <disk>", said)
    found: list[Foreign] = []
    driver = parts["driver"][0] if "driver" in parts else None
    word = driver.get("type") if driver is not None else None
    wrapper = Wrapper(
        _format(driver, "the type of <driver>", word) if driver is not None and word else None,
        read_metadata_cache(children(driver, _DRIVER_CHILDREN, "driver", found), "driver", found)
        if driver is not None
        else None,
    )
    if "source" not in parts and said is None and wrapper == Wrapper():
        return None
    contents = Contents(FileLocation(None))
    if "source" in parts:
        contents = read_contents(parts["source"][0], type, view, found)
    path = local_path(contents.location)
    if path is not None and not path.startswith("/"):
        refuse(parts["source"][0], f"the path of a snapshot's overlay is relative: {path!r}")
    return layer(contents, wrapper, UNKNOWN, found)


def post_parse_snapshot(snapshot: Snapshot) -> Snapshot:
    """``snapshot`` with what libvirt's parser fills in: a disk with an overlay is external, ports are there."""
    return replace(
        snapshot,
        disks=tuple(map(_with_defaults, snapshot.disks)),
        revert_disks=tuple(map(_with_defaults, snapshot.revert_disks)),
    )


def _with_defaults(disk: SnapshotDisk) -> SnapshotDisk:
    if disk.source is None:
        return disk
    overlay = _is_said(disk.source)
    snapshot = SnapshotPolicy.EXTERNAL if disk.snapshot is None and overlay else disk.snapshot
    return replace(disk, snapshot=snapshot, source=post_parse_source(disk.source))


def _is_said(source: Source) -> bool:
    """Whether libvirt finds anything in the source worth writing: a path, or a format."""
    location = source.location
    path = location.path if isinstance(location, FileLocation) else getattr(location, "name", local_path(location))
    return bool(path) or source.format is not None


def format_snapshot(snapshot: Snapshot, *, view: View = View.INACTIVE, secure: bool = False) -> str:
    """The whole document: disks and domains written anew, the rest as it stood. Raises UsageError."""
    frame = snapshot.frame
    parts: list[str] = []
    for hole, name in ((0, "disks"), (3, "revertDisks")):
        disks = snapshot.disks if name == "disks" else snapshot.revert_disks
        pad = " " * (frame.indent(hole) or 0)
        lines = "".join(format_snapshot_disk(disk, indent=len(pad) + 2, view=view, secure=secure) for disk in disks)
        parts.append(element(pad, name, "", lines))
    domains = []
    for hole, domain in ((1, snapshot.domain), (2, snapshot.inactive_domain)):
        text = "" if domain is None else format_domain(domain, view=view, secure=secure)
        domains.append(f"{' ' * (frame.indent(hole) or 0)}{text}\n" if text else "")
    return frame.fill([parts[0], *domains, parts[1]])


def format_snapshot_disk(
    disk: SnapshotDisk, *, view: View = View.INACTIVE, secure: bool = False, indent: int = 0, foreign: bool = True
) -> str:
    """``<disk>`` of a snapshot as libvirt writes it.

    >>> print(format_snapshot_disk(SnapshotDisk("vda", SnapshotPolicy.NO)), end="")
    <disk name='vda' snapshot='no'/>

    Raises UsageError for what XML cannot say.
    """
    said = style(view, secure=secure)
    pad, inner = " " * indent, " " * (indent + 2)
    names = f"{attribute('name', disk.name)}{attribute('snapshot', disk.snapshot)}"
    inside = ""
    source = disk.source
    if source is not None and _is_said(source):
        names += f" type='{source.location.type}'"
        type = None if source.format is None else format_name(source.format)
        cache = metadata_cache_element(inner + "  ", source.metadata_cache)
        inside = element(inner, "driver", attribute("type", type), cache)
        inside += source_element(inner, source, said, Within())
    if disk.deleting:
        inside += f"{inner}<snapshotDeleteInProgress/>\n"
    xml = element(pad, "disk", names, inside)
    if not foreign:
        return xml
    strangers = (*disk.foreign, *(strangers_of_chain(source, said) if source is not None else ()))
    return restore(xml, strangers, _ORDER) if strangers else xml
