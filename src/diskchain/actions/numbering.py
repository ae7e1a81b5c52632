"""The numbers libvirt gives the nodes of all layers of a domain, and all the names a layer goes by."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from diskchain.actions.node_policy import NodeDisk
from diskchain.errors import StorageTimeout
from diskchain.qemu.nodes import DescriptorSets, Numbering, highest_number
from diskchain.qemu.policy import NodePolicy, ThrottleFilter
from diskchain.storage import lookup
from diskchain.storage.location import FileLocation, VhostVdpaLocation, local_path
from diskchain.storage.source import Source, chain_end, layers, stack
from diskchain.storage.terms import Format
from diskchain.system.paths import real_path


@dataclass(frozen=True, slots=True)
class NumberedChain:
    """A chain whose nodes have names, and what else shapes them. ``names``: of each layer, the first for people."""

    disk: str
    source: Source
    policy: NodePolicy
    names: tuple[tuple[str, ...], ...]

    def below(self, position: int) -> "NumberedChain":
        """The part of it from the layer at ``position`` down."""
        if not position:
            return self
        return replace(self, source=list(layers(self.source))[position], names=self.names[position:])


def number_chains(
    disks: Sequence[NodeDisk], chains: Sequence[Source | None], *, data_files: bool = True
) -> list[NumberedChain]:
    """The discovered ``chains`` of ``disks`` with the numbers a start of the domain gives them; without empty drives.

    First whatever the document declares, from the last disk to the first, then whatever was detected. ``data_files``: they get some.
    """
    first = 1 + max((highest_number(chain) for chain in chains if chain is not None), default=0)
    numbering, passed = Numbering(first, data_files=data_files), DescriptorSets()
    declared: list[tuple[Source | None, NodePolicy]] = []
    for disk in reversed(disks):
        source = None
        if disk.numbered and disk.source is not None:
            source = passed.chain(numbering.chain(disk.source), FileLocation)
        elif disk.numbered:
            numbering.take()
        policy = disk.policy
        if not policy.throttle_filters:
            new = [ThrottleFilter(group, f"libvirt-{numbering.take()}-filter") for group in disk.throttle_groups]
            policy = replace(policy, throttle_filters=tuple(new))
        declared.append((source, policy))
    for place in range(len(declared) - 1, -1, -1):  # backwards here is forwards in the domain
        source, policy = declared[place]
        if source is not None:
            declared[place] = (passed.chain(source, VhostVdpaLocation), policy)
    done: list[NumberedChain] = []
    for disk, chain, (source, policy) in zip(reversed(disks), reversed(chains), declared, strict=True):
        if chain is not None and source is not None:
            whole = numbering.chain(_as_declared(source, chain))
            done.append(NumberedChain(disk.name, whole, policy, layer_names(disk.name, chain)))
    return done[::-1]


def _as_declared(declared: Source, chain: Source) -> Source:
    """``chain`` with the numbers of ``declared``, which is as much of it as the document says, and with its word on raw layers.

    Discovery sees a LUKS header in a raw image; where the document says raw and no more, the guest gets that header and
    decrypts by itself.
    """
    said, all_layers = list(layers(declared)), list(layers(chain))
    for position, (layer, old) in enumerate(zip(all_layers, said, strict=False)):
        data_file = layer.data_file
        if data_file is not None and old.data_file is not None:
            data_file = data_file._replace(chain_index=old.data_file.chain_index, runtime=old.data_file.runtime)
        plain = old.format is Format.RAW and old.encryption is None
        encryption = None if plain else layer.encryption
        all_layers[position] = layer._replace(
            chain_index=old.chain_index, data_file=data_file, encryption=encryption, runtime=old.runtime
        )
    return stack(all_layers, chain_end(chain))


def layer_names(disk: str, chain: Source) -> tuple[tuple[str, ...], ...]:
    """What each layer of ``chain`` may be called, the first for people: ``vda[2]``, its path as it stands and resolved.

    As :func:`diskchain.storage.lookup.layer_names` has them; ``vda`` is the top as well.
    """
    names = []
    for position, (layer, named) in enumerate(zip(layers(chain), lookup.layer_names(disk, chain), strict=True)):
        path = local_path(layer.location)
        known = [named.shown, named.position, f"{disk}:{position}"]
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
