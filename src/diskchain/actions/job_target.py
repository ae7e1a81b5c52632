"""The one disk that a job is about, as a draft of a plan; and what a job's new chain means for the document that names the disk."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from diskchain.actions.chains import examine_one
from diskchain.actions.examined import DiskChain, Examined, Settings
from diskchain.actions.numbering import layer_names
from diskchain.actions.select_layer import position_of, selected
from diskchain.actions.target import TargetName
from diskchain.errors import UsageError, printable
from diskchain.findings import Finding, finding
from diskchain.jobs.plan import DocumentChange, Plan
from diskchain.jobs.planning.draft import Draft, draft
from diskchain.libvirtxml.edit.set_chain import depth, with_overlay, with_top_from, without_layers
from diskchain.libvirtxml.edit.set_source import remove_backing, set_source


@dataclass(frozen=True, slots=True)
class JobTarget:
    """One disk. ``number``: its place in the document; None: the target is an image."""

    name: TargetName
    examined: Examined
    disk: DiskChain
    draft: Draft
    number: int | None

    def position(self, layer: str) -> int:
        """Where the layer of that name is, 0 for the top. Raises LayerNotFound."""
        return position_of(self.disk.name, self.disk.whole.source, layer, self.name.timeout)


def job_target(name: TargetName, wanted: Sequence[str], settings: Settings) -> JobTarget:
    """The disk of ``name`` that a job is to work on. Raises UsageError unless that is one, StorageError, XmlError, PeerError."""
    examined = selected(examine_one(name, settings._replace(persistent=True, rights=False)), wanted, name.timeout)
    if len(examined.disks) != 1:
        known = ", ".join(printable(disk.name) for disk in examined.disks) or "none"
        raise UsageError(f"a job works on one disk; -d says which: {known}")
    (disk,) = examined.disks
    if disk.first:
        raise UsageError("a job works on a disk; layers are named by --top and --base")
    if disk.target.host is not None:
        raise UsageError(f"the files are on {printable(disk.target.host)}; run diskchain there")
    number = None
    if examined.view is not None and disk.target.attached:
        view = examined.view
        places = [place for place, each in zip(view.numbers, view.disks, strict=True) if not each.is_empty]
        number = dict(zip(map(id, view.targets), places, strict=True))[id(disk.target)]
    title = disk.name if number is None else f"{disk.name} of {name.name}"
    secret = any(layer.header is not None and layer.header.encryption is not None for layer in disk.whole)
    names = layer_names(disk.name, disk.whole.source) if secret else ((),) * len(disk.whole)
    made = draft(title, disk.name if number is not None else None, disk.whole, names, name.timeout)
    found = _runs(examined, made)
    return JobTarget(name, examined, disk, found, number)


def _runs(examined: Examined, made: Draft) -> Draft:
    domain = None if examined.view is None else examined.view.document.domain
    if domain is None or domain.live is None:
        return made
    message = f"domain {domain.name} runs: this job is for disks that no guest uses (virsh shutdown {domain.name})"
    return replace(made, refused=(*made.refused, finding("job-in-use", message)))


def with_document(target: JobTarget, plan: Plan) -> tuple[Plan, list[Finding]]:
    """``plan`` with what it means for the document, and why it cannot be changed so, if it cannot."""
    view, disk = target.examined.view, target.number
    if view is None or disk is None:
        return plan, []
    domain = view.document.domain
    text, origin = view.text, target.name.name
    try:
        new = _changed(text, disk, plan, origin)
    except UsageError as error:
        message = f"{printable(origin)} cannot be changed for the new chain: {error}"
        return plan, [finding("job-document", message, file=origin)]
    if new == text:
        return plan, []
    uri = None if domain is None else target.name.connect
    return replace(plan, document=DocumentChange(origin if domain is None else domain.uuid, text, new, uri)), []


def _changed(text: bytes, disk: int, plan: Plan, origin: str) -> bytes:
    """The document with the new chain. Raises UsageError where its own words are not enough for that."""
    declared = depth(text, disk, origin)
    old, new = plan.old, plan.new
    if new[0] not in old:
        layer = plan.layers[new[0]]
        if layer.path is None:
            raise UsageError(f"{layer.name} is no file")
        return with_overlay(text, disk, layer.path, str(layer.format), origin)
    start = old.index(new[0])
    if start:
        return _from_below(text, disk, plan, start, declared, origin)
    first = next((place for place in range(1, len(old)) if place >= len(new) or old[place] != new[place]), len(old))
    if first >= declared:
        return text
    if any(place not in old for place in new):
        return remove_backing(text, disk, first - 1, origin)
    gone = [place for place in range(first, len(old)) if old[place] not in new]
    if gone[-1] + 1 < declared or len(new) > first:
        return without_layers(text, disk, gone[0], gone[-1], origin)
    return remove_backing(text, disk, first - 1, origin)


def _from_below(text: bytes, disk: int, plan: Plan, start: int, declared: int, origin: str) -> bytes:
    """The disk begins with a layer that was below."""
    if start < declared:
        return with_top_from(text, disk, start, origin)
    layer, top = plan.layers[plan.new[0]], plan.layers[plan.old[0]]
    if layer.path is None or layer.block != top.block:
        raise UsageError(
            f"{layer.name} is in another kind of place than {top.name}; let `diskchain complete` fill in the chain"
        )
    changed = set_source(text, disk, 0, path=layer.path, format=str(layer.format), origin=origin)
    return remove_backing(changed, disk, 0, origin) if declared > 1 else changed
