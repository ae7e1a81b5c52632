"""What QEMU has open, as a Source: the answer of ``query-named-block-nodes``, read back.

Knows which node stands on which. QEMU before 10.1 does not say; there, a node's ``backing_file`` is the ``file`` of the node
below. Pure. Source: QEMU ``qapi/block-core.json`` ``BlockDeviceInfo``, ``ImageInfo``.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from diskchain.errors import ParseError, PeerError, printable
from diskchain.storage.encryption import Encryption
from diskchain.storage.location import BlockLocation, FileLocation, Location
from diskchain.storage.reference import parse_reference
from diskchain.storage.runtime import Runtime
from diskchain.storage.source import TERMINATOR, Slice, Source, stack
from diskchain.storage.terms import EncryptionFormat, Format

#: Nodes that pass everything on to the node below.
_FILTERS: Final = frozenset({"throttle", "copy-on-read", "preallocate", "compress", "blkdebug", "blklogwrites"})
_FORMATS: Final = {str(format): format for format in Format}
_HOST_DEVICES: Final = frozenset({"host_device", "host_cdrom"})
_ENCRYPTION: Final = {"luks": EncryptionFormat.LUKS, "aes": EncryptionFormat.QCOW}

Node = Mapping[str, Any]


def read_chain(nodes: Sequence[Node], top: str) -> Source:
    """The chain below the node ``top``, ended by a terminator: QEMU knows no other state.

    ``nodes``: what ``query-named-block-nodes`` returned. Every layer carries its node names. Raises PeerError when they
    contradict each other.
    """
    by_name = {str(node["node-name"]): node for node in nodes}
    by_file = {(str(node["drv"]), str(node["file"])): node for node in reversed(nodes)}
    node = by_name.get(top)
    if node is None:
        raise PeerError(f"QEMU has no node called {printable(top)}")
    chain: list[Source] = []
    while node is not None:
        if len(chain) > len(nodes):
            raise PeerError("QEMU's nodes form a loop")
        node = _below_filters(node, by_name, nodes)
        chain.append(_layer(node, by_name, nodes))
        node = _backing(node, by_name, by_file)
    return stack(chain, TERMINATOR)


def _children(node: Node) -> dict[str, str] | None:
    """Node names by role, where QEMU tells."""
    if "children" not in node:
        return None
    return {str(child["child"]): str(child["node-name"]) for child in node["children"] if "node-name" in child}


def _below_filters(node: Node, by_name: Mapping[str, Node], nodes: Sequence[Node]) -> Node:
    for _ in nodes:
        if node["drv"] not in _FILTERS:
            return node
        children = _children(node)
        if children is not None:
            node = by_name[children["file"]]
            continue
        inside = _options(node).get("file")
        if not isinstance(inside, dict):
            raise PeerError(f"QEMU does not say what is below {printable(str(node['node-name']))}")
        place = _location(inside)
        below = [each for each in nodes if each["drv"] == inside["driver"] and _location(_options(each)) == place]
        if not below:
            raise PeerError(f"QEMU does not show what is below {printable(str(node['node-name']))}")
        node = below[0]
    return node


def _json(options: Mapping[str, Any]) -> str:
    return "json:" + json.dumps(options)


def _options(node: Node) -> dict[str, Any]:
    """The options a node was opened with; of a node QEMU names more shortly, its driver and that name."""
    text = str(node["file"])
    if not text.startswith("json:"):
        return {"driver": node["drv"], "": text}
    try:
        options = json.loads(text.removeprefix("json:"))
    except (ValueError, RecursionError) as error:
        raise PeerError("QEMU names a node with JSON that is none") from error
    return options if isinstance(options, dict) else {}


def _backing(node: Node, by_name: Mapping[str, Node], by_file: Mapping[tuple[str, str], Node]) -> Node | None:
    children = _children(node)
    if children is not None:
        return by_name[children["backing"]] if "backing" in children else None
    if not node.get("backing_file_depth") or not node.get("backing_file"):
        return None
    driver = node["image"]["backing-image"]["format"]
    below = by_file.get((driver, node["backing_file"]))
    if below is None:
        raise PeerError(f"QEMU does not show what is below {printable(str(node['node-name']))}")
    return below


def _layer(node: Node, by_name: Mapping[str, Node], nodes: Sequence[Node]) -> Source:
    driver, options = str(node["drv"]), _options(node)
    location, window = _location(options)
    storage = _storage_node(node, by_name, nodes)
    if isinstance(location, FileLocation) and storage is not None and storage["drv"] in _HOST_DEVICES:
        location = BlockLocation(location.path)
    format = _FORMATS.get(driver)
    encryption = None
    if driver == "luks":
        format, encryption = Format.RAW, Encryption(EncryptionFormat.LUKS)
    elif inside := node["image"].get("format-specific", {}).get("data", {}).get("encrypt"):
        encryption = Encryption(_ENCRYPTION[inside["format"]])
    elif node["image"].get("encrypted"):
        encryption = Encryption(EncryptionFormat.QCOW)
    # The header's word, too: QEMU leaves the data file out of a node's name where only that is special about the node.
    data_name = options.get("data-file") or node["image"].get("format-specific", {}).get("data", {}).get("data-file")
    data_file = Source(_parse(data_name)[0], Format.RAW, readonly=bool(node["ro"])) if data_name else None
    name = str(node["node-name"])
    names = Runtime(storage_node=str(storage["node-name"]) if storage else name, format_node=name if format else None)
    return Source(
        location,
        format or Format.RAW,
        data_file=data_file,
        encryption=encryption,
        slice=window,
        readonly=bool(node["ro"]),
        runtime=names,
    )


def _location(options: dict[str, Any]) -> tuple[Location, Slice | None]:
    """Where the bytes are, and which of them."""
    while "file" in options and options["driver"] in _FILTERS:
        options = options["file"]
    if "" in options:
        return _parse(str(options[""]))
    if options["driver"] in _FORMATS:
        if options["driver"] == "raw" and ("offset" in options or "size" in options):
            return _parse({key: options[key] for key in ("driver", "offset", "size", "file") if key in options})
        return _parse(options["file"])
    return _parse(options)


def _parse(what: str | dict[str, Any]) -> tuple[Location, Slice | None]:
    try:
        reference = parse_reference(what if isinstance(what, str) else _json({"file": what}), "qemu")
    except ParseError as error:
        raise PeerError(f"QEMU's name of a node cannot be read: {error.problem}") from error
    return reference.location, reference.slice


def _storage_node(node: Node, by_name: Mapping[str, Node], nodes: Sequence[Node]) -> Node | None:
    """The protocol node below a format node: QEMU's word for it, libvirt's naming, or the same file."""
    children = _children(node)
    if children is not None:
        return by_name.get(children.get("file", ""))
    base, dash, last = str(node["node-name"]).rpartition("-")
    if dash and last == "format" and f"{base}-storage" in by_name:
        return by_name[f"{base}-storage"]
    for each in nodes:
        if each is not node and each["file"] == node["file"] and each["drv"] not in _FORMATS:
            return each
    return None
