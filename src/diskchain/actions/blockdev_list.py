"""The block nodes of a target as QEMU takes them: QMP commands, or arguments. Secrets are files, or words that say which key belongs there."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from diskchain.actions.blockdev import DiskNodes, block_nodes, pick
from diskchain.actions.chains import Examined
from diskchain.actions.keys import NO_KEYS, KeyPlaces, open_keys, pass_over, want_all
from diskchain.errors import SecretMissing, UsageError, printable
from diskchain.findings import Finding
from diskchain.qemu.emission import Item, NodeItem, ObjectItem, SecretItem
from diskchain.qemu.policy import Profile
from diskchain.secrets.keys import Keys, describe
from diskchain.secrets.places import file_of
from diskchain.system.deadline import DEFAULT_DEADLINE

#: What a secret object refers to: a word for people, or the file in which its key is.
SecretsAs = Literal["placeholder", "file"]


@dataclass(frozen=True, slots=True)
class ListedDisk:
    """One disk: what the guest's device gets is ``node``. ``layers``: name and node of each, top first.

    ``items``: in the order in which QEMU has to get them; whether it is a node (else an object), and its properties.
    """

    disk: str
    node: str
    layers: tuple[tuple[str, str], ...]
    items: tuple[tuple[bool, dict[str, Any]], ...]
    nodes: DiskNodes

    def arguments(self, dashes: str = "-") -> list[str]:
        """Arguments of QEMU; with two ``dashes`` of qemu-storage-daemon."""
        return [
            word
            for is_node, properties in self.items
            for word in (f"{dashes}{'blockdev' if is_node else 'object'}", _json(properties))
        ]


@dataclass(frozen=True, slots=True)
class NodeList:
    """The nodes of the disks that were asked for, and what was found about them."""

    disks: tuple[ListedDisk, ...]
    findings: tuple[Finding, ...]


def list_nodes(
    target: Examined,
    profile: Profile,
    wanted: Sequence[str] = (),
    *,
    keys: KeyPlaces = NO_KEYS,
    secrets: SecretsAs = "placeholder",
    seconds: float = DEFAULT_DEADLINE,
) -> NodeList:
    """The nodes of the disks and layers that ``wanted`` names, as ``profile`` has them.

    Raises LayerNotFound; UsageError for what QEMU cannot be told and for a key that fits nothing; SecretMissing for a secret without
    a file.
    """
    picked = pick(target, wanted, seconds, data_files=profile.newer)
    with open_keys(keys) as known:
        disks = block_nodes(picked, profile, keys.tls_directory)
        for each in disks:
            want_all(each.emission, each.chain.names, known)
        pass_over(picked.others, known)
        known.check_fit()
        listed = tuple(_listed(each, known, secrets) for each in disks)
    return NodeList(listed, picked.findings)


def _listed(nodes: DiskNodes, keys: Keys, secrets: SecretsAs) -> ListedDisk:
    chain, emission = nodes.chain, nodes.emission
    named = tuple((names[0], node) for names, node in zip(chain.names, emission.layers, strict=True))
    items = tuple((isinstance(item, NodeItem), _properties(nodes, item, keys, secrets)) for item in emission.items)
    return ListedDisk(chain.disk, emission.top, named, items, nodes)


def _properties(nodes: DiskNodes, item: Item, keys: Keys, secrets: SecretsAs) -> dict[str, Any]:
    if isinstance(item, NodeItem | ObjectItem):
        _json(item.properties)  # a name that JSON cannot hold is refused in every form
        return item.properties
    if secrets == "file":
        file = _file(nodes, item, keys)
    else:
        what = f"the secret {describe(item.reference)}" if item.reference else f"the {item.purpose} secret"
        file = f"<{what} of {nodes.chain.names[item.layer][0]}>"
    return {"qom-type": "secret", "id": item.id, "file": file}


def _file(nodes: DiskNodes, item: SecretItem, keys: Keys) -> str:
    names = (*nodes.chain.names[item.layer], item.id)
    path = file_of(keys.place(names if item.purpose not in ("cookie", "tls") else (item.id,), item.reference) or "")
    if path is None:
        raise SecretMissing(f"no --secret WHICH=file:PATH names the file of {item.id}", layer=names[0])
    return os.path.abspath(path)


def _json(value: dict[str, Any]) -> str:
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError(f"QEMU takes no name that is not UTF-8: {printable(text)}") from None
    return text
