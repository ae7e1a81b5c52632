"""One host resource and its format, recursive through ``backing``: the inner half of Eric Blake's split.

What is below a source is one of three things, never one ``None``:

* :data:`UNKNOWN`: nothing was said; whoever needs to know has to look.
* :class:`Terminator`: the chain ends here, on purpose.
* another :class:`Source`.

Values are immutable and share tails: a base under a thousand overlays is one object. Pure; knows only its siblings.
Source: libvirt 11.3.0 ``struct _virStorageSource``.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from diskchain._forward import Late, named_late
from diskchain.storage.location import Location, describe_location
from diskchain.storage.slice import Slice
from diskchain.storage.terms import Format, Unknown

if TYPE_CHECKING:  # what a plain image has none of is imported where it is made: start-up
    from diskchain.storage.auth import Auth
    from diskchain.storage.encryption import Encryption
    from diskchain.storage.foreign import Foreign
    from diskchain.storage.runtime import Runtime
    from diskchain.storage.seclabel import SecLabel

UNKNOWN: Final = Unknown.UNKNOWN


class Terminator(NamedTuple):
    """The end of a chain. ``detected``: found in a header, not said by a user (libvirt leaves those out of inactive XML)."""

    detected: bool = False


TERMINATOR: Final = Terminator()
DETECTED_TERMINATOR: Final = Terminator(detected=True)


class Reservations(NamedTuple):
    """SCSI persistent reservations helper. ``managed``: libvirt starts it; else it listens on ``socket``."""

    managed: bool
    socket: str | None = None


@named_late(
    Auth="diskchain.storage.auth",
    Encryption="diskchain.storage.encryption",
    Foreign="diskchain.storage.foreign",
    Runtime="diskchain.storage.runtime",
    SecLabel="diskchain.storage.seclabel",
)
class Source(NamedTuple):
    """One layer.

    ``format``: declared, or recorded by the overlay; None when nobody said. ``backing``: see the module.
    ``data_file``: qcow2's external data file. ``metadata_cache``: bytes. ``readonly``: how this layer is opened.
    ``reference``: the raw string the overlay's header holds, when this layer came from there. ``detected``: found by
    discovery, not declared. ``chain_index``: libvirt's id in a live domain (the N of ``vda[N]``), from 1.
    ``foreign``: what a document says of it and this model does not know. ``extents``: the files a VMDK keeps its data in, found by
    discovery; no document can name them.
    """

    location: Location
    format: Format | None = None
    backing: Late["Backing"] = UNKNOWN
    data_file: Late["Source | None"] = None
    encryption: Late["Encryption | None"] = None
    auth: Late["Auth | None"] = None
    seclabels: tuple["SecLabel", ...] = ()
    slice: Slice | None = None
    reservations: Reservations | None = None
    metadata_cache: int | None = None
    readonly: bool = False
    shared: bool = False
    reference: str | None = None
    detected: bool = False
    chain_index: int | None = None
    runtime: Late["Runtime | None"] = None
    foreign: tuple["Foreign", ...] = ()
    extents: tuple["Source", ...] = ()

    def __repr__(self) -> str:
        """One line, of a chain of any length, and without the string in the header, which may hold a password."""
        number = sum(1 for _ in layers(self)) - 1
        below = f", {number} below" if number else ""
        return f"<Source {describe_source(self)}{below}, {_ENDS[type(chain_end(self))]}>"


Backing = Unknown | Terminator | Source


_ENDS: Final = {Unknown: "not known to its end", Terminator: "complete"}


def describe_source(source: Source) -> str:
    """One layer in a few words: where it is, its format, and the names of what else is said of it. Never contains a secret."""
    from diskchain.errors import printable

    words = [printable(describe_location(source.location)) or "an empty drive"]
    if source.format is not None:
        words.append(source.format)
    if source.chain_index is not None:
        words.append(f"[{source.chain_index}]")
    words += [name.replace("_", " ") for name in _TOLD if getattr(source, name)]
    return " ".join(words)


_TOLD: Final = (
    "readonly", "shared", "detected", "data_file", "encryption", "auth", "seclabels", "slice", "reservations",
    "metadata_cache", "runtime", "foreign", "extents",
)  # fmt: skip


# What follows makes Sources, or compares them, by the position of their fields: at a third of the cost of calling the class, and for
# every layer of every chain. No other module may.

_new: Final = tuple.__new__
_FORMAT: Final = Source._fields.index("format")
_BACKING: Final = Source._fields.index("backing")
#: The fields that say how a layer is read, but for location, format and ``shared``; and behind them, how it is used.
_HOW: Final = slice(_BACKING + 1, Source._fields.index("reservations"))
_USE: Final = slice(_HOW.stop, None)


def with_backing(source: Source, backing: Backing) -> Source:
    """``source`` over another ``backing``: as ``_replace`` does it, at a tenth of the cost. Chains are built with this."""
    fields: list[Any] = [*source]
    fields[_BACKING] = backing
    return _new(Source, fields)


def detected_source(
    location: Location, format: Format | None, above: Source, text: str, window: Slice | None
) -> Source:
    """What ``text`` in the header of ``above`` names: read-only, detected, labelled and shared as ``above`` is; nothing known below."""
    labels, shared = above.seclabels, above.shared
    fields = (
        location, format, UNKNOWN, None, None, None, labels, window, None, None, True, shared, text, True, None, None, (), (),
    )  # fmt: skip
    return _new(Source, fields)


def like(pattern: Source) -> Callable[[Location, Format | None, Backing], Source]:
    """What makes Sources that differ from ``pattern`` in location, format and backing alone."""
    fields: tuple[Any, ...] = pattern
    behind = fields[_BACKING + 1 :]

    def make(location: Location, format: Format | None, backing: Backing) -> Source:
        return _new(Source, (location, format, backing) + behind)  # noqa: RUF005 - measured: quicker

    return make


def read_alike(one: Source, other: Source) -> bool:
    """Whether all is the same that decides how a layer is read; what is below it does not count."""
    return (
        one.location == other.location
        and one.format is other.format
        and one[_HOW] == other[_HOW]
        and one.shared is other.shared
    )


def used_alike(one: Source, other: Source) -> bool:
    """Whether all is the same that does not decide how a layer is read: read-only, index, the words that name it."""
    return one[_USE] == other[_USE]


def used_as(source: Source, other: Source) -> Source:
    """``source``, used as ``other`` is."""
    fields: tuple[Any, ...] = source
    wanted: tuple[Any, ...] = other
    return _new(Source, fields[: _USE.start] + wanted[_USE])


def with_format(source: Source, format: Format) -> Source:
    """``source``, of ``format``: as ``_replace`` does it, at a third of the cost."""
    fields: list[Any] = [*source]
    fields[_FORMAT] = format
    return _new(Source, fields)


def layers(top: Source) -> Iterator[Source]:
    """``top`` and everything known below it, top first."""
    layer: Backing = top
    while isinstance(layer, Source):
        yield layer
        layer = layer.backing


def files(layer: Source) -> Iterator[Source]:
    """``layer``, then what else its bytes are in: its data file, its extents."""
    yield layer
    if layer.data_file is not None:
        yield layer.data_file
    yield from layer.extents


def chain_end(top: Source) -> Unknown | Terminator:
    """What is below the last known layer of ``top``."""
    layer: Backing = top
    while isinstance(layer, Source):
        layer = layer.backing
    return layer


def stack(chain: list[Source] | tuple[Source, ...], end: Unknown | Terminator) -> Source:
    """Join single layers, top first, into one chain that ends in ``end``. Raises IndexError when there is none."""
    below: Backing = end
    for layer in reversed(chain[1:]):
        below = with_backing(layer, below)
    return with_backing(chain[0], below)
