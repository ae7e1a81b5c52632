"""Three views of one disk's chain side by side: what the document declares, what the headers say, what the domain runs with.

Pure. At the next start libvirt believes the document as far down as it declares layers or an end, and the headers below that.
"""

import posixpath
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from diskchain.storage.location import Location, local_path
from diskchain.storage.source import UNKNOWN, Source, Terminator, layers
from diskchain.storage.terms import Format

#: The end of a chain as a view has it: on purpose, or not known. ``absent``: the view has no such disk.
End = Literal["end", "unknown", "absent"]


@dataclass(frozen=True, slots=True)
class Seen:
    """One layer in one view. ``data``: where its data file is, if the view says that it has one."""

    location: Location
    format: Format | None
    data: Location | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One position of the chain in each view; None where a view says nothing. ``next_start``: whom libvirt will believe.

    ``agree``: whether every view that says something says the same.
    """

    position: int
    document: Seen | End | None
    headers: Seen | End | None
    running: Seen | End | None
    next_start: Literal["document", "headers"]
    agree: bool


def compare(
    document: Source | None,
    headers: Source,
    running: Source | None,
    *,
    live: bool = False,
    resolve: Callable[[str], str] = posixpath.normpath,
) -> list[Row]:
    """Rows from the top down to the last layer or end any view knows.

    ``document``: as declared, not completed; None: it has no such disk. ``headers``: discovered from the top image alone.
    ``running``: from live XML; ``live``: there is some, so that None means that it has no such disk. ``resolve``: two local paths
    mean the same file if this makes the same of them.
    """
    if document is not None and document.format is None:
        document = document._replace(format=Format.RAW)  # what libvirt takes it for
    absent: list[Seen | End] = ["absent"]
    views = [
        _view(document) if document is not None else absent,
        _view(headers),
        _view(running) if running is not None else absent if live else [],
    ]
    declared = len(views[0])
    rows = []
    for position in range(max(map(len, views))):
        said, found, live_one = (view[position] if position < len(view) else None for view in views)
        believes: Literal["document", "headers"] = "document" if position < declared else "headers"
        agree = _agree([view for view in (said, found, live_one) if view is not None], resolve)
        rows.append(Row(position, said, found, live_one, believes, agree))
    return rows


def _agree(views: list[Seen | End], resolve: Callable[[str], str]) -> bool:
    layers = {view if isinstance(view, str) else (_key(view.location, resolve), view.format) for view in views}
    data = {_key(view.data, resolve) for view in views if isinstance(view, Seen) and view.data is not None}
    return len(layers) <= 1 and len(data) <= 1


def _key(location: Location, resolve: Callable[[str], str]) -> object:
    path = local_path(location)
    return location if path is None else (location.type, resolve(path))


def _view(top: Source) -> list[Seen | End]:
    chain = list(layers(top))
    view: list[Seen | End] = [Seen(layer.location, layer.format, _data(layer)) for layer in chain]
    if isinstance(chain[-1].backing, Terminator):
        view.append("end")
    return view


def _data(layer: Source) -> Location | None:
    return layer.data_file.location if layer.data_file is not None else None


def undeclared(top: Source) -> Source:
    """``top`` without what its document says about the layers below, and about its data file."""
    return top._replace(backing=UNKNOWN, data_file=None)
