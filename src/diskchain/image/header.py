"""What a header says, for every format the same shape. Pure values; knows only ``storage.terms``.

Strings from images are attacker-controlled: names are decoded as UTF-8 with surrogate escapes, so that they name the
same file again, and are escaped only when shown.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from diskchain._forward import Late, named_late
from diskchain.storage.terms import Format

if TYPE_CHECKING:  # most images have none of them: start-up
    from diskchain.image.bitmap import Bitmap
    from diskchain.image.encryption import ImageEncryption
    from diskchain.image.snapshot import Snapshot


class BackingReference(NamedTuple):
    """The image below, as the header names it. ``format``: what the header records (QEMU's spelling, any string), or None.

    ``implied``: the header records no format, but its own format allows only this one (the parent of a VMDK is a VMDK). QEMU
    counts that as recorded; libvirt does not. The text may hold a password, so the repr shows it as people may see it.
    """

    text: str
    format: str | None = None
    implied: bool = False

    def __repr__(self) -> str:
        return f"BackingReference(text={_shown(self.text)}, format={self.format!r}, implied={self.implied!r})"


class Features(NamedTuple):
    """Feature bits, as names. A bit nobody gave a name is ``bit N``. ``unknown_incompatible``: those that forbid opening."""

    incompatible: tuple[str, ...] = ()
    compatible: tuple[str, ...] = ()
    autoclear: tuple[str, ...] = ()
    unknown_incompatible: tuple[str, ...] = ()


class Extent(NamedTuple):
    """A further file that holds bytes of this image. ``size`` and ``offset`` in bytes; ``access`` as the header says."""

    name: str
    kind: str
    size: int
    access: str | None = None
    offset: int | None = None


class Identity(NamedTuple):
    """Who this image is, and whom it takes for its parent: UUIDs or VMDK content ids, as text.

    ``parent_time``: the parent's modification time the child remembers, in seconds since 1970. ``parent_names``: every name the
    header has for its parent, as it stands there. ``own_state``: what changes whenever the contents do, where that is not
    ``own`` itself (VDI's modification UUID); ``parent_state``: the parent's, as the child remembers it. ``parent_or``: the id the
    parent may have as well (VHDX, between the two halves of a merge).
    """

    own: str | None = None
    parent: str | None = None
    parent_time: int | None = None
    parent_names: tuple[str, ...] = ()
    own_state: str | None = None
    parent_state: str | None = None
    parent_or: str | None = None

    def __repr__(self) -> str:
        names = f"({', '.join(map(_shown, self.parent_names))})"
        return _fields(self, {"parent_names": names})


@named_late(
    Bitmap="diskchain.image.bitmap",
    ImageEncryption="diskchain.image.encryption",
    Snapshot="diskchain.image.snapshot",
)
class ImageHeader(NamedTuple):
    """What one header says. Sizes in bytes.

    ``capacity``: what the guest sees. ``version``: the format's own. ``data_file``: name of qcow2's external data file.
    ``details``: what only this format has, in the order and spelling ``qemu-img info`` uses where it has them.
    ``remarks``: what is odd but readable, as (finding id, message).
    ``bitmaps``, ``snapshots`` and encryption details are filled by a full inspection only; ``snapshot_count`` always.
    """

    format: Format
    capacity: int
    version: int | None = None
    cluster_size: int | None = None
    backing: BackingReference | None = None
    data_file: str | None = None
    data_file_raw: bool = False
    encryption: Late["ImageEncryption | None"] = None
    features: Features | None = None
    dirty: bool = False
    corrupt: bool = False
    snapshot_count: int = 0
    snapshots: tuple["Snapshot", ...] = ()
    bitmaps: tuple["Bitmap", ...] = ()
    extents: tuple[Extent, ...] = ()
    identity: Identity | None = None
    details: tuple[tuple[str, str | int | bool], ...] = ()
    remarks: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return _fields(self, {} if self.data_file is None else {"data_file": _shown(self.data_file)})


_new: Final = tuple.__new__
_BACKING: Final = ImageHeader._fields.index("backing")


def like(pattern: ImageHeader, named: BackingReference) -> Callable[[str], ImageHeader]:
    """What makes headers that differ from ``pattern``, over ``named``, in the name of the backing file alone."""
    fields: tuple[Any, ...] = pattern
    before, recorded, behind = fields[:_BACKING], named.format, fields[_BACKING + 1 :]

    def make(name: str) -> ImageHeader:
        backing = _new(BackingReference, (name, recorded, False))
        return _new(ImageHeader, before + (backing,) + behind)  # noqa: RUF005 - half the cost of unpacking

    return make


def _fields(value: "Identity | ImageHeader", instead: dict[str, str]) -> str:
    """A repr as NamedTuples have it, but for some fields."""
    shown = [f"{name}={instead.get(name, repr(each))}" for name, each in zip(value._fields, value, strict=True)]
    return f"{type(value).__name__}({', '.join(shown)})"


def _shown(text: str) -> str:
    from diskchain.storage.reference import redacted

    return repr(redacted(text))


def header_text(raw: bytes) -> str:
    """Bytes of a header as text that :func:`os.fsencode` turns back into the same bytes."""
    return raw.decode("utf-8", "surrogateescape")
