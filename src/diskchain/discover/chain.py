"""A discovered chain: each layer with the evidence for it. Pure values that share their tails."""

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from diskchain._forward import Late
from diskchain.findings import Finding, Severity
from diskchain.image.header import ImageHeader
from diskchain.readers.file_facts import ImageFacts
from diskchain.storage.source import Source, Terminator


class Origin(StrEnum):
    """Who says what format a layer has."""

    DECLARED = "declared"
    RECORDED = "recorded"
    PROBED = "probed"
    ASSUMED = "assumed"


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


class BackingChain(NamedTuple):
    """A chain, top first."""

    top: Layer

    @property
    def source(self) -> Source:
        """The top Source, with everything that is known below it."""
        return self.top.source

    @property
    def layers(self) -> Iterator[Layer]:
        """Every layer, top first; data files and extents are inside their layer."""
        layer: Layer | None = self.top
        while layer is not None:
            yield layer
            layer = layer.below

    @property
    def findings(self) -> Iterator[Finding]:
        """Every finding, top layer first, a layer's data file and extents right after it."""
        for layer in self.layers:
            for file in layer.files:
                yield from file.findings

    @property
    def complete(self) -> bool:
        """Whether the chain is known down to where it ends."""
        last = self.top
        while last.below is not None:
            last = last.below
        return isinstance(last.source.backing, Terminator)

    @property
    def faulty(self) -> bool:
        """Whether some layer carries an error."""
        return any(finding.severity is Severity.ERROR for finding in self.findings)
