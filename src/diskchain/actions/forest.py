"""All images of a directory as a forest: what stands on nothing first, and on each image its overlays. A shared base is there once.

The chains are those of ``check``, so what is said of them is the same. Two readings of one file (two formats, or two files below it) are
two images, as they are two chains.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from diskchain.actions.directory import Tell
from diskchain.actions.examined import DEFAULT, DiskChain, Settings
from diskchain.actions.target import TargetName
from diskchain.actions.together import examine_all
from diskchain.actions.walked import Walked
from diskchain.discover.chain import Layer
from diskchain.discover.messages import unreadable_target
from diskchain.findings import Finding
from diskchain.storage.location import describe_location


@dataclass(frozen=True, slots=True)
class Image:
    """One file of the forest, read in one way.

    ``number``: its place among all, from 0, those below it first. ``backing``: the number of the image that it stands on. ``users``: the
    disks that are on it, as (document, disk). ``is_target``: it was found in the directory; else only something names it.
    """

    number: int
    layer: Layer
    backing: int | None
    overlays: tuple[int, ...]
    users: tuple[tuple[str, str], ...]
    findings: tuple[Finding, ...]
    is_target: bool

    @property
    def name(self) -> str:
        """Where it is."""
        return describe_location(self.layer.source.location)


@dataclass(frozen=True, slots=True)
class Forest:
    """The images of a directory, or of all domains (``walked`` is None then). ``said``: of documents, and of what could not be looked at, with the name of each."""

    images: tuple[Image, ...]
    said: tuple[tuple[str, Finding], ...]
    walked: Walked | None

    @property
    def roots(self) -> Iterator[Image]:
        """The images that stand on none that is known, in the order in which they were met."""
        return (image for image in self.images if image.backing is None)

    @property
    def findings(self) -> Iterator[Finding]:
        """Everything found, each once."""
        for _, found in self.said:
            yield found
        for image in self.images:
            yield from image.findings


def forest(names: Sequence[TargetName], settings: Settings = DEFAULT, *, tell: Tell | None = None) -> Forest:
    """The forest of all that is below a directory, or of domains. Raises UsageError for a directory without images or documents."""
    planted = _Planted()
    walked: Walked | None = None
    for target in examine_all(names, settings, tell=tell):
        walked = walked or target.walked
        if target.error is not None:
            if len(names) == 1:
                raise target.error
            planted.said.append((target.name, unreadable_target(target.name, target.error)))
        planted.said += [(target.name, found) for found in target.said]
        for disk in target.disks:
            planted.plant(target.name, disk)
    return Forest(tuple(map(_Growing.image, planted.images)), tuple(planted.said), walked)


class _Growing:
    """An image while more may be found about it."""

    def __init__(self, number: int, layer: Layer, backing: int | None) -> None:
        self.number = number
        self.layer = layer
        self.backing = backing
        self.overlays: list[int] = []
        self.users: list[tuple[str, str]] = []
        self.findings: dict[tuple[str, str], Finding] = {}
        self.is_target = False

    def image(self) -> Image:
        """What it is in the end."""
        said = tuple(self.findings.values())
        return Image(
            self.number, self.layer, self.backing, tuple(self.overlays), tuple(self.users), said, self.is_target
        )


class _Planted:
    """What was put into the forest so far."""

    def __init__(self) -> None:
        self.images: list[_Growing] = []
        self.said: list[tuple[str, Finding]] = []
        self._by_key: dict[object, int] = {}

    def plant(self, target: str, disk: DiskChain) -> None:
        """Put in the chain of one disk of ``target``, from its bottom."""
        below: int | None = None
        for layer in reversed(tuple(disk.whole)):
            below = self._number(layer, below)
            for file in layer.files:
                for found in file.findings:
                    self.images[below].findings.setdefault((found.id, found.message), found)
        if below is None:
            return
        if disk.target.attached:
            self.images[below].users.append((target, disk.name))
        else:
            self.images[below].is_target = True

    def _number(self, layer: Layer, below: int | None) -> int:
        """The number of the image that is ``layer`` over the image ``below``."""
        facts, source = layer.facts, layer.source
        file = facts.identity if facts is not None and facts.identity is not None else source.location
        key = (file, source.format, below)
        number = self._by_key.get(key)
        if number is None:
            number = self._by_key[key] = len(self.images)
            self.images.append(_Growing(number, layer, below))
            if below is not None:
                self.images[below].overlays.append(number)
        return number
