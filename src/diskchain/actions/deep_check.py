"""The tables of every layer, read and compared with each other: ``check --deep``. A file that several chains share is read once."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from diskchain.actions.examined import DiskChain, Examined, Settings
from diskchain.actions.layer_opener import opener_of
from diskchain.allocation import need_numpy
from diskchain.checks.annotate import annotated
from diskchain.discover import Layer
from diskchain.findings import Finding

if TYPE_CHECKING:
    from diskchain.allocation.open_layer import Opener


@dataclass(frozen=True, slots=True)
class _Deep:
    """``known``: what was found of files, by identity and format."""

    settings: Settings
    known: dict[tuple[object, ...], list[Finding]] = field(default_factory=dict)

    def of(self, disk: DiskChain) -> DiskChain:
        """``disk`` with what is wrong with the tables of the layers that were asked for."""
        opener = opener_of(disk, self.settings)
        found = [
            (position, each)
            for position, layer in enumerate(disk.whole.layers)
            if position >= disk.first
            for file in (layer, *layer.extents)
            for each in self._findings(file, opener)
        ]
        return disk._replace(whole=annotated(disk.whole, found))

    def _findings(self, file: Layer, opener: "Opener") -> list[Finding]:
        from diskchain.allocation.integrity.check_layer import deep_findings

        identity = None if file.facts is None else file.facts.identity
        if identity is None:
            return deep_findings(file, opener, self.settings.timeout)
        key = (*identity, file.source.format, file.source.slice)
        if key not in self.known:
            self.known[key] = deep_findings(file, opener, self.settings.timeout)
        return self.known[key]


def deepened(targets: Iterable[Examined], settings: Settings) -> Iterator[Examined]:
    """``targets``, each with what is wrong with its layers' tables. Raises MissingExtra at once."""
    need_numpy("a check of all tables")
    deep = _Deep(settings)
    return (target.with_parts(tuple(map(deep.of, target.disks)), target.said) for target in targets)
