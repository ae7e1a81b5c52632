"""A discovered chain: each layer with the evidence for it. Pure values that share their tails."""

from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Final, NamedTuple, overload

from diskchain._forward import Late, named_late
from diskchain.findings import Finding, Severity
from diskchain.image.header import ImageHeader
from diskchain.readers.file_facts import ImageFacts
from diskchain.storage.location import describe_location, short_name
from diskchain.storage.source import Source, Terminator, describe_source


class Origin(StrEnum):
    """Who says what format a layer has."""

    DECLARED = "declared"
    RECORDED = "recorded"
    PROBED = "probed"
    ASSUMED = "assumed"


@named_late()
class Layer(NamedTuple):
    """One layer and what is below it.

    ``source`` is complete: detected layers and their end are in its ``backing``. ``header`` and ``facts`` are None where
    they could not be read. ``findings`` concern this layer alone. ``extents``: the files a VMDK keeps its data in, those inside
    extents that are descriptors themselves among them.
    """

    source: Source
    below: Late["Layer | None"]
    origin: Origin
    header: ImageHeader | None = None
    facts: ImageFacts | None = None
    findings: tuple[Finding, ...] = ()
    data_file: Late["Layer | None"] = None
    extents: tuple["Layer", ...] = ()

    @property
    def files(self) -> Iterator["Layer"]:
        """The layer, then what else its bytes are in: its data file, its extents."""
        yield self
        if self.data_file is not None:
            yield self.data_file
        yield from self.extents

    def __repr__(self) -> str:
        below = 0
        layer = self.below
        while layer is not None:
            below, layer = below + 1, layer.below
        number = len(self.findings)
        said = f", {number} finding{'' if number == 1 else 's'}" if number else ""
        return f"<Layer {describe_source(self.source)} ({self.origin}), {below} below{said}>"


_new: Final = tuple.__new__


def layer_of(  # noqa: PLR0913, PLR0917 - one for each field
    source: Source,
    below: Layer | None,
    origin: Origin,
    header: ImageHeader | None,
    facts: ImageFacts | None,
    findings: tuple[Finding, ...],
    data_file: Layer | None,
    extents: tuple[Layer, ...],
) -> Layer:
    """``Layer(…)`` at half the cost. Each layer of each chain is made by it."""
    return _new(Layer, (source, below, origin, header, facts, findings, data_file, extents))


def with_source(layer: Layer, source: Source, origin: Origin, findings: tuple[Finding, ...]) -> Layer:
    """``layer`` with the same evidence for another ``source``."""
    _, below, _, header, facts, _, data_file, extents = layer
    return _new(Layer, (source, below, origin, header, facts, findings, data_file, extents))


class BackingChain(Sequence[Layer]):
    """A chain: the sequence of its layers, top first.

    ``chain[0]`` is the top, ``chain[-1]`` the last layer that is known; a slice is a tuple of layers. ``chain["vda[2]"]`` and
    ``chain["/vm/base.raw"]`` are :meth:`find`. A layer holds those below it, so a chain from one of them down is
    ``BackingChain(chain[1])``, at no cost. Chains are equal when all of their evidence is.
    """

    __slots__ = ("_top",)

    def __init__(self, top: Layer) -> None:
        self._top = top

    @property
    def top(self) -> Layer:
        """The layer that a guest would write."""
        return self._top

    @property
    def source(self) -> Source:
        """The top Source, with everything that is known below it."""
        return self._top.source

    @property
    def layers(self) -> Iterator[Layer]:
        """Every layer, top first; data files and extents are inside their layer."""
        layer: Layer | None = self._top
        while layer is not None:
            yield layer
            layer = layer.below

    def __iter__(self) -> Iterator[Layer]:
        return self.layers

    def __len__(self) -> int:
        return sum(1 for _ in self.layers)

    @overload
    def __getitem__(self, which: int | str) -> Layer: ...
    @overload
    def __getitem__(self, which: slice) -> tuple[Layer, ...]: ...

    def __getitem__(self, which: int | str | slice) -> Layer | tuple[Layer, ...]:
        """Raises IndexError for a number, and LayerNotFound for a name, that no layer has."""
        if isinstance(which, str):
            return self.find(which)
        return tuple(self.layers)[which]

    def find(self, name: str) -> Layer:
        """The layer called ``name``, by the rule of every verb: see :func:`~diskchain.storage.lookup.find_layers`.

        ``vda[2]`` (libvirt's index where the chain has indexes, else the position) and ``vda:2`` (the position), whatever the disk
        is called: a chain does not know. Else a path, the string its overlay stores, or a base name. Looks at names alone, never at
        storage. Raises LayerNotFound, also where a name fits several layers.
        """
        import re

        from diskchain.storage.lookup import find_layers

        numbered = re.fullmatch(r"(\w+)(?:\[[0-9]+\]|:[0-9]+)", name)
        disk = describe_location(self.source.location) if numbered is None else numbered[1]
        return self[find_layers([(disk, self.source)], name)[0].position]

    @property
    def findings(self) -> Iterator[Finding]:
        """Every finding, top layer first, a layer's data file and extents right after it."""
        layer: Layer | None = self._top
        while layer is not None:
            if layer.findings or layer.data_file is not None or layer.extents:
                for file in layer.files:
                    yield from file.findings
            layer = layer.below

    @property
    def complete(self) -> bool:
        """Whether the chain is known down to where it ends."""
        return isinstance(self[-1].source.backing, Terminator)

    @property
    def faulty(self) -> bool:
        """Whether some layer carries an error."""
        return any(finding.severity is Severity.ERROR for finding in self.findings)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BackingChain) and self._top == other._top

    def __hash__(self) -> int:
        return hash((BackingChain, self._top))

    def __repr__(self) -> str:
        names = [short_name(layer.source.location) for layer in self.layers]
        number = len(names)
        if number > _MOST_SHOWN:
            names[2:-2] = [f"{number - 4} more"]
        shown, some = " ← ".join(names), "" if number == 1 else "s"
        return f"<BackingChain {number} layer{some}: {shown}, {'complete' if self.complete else 'incomplete'}>"


_MOST_SHOWN: Final = 8
