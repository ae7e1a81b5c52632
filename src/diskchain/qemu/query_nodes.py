"""What QEMU has open, as a Source: the answer of ``query-named-block-nodes``, read back.

Which node stands on which QEMU tells since 10.1 (``children``); before, ``x-debug-query-block-graph`` does. Without either, a
node's ``backing_file`` is the ``file`` of the node below, as long as QEMU does not cut these names (at 4095 bytes; names of
encrypted or sliced layers hold all below them). Pure. Source: QEMU ``qapi/block-core.json`` ``BlockDeviceInfo``, ``XDbgBlockGraph``.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from diskchain.errors import ParseError, PeerError, printable
from diskchain.storage.encryption import Encryption, EncryptionFormat
from diskchain.storage.location import BlockLocation, FileLocation, Location
from diskchain.storage.reference import parse_reference
from diskchain.storage.runtime import Runtime
from diskchain.storage.slice import Slice
from diskchain.storage.source import TERMINATOR, Source, stack
from diskchain.storage.terms import Format

#: Nodes that pass everything on to the node below.
_FILTERS: Final = frozenset({"throttle", "copy-on-read", "preallocate", "compress", "blkdebug", "blklogwrites"})
_FORMATS: Final = {str(format): format for format in Format}
_HOST_DEVICES: Final = frozenset({"host_device", "host_cdrom"})
_ENCRYPTION: Final = {"luks": EncryptionFormat.LUKS, "aes": EncryptionFormat.QCOW}

Node = Mapping[str, Any]
#: Names of the nodes below, by role, for each node.
_Children = Mapping[str, Mapping[str, str]]


def read_chain(nodes: Sequence[Node], top: str, graph: Mapping[str, Any] | None = None) -> Source:
    """The chain below the node ``top``, ended by a terminator: QEMU knows no other state.

    ``nodes``: what ``query-named-block-nodes`` returned; ``graph``: what ``x-debug-query-block-graph`` did. Every layer
    carries its node names. Raises PeerError when they make no sense together.
    """
    try:
        by_name = {str(node["node-name"]): node for node in nodes}
        node: Node | None = by_name[top]
        reader = _Reader(nodes, by_name, _children(nodes, graph))
        chain: list[Source] = []
        while node is not None:
            if len(chain) > len(nodes):
                raise PeerError("QEMU's nodes form a loop")
            node = reader.below_filters(node)
            chain.append(reader.layer(node))
            node = reader.backing(node)
    except (KeyError, TypeError, AttributeError) as error:
        raise PeerError(f"QEMU's nodes below {printable(top)} make no sense") from error
    return stack(chain, TERMINATOR)


def _children(nodes: Sequence[Node], graph: Mapping[str, Any] | None) -> _Children | None:
    if all("children" in node for node in nodes):
        return {
            node["node-name"]: {
                child["child"]: child["node-name"] for child in node["children"] if "node-name" in child
            }
            for node in nodes
        }
    if graph is None:
        return None
    names = {each["id"]: each["name"] for each in graph["nodes"]}
    found: dict[str, dict[str, str]] = {str(node["node-name"]): {} for node in nodes}
    for edge in graph["edges"]:
        found.setdefault(names[edge["parent"]], {})[edge["name"]] = names[edge["child"]]
    return found


class _Reader:
    """Looks things up among the nodes."""

    def __init__(self, nodes: Sequence[Node], by_name: Mapping[str, Node], children: _Children | None) -> None:
        self._nodes = nodes
        self._by_name = by_name
        self._children = children
        self._by_file = {(str(node["drv"]), str(node["file"])): node for node in reversed(nodes)}

    def _child(self, node: Node, role: str) -> Node | None:
        """The node below in that role, where QEMU tells; None also when there is none."""
        if self._children is None:
            return None
        name = self._children[node["node-name"]].get(role)
        return None if name is None else self._by_name[name]

    def below_filters(self, node: Node) -> Node:
        for _ in self._nodes:
            if node["drv"] not in _FILTERS:
                return node
            below = self._child(node, "file") or self._alike(node)
            if below is None:
                raise PeerError(f"QEMU does not say what is below {printable(str(node['node-name']))}")
            node = below
        raise PeerError("QEMU's nodes form a loop")

    def _alike(self, filter: Node) -> Node | None:  # noqa: A002 (QEMU's word)
        """The node with the driver and the place that a filter's options show below it."""
        inside = _options(filter).get("file")
        if not isinstance(inside, dict):
            return None
        place = _location(inside)
        for each in self._nodes:
            if each["drv"] == inside["driver"] and _location(_options(each)) == place:
                return each
        return None

    def backing(self, node: Node) -> Node | None:
        if self._children is not None:
            return self._child(node, "backing")
        if not node.get("backing_file_depth") or not node.get("backing_file"):
            return None
        driver = node["image"]["backing-image"]["format"]
        below = self._by_file.get((driver, node["backing_file"]))
        if below is None:
            raise PeerError(f"QEMU does not show what is below {printable(str(node['node-name']))}")
        return below

    def layer(self, node: Node) -> Source:
        storage = self._storage(node)
        location, window = self._place(node)
        if isinstance(location, FileLocation) and storage is not None and storage["drv"] in _HOST_DEVICES:
            location = BlockLocation(location.path)
        driver, name = str(node["drv"]), str(node["node-name"])
        return Source(
            location,
            Format.RAW if driver == "luks" else _FORMATS.get(driver, Format.RAW),
            data_file=self._data_file(node),
            encryption=_encryption(node),
            slice=window,
            readonly=bool(node["ro"]),
            runtime=Runtime(
                storage_node=str(storage["node-name"]) if storage is not None else name,
                format_node=name if driver in _FORMATS else None,
            ),
        )

    def _place(self, node: Node) -> tuple[Location, Slice | None]:
        if self._children is None:
            return _location(_options(node))
        window = None
        for _ in self._nodes:
            options = _options(node) if node["drv"] == "raw" else {}
            if "offset" in options or "size" in options:
                window = Slice(options.get("offset", 0), options.get("size", 0))
            below = self._child(node, "file") if node["drv"] in _FORMATS else None
            if below is None:
                return _location(_options(node))[0], window
            node = below
        raise PeerError("QEMU's nodes form a loop")

    def _storage(self, node: Node) -> Node | None:
        """The protocol node below a format node: QEMU's word for it, libvirt's naming, or the same file."""
        if self._children is not None:
            for _ in self._nodes:
                below = self._child(node, "file") if node["drv"] in _FORMATS else None
                if below is None:
                    return node
                node = below
        for suffix in ("-format", "-slice-sto"):
            namesake = str(node["node-name"]).removesuffix(suffix) + "-storage"
            if namesake in self._by_name:
                return self._by_name[namesake]
        for each in self._nodes:
            if each is not node and each["file"] == node["file"] and each["drv"] not in _FORMATS:
                return each
        return None

    def _data_file(self, node: Node) -> Source | None:
        below = self._child(node, "data-file")
        if below is not None:
            return Source(self._place(below)[0], Format.RAW, readonly=bool(below["ro"]))
        if node["drv"] != "qcow2" or self._children is not None:
            return None
        # The header's word, too: QEMU leaves the data file out of a node's name where only that is special about the node.
        name = _options(node).get("data-file") or node["image"].get("format-specific", {}).get("data", {}).get(
            "data-file"
        )
        return Source(_parse(name)[0], Format.RAW, readonly=bool(node["ro"])) if name else None


def _encryption(node: Node) -> Encryption | None:
    if node["drv"] == "luks":
        return Encryption(EncryptionFormat.LUKS)
    inside = node["image"].get("format-specific", {}).get("data", {}).get("encrypt")
    if inside:
        return Encryption(_ENCRYPTION[inside["format"]])
    return Encryption(EncryptionFormat.QCOW) if node["image"].get("encrypted") else None


def _options(node: Node) -> dict[str, Any]:
    """The options a node was opened with; of a node QEMU names more shortly, its driver and that name."""
    text = str(node["file"])
    if not text.startswith("json:"):
        return {"driver": node["drv"], "": text}
    try:
        options = json.loads(text.removeprefix("json:"))
    except (ValueError, RecursionError) as error:
        raise PeerError("QEMU's name of a node is cut, and so cannot be read") from error
    if not isinstance(options, dict):
        raise PeerError("QEMU's name of a node makes no sense")
    return options


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
    text = what if isinstance(what, str) else "json:" + json.dumps({"file": what})
    try:
        reference = parse_reference(text, "qemu")
    except ParseError as error:
        raise PeerError(f"QEMU's name of a node cannot be read: {error.problem}") from error
    return reference.location, reference.slice
