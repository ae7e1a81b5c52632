"""One host resource and its format, recursive through ``backing``: the inner half of Eric Blake's split.

What is below a source is one of three things, never one ``None``:

* :data:`UNKNOWN`: nothing was said; whoever needs to know has to look.
* :class:`Terminator`: the chain ends here, on purpose.
* another :class:`Source`.

Values are immutable and share tails: a base under a thousand overlays is one object. Pure; knows only its siblings.
Source: libvirt 11.3.0 ``struct _virStorageSource``.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final, NamedTuple

from diskchain._forward import Late
from diskchain.storage.location import Location
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
        """With ``reference`` as people may see it: the string in the header may hold a password. From the bottom up, not recursive."""
        shown = repr(chain_end(self))
        for layer in reversed([*layers(self)]):
            shown = _shown(layer, shown)
        return shown


Backing = Unknown | Terminator | Source


def _shown(layer: Source, backing: str) -> str:
    from diskchain.storage.reference import redacted

    text = "Source("
    for name, value in zip(layer._fields, layer, strict=True):
        if name == "backing":
            text += f"backing={backing}, "
        elif name == "reference" and layer.reference is not None:
            text += f"reference={redacted(layer.reference)!r}, "
        else:
            text += f"{name}={value!r}, "
    return text.removesuffix(", ") + ")"


def with_backing(source: Source, backing: Backing) -> Source:
    """``source`` over another ``backing``: as ``_replace`` does it, at a tenth of the cost. Chains are built with this."""
    return tuple.__new__(Source, (source[0], source[1], backing, *source[3:]))


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
