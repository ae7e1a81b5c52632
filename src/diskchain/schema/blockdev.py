"""``diskchain blockdev --as json``: schema ``diskchain/blockdev/1``."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal

import msgspec

from diskchain.findings import Finding
from diskchain.qemu.emission import Emission, Item, NodeItem
from diskchain.schema.base import FindingDocument, finding_document

BLOCKDEV_SCHEMA = "diskchain/blockdev/1"


class NodeDocument(msgspec.Struct, frozen=True):
    """A layer, as every verb takes it, and the block node that its overlay or the guest's device gets."""

    name: str
    node: str


class CommandDocument(msgspec.Struct, frozen=True):
    """One step as the QMP command it is. The data of a secret is a file, or a word that says which key belongs there."""

    execute: Literal["blockdev-add", "object-add"]
    arguments: dict[str, Any]


class BlockdevDiskDocument(msgspec.Struct, frozen=True):
    """One disk. ``node``: what the guest's device gets. ``layers``: top first. ``commands``: in the order QEMU must see them."""

    disk: str
    node: str
    layers: tuple[NodeDocument, ...]
    commands: tuple[CommandDocument, ...]


class BlockdevDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What ``diskchain blockdev --as json`` prints. An object that several disks share is among the commands of the first."""

    schema: str = BLOCKDEV_SCHEMA
    target: str
    disks: tuple[BlockdevDiskDocument, ...]
    findings: tuple[FindingDocument, ...] = ()


def blockdev_disk_document(
    disk: str, names: Iterable[Sequence[str]], emission: Emission, properties: Callable[[Item], dict[str, Any]]
) -> BlockdevDiskDocument:
    """The JSON form of one disk's nodes. ``names``: of each layer, the first for people. ``properties``: an item's, secrets filled in."""
    return BlockdevDiskDocument(
        disk,
        emission.top,
        tuple(NodeDocument(name[0], node) for name, node in zip(names, emission.layers, strict=True)),
        tuple(
            CommandDocument(
                "blockdev-add" if isinstance(item, NodeItem) else "object-add", msgspec.to_builtins(properties(item))
            )
            for item in emission.items
        ),
    )


def blockdev_document(
    target: str, disks: Iterable[BlockdevDiskDocument], findings: Iterable[Finding] = ()
) -> BlockdevDocument:
    """The JSON form of a target's block nodes, and of what was found on the way to them."""
    return BlockdevDocument(target=target, disks=tuple(disks), findings=tuple(map(finding_document, findings)))
