"""Names of block nodes, and the numbers in them, as libvirt gives them out. Pure.

Source: libvirt 11.3.0 ``qemuDomainPrepareStorageSourceBlockdevNodename``, ``qemuDomainStorageIDNew``.
"""

from dataclasses import dataclass
from typing import Final

from diskchain.errors import UsageError, printable
from diskchain.storage.runtime import Runtime
from diskchain.storage.source import Backing, Source, layers, stack

#: QEMU ``bdrv_assign_node_name``: 31 bytes and a NUL.
NODE_NAME_MAX: Final = 31


@dataclass(frozen=True, slots=True)
class NodeNames:
    """The nodes of one layer, whether or not all of them are needed."""

    storage: str
    format: str
    slice: str


def node_names(source: Source) -> NodeNames:
    """The names ``source`` has in a running domain, or would have under its ``chain_index``.

    Raises UsageError without either, and for a name QEMU would refuse.
    """
    number, runtime = source.chain_index, source.runtime or Runtime()
    if number is None and not (runtime.storage_node and runtime.format_node):
        raise UsageError("a layer needs a number before its nodes have names")
    names = NodeNames(
        runtime.storage_node or f"libvirt-{number}-storage",
        runtime.format_node or f"libvirt-{number}-format",
        runtime.slice_node or f"libvirt-{number}-slice-sto",
    )
    for name in (names.storage, names.format, names.slice):
        if len(name.encode("utf-8", "surrogateescape")) > NODE_NAME_MAX:
            raise UsageError(f"the node name {printable(name)} is longer than {NODE_NAME_MAX} bytes")
    return names


class Numbering:
    """Gives out the numbers of one domain, from ``first``. Nothing is ever given out twice.

    A start goes from the last disk to the first; in each the image, its data file, then what is below, then its throttle
    filters. An empty drive takes a number, too.
    """

    def __init__(self, first: int = 1) -> None:
        self._next = first

    def take(self) -> int:
        """The next number."""
        number = self._next
        self._next += 1
        return number

    def chain(self, top: Source) -> Source:
        """``top`` with a number for every layer and data file that has none."""
        done: list[Source] = []
        layer: Backing = top
        while isinstance(layer, Source):
            if layer.chain_index is None:
                layer = layer._replace(chain_index=self.take())
            if layer.data_file is not None and layer.data_file.chain_index is None:
                layer = layer._replace(data_file=layer.data_file._replace(chain_index=self.take()))
            done.append(layer)
            layer = layer.backing
        return stack(done, layer)


def highest_number(top: Source) -> int:
    """The highest number in a chain; 0 when it has none."""
    data_files = (layer.data_file for layer in layers(top) if layer.data_file is not None)
    return max(layer.chain_index or 0 for layer in (*layers(top), *data_files))
