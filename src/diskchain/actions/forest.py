"""All images of a directory as a forest: what stands on nothing first, and on each image its overlays. A shared base is there once.

The chains are those of ``check``, so what is said of them is the same. Two readings of one file (two formats, or two files below it) are
two images, as they are two chains.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field

from diskchain.actions.directory import Tell
from diskchain.actions.examined import DEFAULT, DiskChain, Settings
from diskchain.actions.target import TargetName
from diskchain.actions.together import examine_all
from diskchain.actions.walked import Walked
from diskchain.discover.chain import Layer
from diskchain.findings import Finding
from diskchain.storage.location import describe_location


@dataclass(slots=True)
class Image:
    """One file of the forest, read in one way.

    ``number``: its place among all, from 0, those below it first. ``backing``: the number of the image that it stands on. ``users``: the
    disks that are on it, as (document, disk). ``is_target``: it was found in the directory; else only something names it.
    """

    number: int
    layer: Layer
    backing: int | None
    overlays: list[int] = field(default_factory=list)
    users: list[tuple[str, str]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    is_target: bool = False

    @property
    def name(self) -> str:
        """Where it is."""
        return describe_location(self.layer.source.location)


@dataclass(frozen=True, slots=True)
class Forest:
    """The images of a directory. ``said``: of documents, and of what could not be looked at, with the name of each."""

    images: tuple[Image, ...]
    said: tuple[tuple[str, Finding], ...]
    walked: Walked

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


def forest(directory: TargetName, settings: Settings = DEFAULT, *, tell: Tell | None = None) -> Forest:
    """The forest of all that is below ``directory``. Raises UsageError where it is none."""
    planted = _Planted()
    walked = Walked(0, 0, 0, {})
    for target in examine_all([directory], settings, tell=tell):
        walked = walked if target.walked is None else target.walked
        if target.error is not None:
            raise target.error
        planted.said += [(target.name, found) for found in target.said]
        for disk in target.disks:
            planted.plant(target.name, disk)
    return Forest(tuple(planted.images), tuple(planted.said), walked)


class _Planted:
    """What was put into the forest so far."""

    def __init__(self) -> None:
        self.images: list[Image] = []
        self.said: list[tuple[str, Finding]] = []
        self._by_key: dict[object, int] = {}

    def plant(self, target: str, disk: DiskChain) -> None:
        """Put in the chain of one disk of ``target``, from its bottom."""
        below: int | None = None
        top: Image | None = None
        for layer in reversed(tuple(disk.whole)):
            below = self._image(layer, below)
            top = self.images[below]
        if top is None:
            return
        if disk.target.attached:
            top.users.append((target, disk.name))
        else:
            top.is_target = True

    def _image(self, layer: Layer, below: int | None) -> int:
        facts, source = layer.facts, layer.source
        file = facts.identity if facts is not None and facts.identity is not None else source.location
        key = (file, source.format, below)
        number = self._by_key.get(key)
        if number is None:
            number = self._by_key[key] = len(self.images)
            self.images.append(Image(number, layer, below))
            if below is not None:
                self.images[below].overlays.append(number)
        image = self.images[number]
        known = {(each.id, each.message) for each in image.findings}
        for file_of_layer in layer.files:
            image.findings += [each for each in file_of_layer.findings if (each.id, each.message) not in known]
        return number
