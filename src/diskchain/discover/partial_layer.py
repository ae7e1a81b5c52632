"""One layer while its chain is being walked, and what may be asked about it on the way. Opens nothing."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from diskchain.discover.chain import Layer, Origin
from diskchain.findings import Finding
from diskchain.image.header import ImageHeader
from diskchain.readers.file_facts import ImageFacts
from diskchain.storage.location import Location, describe_location, local_path
from diskchain.storage.source import Source
from diskchain.storage.terms import Format, Unknown

if TYPE_CHECKING:
    from diskchain.readers.open import Image

#: Opens the image of a source on another host. Raises DiskchainError.
OpenElsewhere = Callable[[Source], "Image"]
#: Looks closer at a layer whose header was read, and at its open image: notes what it finds, and may put a fuller header in the place
#: of the first. Raises DiskchainError.
Closer = Callable[["PartialLayer", "Image"], None]


class PartialLayer:
    """One layer while its chain is being walked: all but what is below it.

    ``asked``: as it was declared or named; ``source``: the same, with what reading it settled. ``format``: what it was read as.
    ``above``: the layer that names it. ``fault``: nothing below it can be known. ``home``: the directory of the chain's top, without
    symlinks, where a policy wants to know. ``opened``: the file that is opened instead of the one it is stored as, ``root``: what that must
    lie in, both for copies of another host. ``believed``: where it was read, elsewhere, without what only a header says about whom to
    trust.
    """

    __slots__ = (
        "above", "asked", "believed", "data_file", "extents", "facts", "fault", "findings", "format", "header", "home", "opened",
        "origin", "root", "source",
    )  # fmt: skip

    def __init__(self, source: Source, format: Format | None, origin: Origin, above: "PartialLayer | None") -> None:
        self.asked = self.source = source
        self.format = format
        self.origin = origin
        self.above = above
        self.facts: ImageFacts | None = None
        self.header: ImageHeader | None = None
        self.findings: tuple[Finding, ...] = ()
        self.fault = False
        self.data_file: Layer | None = None
        self.extents: tuple[Layer, ...] = ()
        self.home: str | None = None
        self.opened: str | None = None
        self.root: str | None = None
        self.believed: Location | None = None

    @property
    def name(self) -> str:
        """How findings call this layer."""
        return describe_location(self.source.location)

    @property
    def path(self) -> str | None:
        """The file of this host that is opened for it, None where it is on another."""
        return self.opened or local_path(self.source.location)

    @property
    def referrer(self) -> str | None:
        """The name of the layer above."""
        return self.above.name if self.above is not None else None

    def note(self, found: Finding) -> None:
        """Say something about this layer."""
        self.findings = (*self.findings, found)

    def stop(self, found: Finding) -> Unknown:
        """Say why nothing below this layer can be known."""
        self.fault = True
        self.note(found)
        return Unknown.UNKNOWN


def copied(step: PartialLayer) -> PartialLayer:
    """``step`` as it is now, for whoever changes it."""
    from copy import copy

    return copy(step)
