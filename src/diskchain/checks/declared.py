"""Where a document and the headers name different files: what the guest will not see, and whose word counts. Pure but for ``discover``.

libvirt (since 5.10, with QEMU since 4.2) gives QEMU the chain of the document, layer by layer; QEMU then does not look at the names in
the headers. Before, and wherever ``qemu-img`` is used, the headers count. An end that a document puts above files its header names
(``terminated-early``) is noted by the walk.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from diskchain.checks import declared_messages as words
from diskchain.checks.compare import undeclared
from diskchain.discover.chain import BackingChain, Layer
from diskchain.findings import Finding, Severity
from diskchain.storage.location import Location, NetworkLocation, describe_location, local_path
from diskchain.storage.source import Source
from diskchain.storage.terms import BACKING_FORMATS

#: What discovers a chain; asked only where document and header differ by their letters.
Discover = Callable[[Source], BackingChain]


def declared_findings(chain: BackingChain, discover: Discover) -> Iterator[tuple[int, Finding]]:
    """Findings, each with the position of the overlay whose header says otherwise than the document ``chain`` was discovered from."""
    for position, layer in enumerate(chain.layers):
        header = layer.header
        if header is None:
            continue
        if layer.data_file is not None and not layer.data_file.source.detected and header.data_file:
            found = _data_file(layer, layer.data_file, discover)
            if found is not None:
                yield position, found
        below = layer.below
        if below is None or below.source.detected or layer.source.format not in BACKING_FORMATS:
            continue
        found = _backing(layer, below, discover)
        if found is not None:
            yield position, found


@dataclass(frozen=True, slots=True)
class _Headers:
    """What the headers alone have below an image: the files in their order; ``first`` is what the image names."""

    files: tuple[Layer, ...]

    @property
    def first(self) -> Layer:
        return self.files[0]


def _backing(layer: Layer, below: Layer, discover: Discover) -> Finding | None:
    named = layer.header.backing if layer.header is not None else None
    overlay, declared = describe_location(layer.source.location), describe_location(below.source.location)
    if named is None:
        return words.backing_only_declared(overlay, declared)
    if named.text == local_path(below.source.location):
        return None
    headers = _Headers(tuple(discover(undeclared(layer.source)).layers)[1:])
    if not headers.files:  # what the header names cannot be followed; the walk of the headers says so
        return words.backing_differs(overlay, declared, None, None, severity=Severity.WARNING)
    known = [_is_same(each, below) for each in headers.files]
    if known[0] is not False:
        return None
    if True in known:
        left_out = headers.files[: known.index(True)]
        names = tuple(describe_location(each.source.location) for each in left_out)
        return words.layer_left_out(overlay, declared, names, _allocated(left_out))
    first = headers.first
    gone = any(found.id == "missing" for found in first.findings)
    severity = Severity.WARNING if gone else Severity.ERROR
    name = describe_location(first.source.location)
    return words.backing_differs(overlay, declared, name, _allocated((first,)), severity=severity, gone=gone)


def _data_file(layer: Layer, declared: Layer, discover: Discover) -> Finding | None:
    top = next(iter(discover(undeclared(layer.source)).layers))
    if top.data_file is None or _is_same(top.data_file, declared) is not False:
        return None
    names = (layer.source.location, declared.source.location, top.data_file.source.location)
    return words.data_file_differs(*map(describe_location, names))


def _is_same(one: Layer, other: Layer) -> bool | None:
    """Whether two layers are one file or image; None: that cannot be told, as of names of one server."""
    a, b = one.facts, other.facts
    if a is not None and b is not None and a.identity is not None and b.identity is not None:
        return a.identity == b.identity
    return _is_same_place(one.source.location, other.source.location)


def _is_same_place(one: Location, other: Location) -> bool | None:
    if one == other:
        return True
    if isinstance(one, NetworkLocation) and isinstance(other, NetworkLocation):
        # One server has many names, and a document says more of how to reach it than a header.
        return None if (one.protocol, one.name) == (other.protocol, other.name) else False
    if local_path(one) is None or local_path(other) is None:
        return None  # a pool's volume, an export of a file …
    return False


def _allocated(files: tuple[Layer, ...]) -> int | None:
    """How many bytes the files use; None when that is not known of all."""
    sizes = [each.facts.allocated if each.facts is not None else None for each in files]
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None
