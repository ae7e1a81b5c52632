"""Three views of one disk's chain side by side: what the document declares, what the headers say, what the domain runs with.

Pure. At the next start libvirt believes the document as far down as it declares layers or an end, and the headers below that.
"""

from typing import Literal, NamedTuple

from diskchain.storage.location import Location
from diskchain.storage.source import UNKNOWN, Source, Terminator, layers
from diskchain.storage.terms import Format

#: The end of a chain as a view has it: on purpose, or not known.
End = Literal["end", "unknown"]


class Seen(NamedTuple):
    """One layer in one view."""

    location: Location
    format: Format | None


class Row(NamedTuple):
    """One position of the chain in each view; None where a view says nothing. ``next_start``: whom libvirt will believe."""

    position: int
    document: Seen | End | None
    headers: Seen | End | None
    running: Seen | End | None
    next_start: Literal["document", "headers"]

    @property
    def agree(self) -> bool:
        """Whether every view that says something says the same."""
        said = {view for view in (self.document, self.headers, self.running) if view is not None}
        return len(said) <= 1


def compare(document: Source, headers: Source, running: Source | None) -> list[Row]:
    """Rows from the top down to the last layer or end any view knows.

    ``document``: as declared, not completed. ``headers``: discovered from the top image alone. ``running``: from live XML.
    """
    if document.format is None:
        document = document._replace(format=Format.RAW)  # what libvirt takes it for
    views = [_view(document), _view(headers), _view(running) if running is not None else []]
    declared = len(views[0])
    rows = []
    for position in range(max(map(len, views))):
        said, found, live = (view[position] if position < len(view) else None for view in views)
        believes: Literal["document", "headers"] = "document" if position < declared else "headers"
        rows.append(Row(position, said, found, live, believes))
    return rows


def _view(top: Source) -> list[Seen | End]:
    view: list[Seen | End] = [Seen(layer.location, layer.format) for layer in layers(top)]
    last = list(layers(top))[-1].backing
    if isinstance(last, Terminator):
        view.append("end")
    return view


def undeclared(top: Source) -> Source:
    """``top`` without what its document says about the layers below."""
    return top._replace(backing=UNKNOWN)
