"""Names of block nodes, and the numbers in them, as libvirt gives them out. Pure.

Source: libvirt 11.3.0 ``qemuDomainPrepareStorageSourceBlockdevNodename``, ``qemuDomainStorageIDNew``, ``qemuDomainPrepareStorageSourceFDs``.
"""

from dataclasses import dataclass, replace
from typing import Final

from diskchain.errors import UsageError, printable
from diskchain.storage.location import FileLocation, Location, VhostVdpaLocation
from diskchain.storage.runtime import Runtime
from diskchain.storage.source import Backing, Source, chain_end, files, layers, stack

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
    filters. An empty drive takes a number, too. ``data_files``: whether this libvirt knows them (9.0 does not).
    """

    def __init__(self, first: int = 1, *, data_files: bool = True) -> None:
        self._next = first
        self._data_files = data_files

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
            if self._data_files and layer.data_file is not None and layer.data_file.chain_index is None:
                layer = layer._replace(data_file=layer.data_file._replace(chain_index=self.take()))
            done.append(layer)
            layer = layer.backing
        return stack(done, layer)


class DescriptorSets:
    """Numbers of the sets of file descriptors that QEMU gets for one domain, from 0: of files passed by an application and of vDPA devices.

    libvirt 9.0 and 11.3 number files with the nodes, from the last disk to the first, and then devices, from the first to the last.
    What has no disk comes after.
    """

    def __init__(self) -> None:
        self._next = 0

    def chain(self, top: Source, kind: type[FileLocation | VhostVdpaLocation]) -> Source:
        """``top`` with a set for every layer and data file whose location is of that ``kind`` and that has none."""
        if not any(_is_passed(each.location, kind) for layer in layers(top) for each in files(layer)):
            return top
        done = []
        for layer in layers(top):
            numbered = self._numbered(layer, kind)
            if numbered.data_file is not None:
                numbered = numbered._replace(data_file=self._numbered(numbered.data_file, kind))
            done.append(numbered)
        return stack(done, chain_end(top))

    def _numbered(self, source: Source, kind: type[FileLocation | VhostVdpaLocation]) -> Source:
        runtime = source.runtime or Runtime()
        if runtime.fdset is not None or not _is_passed(source.location, kind):
            return source
        number, self._next = self._next, self._next + 1
        return source._replace(runtime=replace(runtime, fdset=number))


def _is_passed(location: Location, kind: type[FileLocation | VhostVdpaLocation]) -> bool:
    return isinstance(location, kind) and (not isinstance(location, FileLocation) or location.fdgroup is not None)


def highest_number(top: Source) -> int:
    """The highest number in a chain; 0 when it has none."""
    data_files = (layer.data_file for layer in layers(top) if layer.data_file is not None)
    return max(layer.chain_index or 0 for layer in (*layers(top), *data_files))
