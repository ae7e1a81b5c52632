"""TARGET as disks to build block nodes for: what the guest's side says about nodes, and numbers for all layers.

Knows how a Disk's ``<driver>`` becomes a NodePolicy, which ``qemu`` cannot: it knows no guests.
"""

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from diskchain.cli.target import Target, chain_of, is_document, read_document, targets
from diskchain.errors import StorageTimeout, UsageError
from diskchain.qemu.nodes import Numbering, highest_number
from diskchain.qemu.policy import NodePolicy, ThrottleFilter, ThrottleGroup
from diskchain.readers.patience import real_path
from diskchain.storage.location import local_path
from diskchain.storage.source import Source, chain_end, layers, stack
from diskchain.storage.terms import Format

if TYPE_CHECKING:
    from diskchain.discover import BackingChain, Discoverer
    from diskchain.guest.disk import Disk
    from diskchain.guest.iotune import IoTune

#: ``cache=`` as QEMU's two flags of a node, ``direct`` and ``no-flush``.
_CACHE: Final = {
    "none": (True, False),
    "directsync": (True, False),
    "writeback": (False, False),
    "writethrough": (False, False),
    "unsafe": (False, True),
}


class NodeTarget(NamedTuple):
    """One disk. ``source`` is None for an empty drive; ``throttle_groups`` have no nodes yet."""

    name: str
    source: Source | None
    policy: NodePolicy = NodePolicy()
    throttle_groups: tuple[str, ...] = ()
    probe: bool = False
    host: str | None = None

    def discover(self, discoverer: "Discoverer") -> "BackingChain | None":
        """The chain as it is; None for an empty drive."""
        if self.source is None:
            return None
        return chain_of(discoverer, Target(self.name, self.source, self.probe, self.host))


def node_targets(args: argparse.Namespace) -> list[NodeTarget]:
    """The disks that the arguments of ``add_target_arguments`` mean, all of them, in libvirt's order.

    libvirt's defaults are filled in. Raises as :func:`~diskchain.cli.target.targets` does.
    """
    name: str = args.target
    if args.connect is None and (args.format is not None or not is_document(name)):
        return [NodeTarget(each.name, each.source, probe=each.probe) for each in targets(args)]
    if args.connect is None:
        return _of_document(read_document(name), name, None)
    from diskchain.hypervisor.connection import Connection

    with Connection(args.connect) as connection:
        return _of_document(connection.domain(name).current, name, connection.host)


def _of_document(text: bytes, origin: str, host: str | None) -> list[NodeTarget]:
    from diskchain.guest.order import libvirt_order
    from diskchain.libvirtxml.completion import declared_disks
    from diskchain.libvirtxml.postparse import post_parse
    from diskchain.libvirtxml.throttle_groups import parse_throttle_groups

    disks = post_parse(declared_disks(text, origin))
    groups = parse_throttle_groups(text, origin=origin)
    return [
        NodeTarget(
            disks[position].target.dev or f"disk {position + 1}",
            None if disks[position].is_empty else disks[position].source,
            _policy(disks[position], groups),
            disks[position].throttle_filters,
            host=host,
        )
        for position in libvirt_order(disks)
    ]


def _limits(group: "IoTune") -> tuple[tuple[str, int], ...]:
    """In QEMU's words; what is 0 is no limit."""
    words = {name: value for name, value in group._asdict().items() if isinstance(value, int) and value}
    return tuple((_limit_name(name), value) for name, value in words.items())


def _limit_name(name: str) -> str:
    """``total_bytes_sec_max_length`` as ``bps-total-max-length``, ``size_iops_sec`` as ``iops-size``."""
    which, unit, _, *rest = name.split("_")
    return "-".join(("bps" if unit == "bytes" else unit, which, *rest))


def _policy(disk: "Disk", groups: "Mapping[str, IoTune]") -> NodePolicy:
    driver, runtime = disk.driver, disk.runtime
    direct, no_flush = _CACHE[driver.cache] if driver.cache else (None, False)
    if direct is None and disk.shared and not disk.readonly:
        direct = True  # libvirt's choice for disks that others write, too
    filters = () if runtime is None else tuple(ThrottleFilter(each.group, each.node) for each in runtime.filter_nodes)
    return NodePolicy(
        direct=direct,
        no_flush=no_flush,
        aio=driver.io.value if driver.io else None,
        discard=driver.discard.value if driver.discard else None,
        detect_zeroes=driver.detect_zeroes.value if driver.detect_zeroes else None,
        discard_no_unref=driver.discard_no_unref,
        copy_on_read=disk.target.dev if driver.copy_on_read else None,
        throttle_filters=filters,
        throttle_groups=tuple(
            ThrottleGroup(name, _limits(groups[name]))
            for name in dict.fromkeys((*disk.throttle_filters, *(each.group for each in filters)))
            if name in groups
        ),
        floppy=disk.device == "floppy",
    )


class NumberedChain(NamedTuple):
    """A chain whose nodes have names, and what else shapes them. ``names``: of each layer, the first for people."""

    disk: str
    source: Source
    policy: NodePolicy
    names: tuple[tuple[str, ...], ...]


def number_chains(disks: Sequence[NodeTarget], chains: Sequence[Source | None]) -> list[NumberedChain]:
    """The discovered ``chains`` of ``disks`` with the numbers a start of the domain gives them; without empty drives.

    First whatever the document declares, from the last disk to the first, then whatever was detected.
    """
    numbering = Numbering(1 + max((highest_number(chain) for chain in chains if chain is not None), default=0))
    declared: list[tuple[Source | None, NodePolicy]] = []
    for disk in reversed(disks):
        source = numbering.chain(disk.source) if disk.source is not None else None
        if source is None:
            numbering.take()
        policy = disk.policy
        if not policy.throttle_filters:
            new = [ThrottleFilter(group, f"libvirt-{numbering.take()}-filter") for group in disk.throttle_groups]
            policy = policy._replace(throttle_filters=tuple(new))
        declared.append((source, policy))
    done: list[NumberedChain] = []
    for disk, chain, (source, policy) in zip(reversed(disks), reversed(chains), declared, strict=True):
        if chain is not None and source is not None:
            whole = numbering.chain(_as_declared(source, chain))
            done.append(NumberedChain(disk.name, whole, policy, layer_names(disk.name, chain)))
    return done[::-1]


def may_hold(disks: Sequence[NodeTarget], wanted: str | None) -> list[NodeTarget]:
    """The disks that ``-d`` can mean: that of the name, that of a layer like ``vda[2]``, or for a path all of them.

    Raises UsageError when there is none.
    """
    if wanted is None:
        return [*disks]
    found = [disk for disk in disks if disk.name == wanted]
    found = found or [disk for disk in disks if disk.name == wanted.partition("[")[0]]
    found = found or ([*disks] if "/" in wanted else [])
    if not found:
        known = ", ".join(disk.name for disk in disks) or "none with a medium"
        raise UsageError(f"no disk or layer is called {wanted}; the disks are: {known}")
    return found


def from_layer(chains: Sequence[NumberedChain], wanted: str | None) -> list[NumberedChain]:
    """The chains that ``-d`` means, from the layer down that it names. Raises UsageError when there is none."""
    if wanted is None or any(chain.disk == wanted for chain in chains):
        return [chain for chain in chains if wanted in (None, chain.disk)]
    resolved = _resolved(wanted)
    for chain in chains:
        for position, (layer, called) in enumerate(zip(layers(chain.source), chain.names, strict=True)):
            if wanted in called or resolved in called:
                return [chain._replace(source=layer, names=chain.names[position:])]
    known = ", ".join(called[0] for chain in chains for called in chain.names) or "none"
    raise UsageError(f"no disk or layer is called {wanted}; the layers are: {known}")


def left_out(disks: Sequence[NodeTarget], chosen: Sequence[NumberedChain], wanted: str | None) -> list[NodeTarget]:
    """The disks that ``-d`` leaves out, or of which it leaves out the upper layers."""
    whole = {chain.disk for chain in chosen if wanted in (None, chain.disk)}
    return [disk for disk in disks if disk.name not in whole]


def below(whole: "BackingChain", chain: NumberedChain) -> "BackingChain":
    """``whole`` from the layer down that ``chain`` begins with."""
    every = list(whole.layers)
    return whole._replace(top=every[len(every) - len(chain.names)])


def _as_declared(declared: Source, chain: Source) -> Source:
    """``chain`` with the numbers of ``declared``, which is as much of it as the document says, and with its word on raw layers.

    Discovery sees a LUKS header in a raw image; where the document says raw and no more, the guest gets that header and
    decrypts by itself.
    """
    said, all_layers = list(layers(declared)), list(layers(chain))
    for position, (layer, old) in enumerate(zip(all_layers, said, strict=False)):
        data_file = layer.data_file
        if data_file is not None and old.data_file is not None:
            data_file = data_file._replace(chain_index=old.data_file.chain_index)
        plain = old.format is Format.RAW and old.encryption is None
        encryption = None if plain else layer.encryption
        all_layers[position] = layer._replace(chain_index=old.chain_index, data_file=data_file, encryption=encryption)
    return stack(all_layers, chain_end(chain))


def layer_names(disk: str, chain: Source) -> tuple[tuple[str, ...], ...]:
    """What each layer of ``chain`` may be called, the first for people: ``vda[2]``, its path as it stands and resolved.

    Numbers are libvirt's in a live domain, else they count from 0 at the top; there ``vda`` is the top as well.
    """
    live = any(layer.chain_index is not None for layer in layers(chain))
    names = []
    for position, layer in enumerate(layers(chain)):
        path = local_path(layer.location)
        known = [f"{disk}[{layer.chain_index if live else position}]"]
        known += [disk] if position == 0 else []
        known += [path, _resolved(path)] if path else []
        names.append(tuple(dict.fromkeys(known)))
    return tuple(names)


def _resolved(path: str) -> str:
    """``path`` without symlinks; as it is when storage does not answer."""
    try:
        return real_path(path)
    except StorageTimeout:
        return path
