"""Chains of real images, generated: every kind of layer, every way of naming one, every amount said in the XML.

Knows qemu-img and loop devices; must not know how chains are discovered.
"""

from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Literal, NamedTuple

from tests.live.storage import QemuImg

SIZE = "1M"
_CONTAINER = 4 << 20  # bytes of a loop device: an empty qcow2 image of SIZE fits
_BACKING_FORMAT_EXTENSION = bytes.fromhex("e2792aca")  # qcow2 specification, "Header extensions"

Kind = Literal["raw", "qcow2", "qcow2-v2"]
Naming = Literal["absolute", "relative", "symlink"]


class LayerSpec(NamedTuple):
    """One layer. ``naming``: how the layer above names this one; ``recorded``: whether it says this one's format, too."""

    kind: Kind
    block: bool
    naming: Naming
    data_file: bool
    recorded: bool

    @property
    def format(self) -> str:
        """As ``<driver type>`` says it."""
        return "raw" if self.kind == "raw" else "qcow2"


class ChainSpec(NamedTuple):
    """A chain, top first; the XML declares so many layers below the top, and perhaps an end right there."""

    layers: tuple[LayerSpec, ...]
    declared: int
    ended: bool


def generated_chain(seed: int) -> ChainSpec:
    """A chain of 1 to 8 layers, the same each time."""
    random = Random(seed)  # noqa: S311 (nothing secret)
    depth = 1 + seed % 8
    layers: list[LayerSpec] = []
    for position in range(depth):
        last = position == depth - 1
        kind: Kind = random.choice(("raw", "qcow2", "qcow2-v2") if last else ("qcow2", "qcow2", "qcow2-v2"))
        block = random.random() < 0.15
        above = layers[-1].kind if layers else None
        layers.append(
            LayerSpec(
                kind=kind,
                block=block,
                naming=random.choice(("absolute", "relative", "symlink")),
                data_file=kind == "qcow2" and not block and random.random() < 0.25,
                # Only what has no backing file may go without a recorded format, and a v2 header is easy to change.
                recorded=not (last and above == "qcow2-v2" and random.random() < 0.5),
            )
        )
    declared = random.randrange(depth) if random.random() < 0.4 else 0
    return ChainSpec(tuple(layers), declared, ended=random.random() < 0.25)


class ChainMaker:
    """Makes the images of chains in ``directory``."""

    def __init__(self, directory: Path, qemu_img: QemuImg, loop_device: Callable[[Path], Path]) -> None:
        self._directory = directory
        self._qemu_img = qemu_img
        self._loop_device = loop_device

    def disk_xml(self, spec: ChainSpec, target: str) -> str:
        """The images of ``spec``, and the ``<disk>`` that has them."""
        directory = self._directory / target
        directory.mkdir(mode=0o755)
        below: str | None = None
        named: list[tuple[LayerSpec, str]] = []
        for number, layer in reversed(list(enumerate(spec.layers))):
            recorded = spec.layers[number + 1].recorded if below is not None else True
            path = self._image(layer, directory, number, below, spec.layers[number + 1 :][:1], recorded=recorded)
            may_be_relative = not layer.block and not (number and spec.layers[number - 1].block)
            below = self._name(layer, path, directory, number, may_be_relative=may_be_relative)
            # A relative name is relative to the directory of the layer above: all files of a chain are in one.
            named.insert(0, (layer, below if below.startswith("/") else f"{directory}/{below}"))
        declared = "<backingStore/>" if spec.ended else ""
        for layer, path_text in reversed(named[1 : spec.declared + 1]):
            format_element = f"<format type='{layer.format}'/>"
            declared = f"<backingStore type='{_type(layer)}'>{format_element}{_source(layer, path_text)}{declared}</backingStore>"
        top, path_text = named[0]
        return (
            f"<disk type='{_type(top)}' device='disk'>\n  <driver name='qemu' type='{top.format}'/>\n"
            f"  {_source(top, path_text)}\n  {declared}\n  <target dev='{target}' bus='virtio'/>\n</disk>\n"
        )

    def _image(
        self,
        layer: LayerSpec,
        directory: Path,
        number: int,
        below: str | None,
        layer_below: tuple[LayerSpec, ...],
        *,
        recorded: bool,
    ) -> Path:
        path = directory / f"layer{number}.{layer.format}"
        if layer.block:
            path.write_bytes(b"")
            with path.open("r+b") as file:
                file.truncate(_CONTAINER)
            path = self._loop_device(path)
        if layer.kind == "raw" and layer.block:
            return path
        options = []
        if layer.kind == "qcow2-v2":
            options += ["-o", "compat=0.10"]
        if layer.data_file:
            options += ["-o", f"data_file={path}.data"]
        if below is not None:
            options += ["-b", below, "-F", layer_below[0].format]
        self._qemu_img("create", "-q", "-f", layer.format, *options, path, SIZE)
        if layer.data_file:
            Path(f"{path}.data").chmod(0o666)  # libvirt before 10.10 does not know it, so it does not open it to QEMU
        if not recorded:
            _forget_backing_format(path)
        return path

    def _name(self, layer: LayerSpec, path: Path, directory: Path, number: int, *, may_be_relative: bool) -> str:
        if layer.naming == "symlink":
            link = directory / f"link{number}"
            link.symlink_to(path)
            return str(link)
        return path.name if layer.naming == "relative" and may_be_relative else str(path)


def _type(layer: LayerSpec) -> str:
    return "block" if layer.block else "file"


def _source(layer: LayerSpec, path: str) -> str:
    return f"<source {'dev' if layer.block else 'file'}='{path}'/>"


def _forget_backing_format(path: Path) -> None:
    """End the header extensions before the first one, which is the backing format's."""
    with path.open("r+b") as file:
        head = file.read(4096)
        place = head.index(_BACKING_FORMAT_EXTENSION)
        file.seek(place)
        file.write(bytes(8))
