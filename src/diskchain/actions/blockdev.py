"""TARGET as disks to build block nodes for: what the guest's side says about nodes, and numbers for all layers.

Knows how a Disk's ``<driver>`` becomes a NodePolicy, which ``qemu`` cannot: it knows no guests.
"""

import argparse
from typing import TYPE_CHECKING, NamedTuple

from diskchain.actions.chains import chain_of
from diskchain.actions.node_policy import _policy
from diskchain.actions.target import Target, is_document, read_document
from diskchain.cli.options.target import targets
from diskchain.qemu.policy import NodePolicy
from diskchain.storage.source import Source

if TYPE_CHECKING:
    from diskchain.discover import BackingChain, Discoverer


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

    libvirt's defaults are filled in. Raises as :func:`~diskchain.cli.options.target.targets` does.
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
    from diskchain.libvirtxml.documents.throttle_groups import parse_throttle_groups
    from diskchain.libvirtxml.edit.completion import declared_disks
    from diskchain.libvirtxml.postparse import post_parse

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
