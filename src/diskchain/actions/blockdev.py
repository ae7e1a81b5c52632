"""The block nodes QEMU gets for the disks of a target: those that are asked for, with every secret named and none known."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from diskchain.actions.chains import Examined
from diskchain.actions.node_policy import NodeDisk, has_nodes, is_listed, policy_of
from diskchain.actions.numbering import NumberedChain, number_chains
from diskchain.actions.select_layer import places
from diskchain.discover import BackingChain
from diskchain.errors import printable
from diskchain.findings import Finding, finding
from diskchain.qemu.blockdev import blockdev
from diskchain.qemu.emission import Emission, ObjectItem
from diskchain.qemu.policy import Profile
from diskchain.storage.location import VolumeLocation, describe_location
from diskchain.storage.source import Source, layers
from diskchain.system.deadline import DEFAULT_DEADLINE

if TYPE_CHECKING:
    from diskchain.actions.document_view import DocumentView


@dataclass(frozen=True, slots=True)
class Picked:
    """The chains that were asked for.

    ``chains``: with the numbers that libvirt gives all nodes of the domain. ``whole``: of each the chain as it was found, from the
    same layer down. ``others``: the disks left out, or of which the upper layers are. ``findings``: about what was asked for.
    """

    chains: tuple[NumberedChain, ...]
    whole: "tuple[BackingChain, ...]"
    others: tuple[NodeDisk, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class DiskNodes:
    """The nodes of one disk, in the order in which QEMU has to get them."""

    chain: NumberedChain
    emission: Emission


def pick(
    target: Examined, wanted: Sequence[str] = (), seconds: float = DEFAULT_DEADLINE, *, data_files: bool = True
) -> Picked:
    """The disks and layers of ``target`` that ``wanted`` names, numbered as in the whole domain. Raises LayerNotFound.

    ``data_files``: they take numbers, too, as libvirt 9.0 does not have it.
    """
    found: list[tuple[NodeDisk, BackingChain | None]]
    if target.view is None:
        found = [(NodeDisk(disk.name, disk.target.source), disk.whole) for disk in target.disks]
        numbered = number_chains([disk for disk, _ in found], [disk.whole.source for disk in target.disks])
    else:
        chains = {disk.name: disk.whole for disk in target.disks}
        found, numbered = _of_document(target.view, chains, seconds, data_files=data_files)
    by_name = {disk.name: chain for disk, chain in found if chain is not None}
    known = [each for each in numbered if each.disk in by_name]
    unknown = [] if wanted else [each for each in known if _volume_of(each.source) is not None]
    known = [each for each in known if each not in unknown]
    at = places([(each.disk, by_name[each.disk].source) for each in known], wanted, seconds)
    chosen = [known[place.disk].below(place.position) for place in at]
    whole = [_below(by_name[known[place.disk].disk], place.position) for place in at]
    entire = {known[place.disk].disk for place in at if not place.position}
    others = tuple(disk for disk, _ in found if disk.name not in entire)
    names = {each.disk for each in chosen}
    firsts = {known[place.disk].disk: place.position for place in at}
    findings = [each for each in target.said if not wanted or each.disk is None or each.disk in names]
    for disk in target.disks:
        if disk.name in firsts:
            findings += disk._replace(first=firsts[disk.name]).findings()
    findings += [_not_listed(disk) for disk, _ in found if not disk.listed and disk.source is not None and not wanted]
    findings += [_left_out(each.disk, volume) for each in unknown if (volume := _volume_of(each.source))]
    return Picked(tuple(chosen), tuple(whole), others, tuple(findings))


def _volume_of(chain: Source) -> VolumeLocation | None:
    """The first layer that is a volume of which nobody said what it is."""
    volumes = (layer.location for layer in layers(chain) if isinstance(layer.location, VolumeLocation))
    return next((volume for volume in volumes if volume.actual is None), None)


def _left_out(disk: str, volume: VolumeLocation) -> Finding:
    name = printable(describe_location(volume))
    message = f"disk {disk} is on {name}, a volume that only libvirt can find, so its nodes are not known"
    return finding("not-inspected", message, file=name)._replace(disk=disk)


def _not_listed(disk: NodeDisk) -> Finding:
    why = (
        "shares its image with other domains (<transient shareBacking='yes'/>): libvirt (9.0, 11.3) adds its nodes to the running QEMU, "
        "below an overlay"
        if disk.numbered
        else "is an SD card: libvirt (9.0, 11.3) hands it to QEMU as a -drive"
    )
    return finding("no-block-nodes", f"disk {disk.name} {why}, so it is not in this list")._replace(disk=disk.name)


def _below(chain: "BackingChain", position: int) -> "BackingChain":
    return BackingChain(chain[position])


def _of_document(
    view: "DocumentView", chains: "Mapping[str, BackingChain]", seconds: float, *, data_files: bool
) -> "tuple[list[tuple[NodeDisk, BackingChain | None]], list[NumberedChain]]":
    """All disks in libvirt's order, with libvirt's defaults filled in, and their chains numbered."""
    from diskchain.actions.document import disk_name
    from diskchain.guest.order import libvirt_order
    from diskchain.libvirtxml.documents.throttle_groups import parse_throttle_groups
    from diskchain.libvirtxml.postparse import post_parse

    groups = parse_throttle_groups(view.text, origin=view.document.origin)
    names = [disk_name(disk, number) for number, disk in enumerate(view.disks)]
    with_chains = [
        replace(disk, source=chains[name].source) if name in chains and not disk.is_empty else disk
        for name, disk in zip(names, view.disks, strict=True)
    ]
    declared, complete = post_parse(view.disks), post_parse(with_chains)
    order = libvirt_order(declared)
    disks = [
        NodeDisk(
            names[at],
            None if declared[at].is_empty else declared[at].source,
            policy_of(declared[at], groups, seconds),
            declared[at].throttle_filters,
            numbered=has_nodes(declared[at]),
            listed=is_listed(declared[at]),
        )
        for at in order
    ]
    sources: list[Source | None] = [None if complete[at].is_empty else complete[at].source for at in order]
    numbered = number_chains(disks, sources, data_files=data_files)
    return [
        (disk, chains.get(disk.name) if disk.source is not None and disk.listed else None) for disk in disks
    ], numbered


def block_nodes(picked: Picked, profile: Profile, tls_directory: str) -> tuple[DiskNodes, ...]:
    """The nodes of the chains that were picked. Objects that disks share come with the first disk alone.

    Raises UsageError for what QEMU cannot be told.
    """
    met: set[str] = set()
    done = []
    for chain in picked.chains:
        policy = replace(chain.policy, tls_directory=tls_directory)
        emission = blockdev(chain.source, policy, profile)
        items = [item for item in emission.items if not (isinstance(item, ObjectItem) and item.properties["id"] in met)]
        met |= {item.properties["id"] for item in items if isinstance(item, ObjectItem)}
        done.append(DiskNodes(replace(chain, policy=policy), replace(emission, items=tuple(items))))
    return tuple(done)
