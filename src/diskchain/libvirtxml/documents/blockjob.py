"""``<blockjobs>`` of a status document: the jobs libvirt's daemon keeps track of across its own restart.

Source: libvirt 11.3.0 ``qemu/qemu_domain.c`` (``qemuDomainObjPrivateXMLFormatBlockjobs`` and its parser).
"""

from dataclasses import dataclass
from enum import StrEnum

from diskchain.libvirtxml.format.foreign import ORDER, strangers_of_chain
from diskchain.libvirtxml.format.source import backing_element, format_name, source_element
from diskchain.libvirtxml.format.style import style
from diskchain.libvirtxml.markup.document import Element, refuse
from diskchain.libvirtxml.markup.scalars import one_of, read_number, text_of
from diskchain.libvirtxml.markup.unknown import attributes, children, note_attributes, restore
from diskchain.libvirtxml.markup.writer import attribute, element, escape, escape_text
from diskchain.libvirtxml.parse.source import Wrapper, layer, read_backing, read_contents, read_index
from diskchain.libvirtxml.view import View
from diskchain.libvirtxml.vocabulary import FORMATS, STORAGE_TYPES
from diskchain.storage.foreign import Foreign
from diskchain.storage.source import UNKNOWN, Source


class BlockJobType(StrEnum):
    """What a job does."""

    PULL = "pull"
    COPY = "copy"
    COMMIT = "commit"
    ACTIVE_COMMIT = "active-commit"
    BACKUP = "backup"
    CREATE = "create"
    SNAPSHOT_SAVE = "snapshot-save"
    SNAPSHOT_DELETE = "snapshot-delete"
    SNAPSHOT_LOAD = "snapshot-load"
    BROKEN = "broken"


class BlockJobState(StrEnum):
    """How far a job is."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    READY = "ready"
    NEW = "new"
    RUNNING = "running"
    CONCLUDED = "concluded"
    ABORTING = "aborting"
    PIVOTING = "pivoting"
    PENDING = "pending"


@dataclass(frozen=True, slots=True)
class BlockJob:
    """One job. What libvirt would not understand is None, and libvirt then takes the job for broken.

    ``disk`` is the target of the job's disk, ``mirror``: with the disk's mirror. A job whose disk is gone has its chains
    itself. ``base``, ``top`` and ``top_parent`` are names of *storage* nodes. ``flags`` None: written by an old libvirt.
    ``store`` is the new file of a create job, the target of a backup job.
    """

    name: str
    type: BlockJobType | None
    state: BlockJobState | None
    new_state: BlockJobState | None = None
    broken_type: BlockJobType | None = None
    flags: int | None = None
    shallow_new: bool = False
    error: str | None = None
    disk: str | None = None
    mirror: bool = False
    disk_chain: Source | None = None
    mirror_chain: Source | None = None
    base: str | None = None
    top: str | None = None
    top_parent: str | None = None
    delete_committed: bool = False
    create_storage: bool = False
    bitmap: str | None = None
    store: Source | None = None
    foreign: tuple[Foreign, ...] = ()


_TYPES = {type.value: type for type in BlockJobType}
_STATES = {state.value: state for state in BlockJobState}
_JOB = frozenset({"name", "type", "state", "newstate", "brokentype", "jobflags", "shallownew"})
_JOB_CHILDREN = frozenset(
    {
        "errmsg",
        "disk",
        "chains",
        "base",
        "top",
        "topparent",
        "deleteCommittedImages",
        "create",
        "src",
        "bitmap",
        "store",
    }
)
_CHAIN = frozenset({"type", "format"})
_CHAIN_CHILDREN = frozenset({"source", "backingStore"})
_ORDER = {
    **ORDER,
    "blockjob": (
        "errmsg",
        "disk",
        "chains",
        "base",
        "top",
        "topparent",
        "deleteCommittedImages",
        "create",
        "src",
        "bitmap",
        "store",
    ),
    "chains": ("disk", "mirror"),
}

_storage_type = one_of(STORAGE_TYPES)
_format = one_of(FORMATS)


def read_block_job(job: Element) -> BlockJob:
    """One ``<blockjob>``."""
    found: list[Foreign] = []
    names = attributes(job, _JOB, "", found)
    parts = children(job, _JOB_CHILDREN, "", found)
    if "name" not in names:
        refuse(job, "<blockjob> has no name")
    disk = parts["disk"][0] if "disk" in parts else None
    flags = names.get("jobflags")
    chains = children(parts["chains"][0], frozenset({"disk", "mirror"}), "chains", found) if "chains" in parts else {}
    store = parts.get("src") or parts.get("store")
    unknown = [
        name
        for name, words in (("type", _TYPES), ("state", _STATES), ("newstate", _STATES), ("brokentype", _TYPES))
        if name in names and names[name] not in words
    ]
    note_attributes(job, unknown, "", found)
    return BlockJob(
        names["name"],
        _TYPES.get(names.get("type", "")),
        _STATES.get(names.get("state", "")),
        _STATES.get(names.get("newstate", "")),
        _TYPES.get(names.get("brokentype", "")),
        None if flags is None else read_number(job, "jobflags of <blockjob>", flags, base=16),
        names.get("shallownew") == "yes",
        text_of(parts["errmsg"][0]) if "errmsg" in parts else None,
        None if disk is None else disk.get("dst"),
        disk is not None and disk.get("mirror") == "yes",
        _read_chain(chains["disk"][0]) if "disk" in chains else None,
        _read_chain(chains["mirror"][0]) if "mirror" in chains else None,
        _node(parts, "base"),
        _node(parts, "top"),
        _node(parts, "topparent"),
        "deleteCommittedImages" in parts,
        "create" in parts and parts["create"][0].get("mode") == "storage",
        (parts["bitmap"][0].get("name") or None) if "bitmap" in parts else None,
        _read_chain(store[0]) if store else None,
        tuple(found),
    )


def _node(parts: dict[str, list[Element]], name: str) -> str | None:
    return (parts[name][0].get("node") or None) if name in parts else None


def _read_chain(chain: Element) -> Source:
    found: list[Foreign] = []
    names = attributes(chain, _CHAIN, "", found)
    parts = children(chain, _CHAIN_CHILDREN, "", found)
    if "type" not in names or "format" not in names or "source" not in parts:
        refuse(chain, f"<{chain.tag}> of a block job needs a type, a format and a <source>")
    source = parts["source"][0]
    index = source.get("index")
    wrapper = Wrapper(
        _format(chain, f"format of <{chain.tag}>", names["format"]),
        chain_index=None if index is None else read_index(source, index),
    )
    type = _storage_type(chain, f"type of <{chain.tag}>", names["type"])
    contents = read_contents(source, type, View.STATUS, found)
    backing = read_backing(parts["backingStore"][0], View.STATUS) if "backingStore" in parts else UNKNOWN
    return layer(contents, wrapper, backing, found)


def block_job_element(pad: str, job: BlockJob) -> str:
    """One job as libvirt writes it; the error has no line of its own, a slip of libvirt's."""
    flags = None if job.flags is None else f"0x{job.flags:x}"
    names = (
        f"{attribute('name', job.name)}{attribute('type', job.type)}{attribute('state', job.state)}"
        f"{attribute('newstate', job.new_state)}{attribute('brokentype', job.broken_type)}{attribute('jobflags', flags)}"
        f"{attribute('shallownew', 'yes' if job.shallow_new else None)}"
    )
    inner = pad + "  "
    lines = _job_disk(inner, job) + _job_nodes(inner, job)
    if job.error is not None:
        lines = f"{inner}<errmsg>{escape_text(job.error)}</errmsg>{lines.removeprefix(inner)}"
    xml = element(pad, "blockjob", names, lines)
    strangers = [*job.foreign, *_chain_strangers(job)]
    return restore(xml, strangers, _ORDER) if strangers else xml


def _job_disk(pad: str, job: BlockJob) -> str:
    if job.disk is not None:
        mirror = " mirror='yes'" if job.mirror else ""
        return f"{pad}<disk dst='{escape(job.disk)}'{mirror}/>\n"
    chains = ""
    if job.disk_chain is not None:
        chains += _chain_element(pad + "  ", "disk", job.disk_chain)
    if job.mirror_chain is not None:
        chains += _chain_element(pad + "  ", "mirror", job.mirror_chain)
    return element(pad, "chains", "", chains)


def _job_nodes(pad: str, job: BlockJob) -> str:
    nodes = (("base", job.base), ("top", job.top), ("topparent", job.top_parent))
    lines = [f"{pad}<{name}{attribute('node', node)}/>\n" for name, node in nodes if node is not None]
    if job.delete_committed:
        lines.append(f"{pad}<deleteCommittedImages/>\n")
    if job.create_storage:
        lines.append(f"{pad}<create mode='storage'/>\n")
    lines.append(element(pad, "bitmap", attribute("name", job.bitmap)))
    if job.store is not None:
        name = "store" if job.type is BlockJobType.BACKUP else "src"
        lines.append(_chain_element(pad, name, job.store._replace(backing=UNKNOWN)))
    return "".join(lines)


def _chain_element(pad: str, name: str, chain: Source) -> str:
    said = style(View.STATUS)
    format = "none" if chain.format is None else format_name(chain.format)
    inside = source_element(pad + "  ", chain, said) + backing_element(pad + "  ", chain.backing, said)
    return element(pad, name, f" type='{chain.location.type}' format='{format}'", inside)


def _chain_strangers(job: BlockJob) -> list[Foreign]:
    said = style(View.STATUS)
    store = "store" if job.type is BlockJobType.BACKUP else "src"
    chains = (("chains/disk", job.disk_chain), ("chains/mirror", job.mirror_chain), (store, job.store))
    return [
        stranger for place, chain in chains if chain is not None for stranger in strangers_of_chain(chain, said, place)
    ]
