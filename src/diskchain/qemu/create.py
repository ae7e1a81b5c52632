"""How a new image is made: what ``blockdev-create`` makes where it is stored, and of it, and what QEMU needs in between. Pure.

Knows the options of every format and place that libvirt can create, and those QEMU adds. Must not know who runs it. A value of
:class:`Creation` is done step by step: objects, nodes, creations. Source: libvirt 11.3.0 ``qemuBlockStorageSourceCreateGetStorageProps``,
``qemuBlockStorageSourceCreateGetFormatProps``; QEMU 7.2 and 10.0 ``qapi/block-core.json`` (``BlockdevCreateOptions``).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from diskchain.errors import UsageError
from diskchain.qemu.blockdev import storage_node
from diskchain.qemu.emission import Item, NodeItem, SecretItem
from diskchain.qemu.format_node import check_encryption, decrypted_by_qemu
from diskchain.qemu.network import Login, network_node
from diskchain.qemu.nodes import node_names
from diskchain.qemu.policy import QSD_WRITING, NodePolicy, Profile
from diskchain.storage.encryption import Encryption, EncryptionEngine, EncryptionFormat
from diskchain.storage.location import BlockLocation, FileLocation, NetworkLocation
from diskchain.storage.reference import format_reference
from diskchain.storage.source import Source
from diskchain.storage.terms import Format, Protocol

Properties = dict[str, Any]

_PLAIN_POLICY: Final = NodePolicy()
#: What sizes of images are multiples of, but for raw ones.
_SECTOR: Final = 512
#: Where QEMU makes a file itself. On nbd, iscsi and block devices an image is made on what is there; other protocols only read.
_CREATING: Final = frozenset({Protocol.SSH, Protocol.NFS, Protocol.GLUSTER, Protocol.RBD})
_GIVEN: Final = frozenset({Protocol.NBD, Protocol.ISCSI})


@dataclass(frozen=True, slots=True)
class ImageOptions:
    """What may be chosen of a new image; None: what QEMU does by default. Sizes in bytes.

    ``cluster_size``: of qcow2 (512 to 2 MiB), qed and parallels; of vhdx its block size. ``version`` to ``data_file_raw``: of qcow2.
    ``subformat``: of vmdk, vpc, vhdx. ``key_time``: for how many milliseconds a guess at a LUKS passphrase takes, ``key_hash``: with which
    hash.
    """

    cluster_size: int | None = None
    version: Literal["v2", "v3"] | None = None
    extended_l2: bool = False
    lazy_refcounts: bool | None = None
    refcount_bits: int | None = None
    compression: Literal["zlib", "zstd"] | None = None
    preallocation: Literal["off", "metadata", "falloc", "full"] | None = None
    data_file_raw: bool | None = None
    subformat: str | None = None
    key_time: int | None = None
    key_hash: str | None = None


_DEFAULT: Final = ImageOptions()


@dataclass(frozen=True, slots=True)
class CreateItem:
    """One ``blockdev-create`` job. ``properties``: its options."""

    properties: Properties
    type: Literal["create"] = "create"


Step = Item | CreateItem


@dataclass(frozen=True, slots=True)
class Creation:
    """All it takes, in order. ``nodes``: those that were added for it, to be taken away from the last to the first."""

    steps: tuple[Step, ...]

    @property
    def nodes(self) -> tuple[str, ...]:
        """Names of the nodes."""
        return tuple(str(step.properties["node-name"]) for step in self.steps if isinstance(step, NodeItem))


def creation(
    new: Source,
    capacity: int,
    options: ImageOptions = _DEFAULT,
    policy: NodePolicy = _PLAIN_POLICY,
    profile: Profile = QSD_WRITING,
) -> Creation:
    """What makes ``new``, an image of ``capacity`` bytes for the guest, whose layer is numbered (or has node names).

    An overlay where ``new.backing`` is a Source: of that, its header gets ``reference`` if it has one, else the string that
    :func:`~diskchain.storage.reference.format_reference` makes of it, and the format. A qcow2's ``data_file`` is made as well.
    Raises UsageError for what QEMU cannot make.
    """
    if capacity < 0:
        raise UsageError("an image is not smaller than nothing")
    if new.slice is not None:
        raise UsageError("an image in the middle of another file is not made by itself")
    check_encryption(new, legacy=False, newer=profile.newer)
    size = capacity if _is_raw(new) else -(-capacity // _SECTOR) * _SECTOR
    steps: list[Step] = []
    if new.data_file is not None:
        if new.format is not Format.QCOW2:
            raise UsageError(f"an image in format {new.format or 'raw'} has no data file")
        data_file = new.data_file._replace(format=Format.RAW, readonly=False)
        steps += _place(data_file, size, _DEFAULT, storage_node(data_file, policy, profile), opened=True)
    formatted = _formatted(new, size, options)
    around = storage_node(new, policy, profile)
    if formatted is None:
        return Creation((*steps, *_place(new, size, options, around, opened=False)))
    steps += _place(new, 0, _DEFAULT, around, opened=True)
    if decrypted_by_qemu(new):
        named = new.encryption.secrets if new.encryption is not None else ()
        steps.append(SecretItem(_key(new), "encryption", 0, named[0] if named else None))
    return Creation((*steps, CreateItem(formatted)))


def _place(source: Source, size: int, options: ImageOptions, around: tuple[Item, ...], *, opened: bool) -> list[Step]:
    """What makes the file, if QEMU does, and opens it. ``around``: its node and what that needs."""
    needed = [item for item in around if not isinstance(item, NodeItem)]
    made = _stored(source, size, options, needed)
    if not made and not opened:
        return []
    return [*needed, *made, *(item for item in around if isinstance(item, NodeItem) and opened)]


def _is_raw(source: Source) -> bool:
    return source.format in (None, Format.RAW) and not decrypted_by_qemu(source)


def _key(source: Source) -> str:
    return f"{node_names(source).format}-encryption-secret0"


def _stored(source: Source, size: int, options: ImageOptions, needed: Sequence[Item]) -> list[Step]:
    """What makes the file; nothing where there has to be one. ``needed``: the objects that log in there."""
    location = source.location
    match location:
        case FileLocation(path) if path:
            made: Properties = {"driver": "file", "filename": path, "size": size}
            if options.preallocation in ("off", "falloc", "full"):
                made["preallocation"] = options.preallocation
            return [CreateItem(made)]
        case BlockLocation(path) if path:
            return []
        case NetworkLocation() if location.protocol in _GIVEN:
            return []
        case NetworkLocation() if location.protocol in _CREATING:
            return [CreateItem(_on_server(source, location, size, needed))]
    if isinstance(location, FileLocation | BlockLocation):
        raise UsageError("an empty drive has no image to make")
    where = location.protocol if isinstance(location, NetworkLocation) else location.type
    raise UsageError(f"QEMU makes no image on {where}")


def _on_server(source: Source, location: NetworkLocation, size: int, needed: Sequence[Item]) -> Properties:
    secrets = {item.purpose: item.id for item in needed if isinstance(item, SecretItem)}
    login = Login(user=source.auth.username, secret=secrets["auth"]) if source.auth is not None else Login()
    place = network_node(location, login)
    place.pop("driver")
    made: Properties = {"driver": str(location.protocol), "location": place, "size": size}
    encryption = source.encryption
    if encryption is not None and encryption.engine is EncryptionEngine.LIBRBD:
        if len(encryption.secrets) != 1 or encryption.format is EncryptionFormat.LUKS_ANY:
            raise UsageError("librbd makes one layer of encryption at a time, luks or luks2")
        made["encrypt"] = {"format": str(encryption.format), "key-secret": secrets["encryption"]}
        made["encrypt"] |= _cipher_algorithm(encryption)
    return made


def _formatted(new: Source, size: int, options: ImageOptions) -> Properties | None:
    """What makes an image of the file; None where raw is all it is."""
    format = Format.LUKS if new.format in (None, Format.RAW) and decrypted_by_qemu(new) else new.format or Format.RAW
    if isinstance(new.backing, Source) and format not in _WITH_BACKING:
        raise UsageError(f"an image in format {format} has no backing file")
    if format is Format.RAW:
        return None
    build = _FORMATS.get(format)
    if build is None:
        raise UsageError(f"QEMU makes no image in format {format}")
    made: Properties = {"driver": str(format), "file": node_names(new).storage, "size": size}
    made |= build(new, options)
    return {key: value for key, value in made.items() if value is not None}


def _backing(new: Source, *, with_format: bool) -> Properties:
    below = new.backing
    if not isinstance(below, Source):
        return {}
    named: Properties = {"backing-file": below.reference or format_reference(below)}
    if with_format and below.format is not None:
        plain = below.format is Format.RAW and decrypted_by_qemu(below)
        named["backing-fmt"] = str(Format.LUKS if plain else below.format)
    return named


def _qcow2(new: Source, options: ImageOptions) -> Properties:
    made: Properties = {"version": options.version or "v3"}
    if new.data_file is not None:
        made |= {"data-file": node_names(new.data_file).storage, "data-file-raw": options.data_file_raw}
    made |= _backing(new, with_format=True)
    if decrypted_by_qemu(new):
        made["encrypt"] = {"format": "luks", "key-secret": _key(new), **_luks_options(new, options)}
    return made | {
        "cluster-size": options.cluster_size,
        "extended-l2": options.extended_l2 or None,
        "preallocation": options.preallocation,
        "lazy-refcounts": options.lazy_refcounts,
        "refcount-bits": options.refcount_bits,
        "compression-type": options.compression,
    }


def _luks(new: Source, options: ImageOptions) -> Properties:
    made: Properties = {"key-secret": _key(new), **_luks_options(new, options)}
    return made | ({"preallocation": options.preallocation} if options.preallocation != "metadata" else {})


def _luks_options(new: Source, options: ImageOptions) -> Properties:
    made: Properties = {}
    encryption = new.encryption
    if encryption is not None:
        made |= _cipher_algorithm(encryption)
        cipher, vector = encryption.cipher, encryption.ivgen
        if cipher is not None:
            made |= {"cipher-mode": cipher.mode, "hash-alg": cipher.hash}
        if vector is not None:
            made |= {"ivgen-alg": vector.name, "ivgen-hash-alg": vector.hash}
    made |= {"hash-alg": made.get("hash-alg") or options.key_hash, "iter-time": options.key_time}
    return {key: value for key, value in made.items() if value is not None}


def _cipher_algorithm(encryption: Encryption) -> Properties:
    """``aes`` of 256 bits is ``aes-256``."""
    cipher = encryption.cipher
    return {} if cipher is None else {"cipher-alg": f"{cipher.name}-{cipher.size}"}


def _qed(new: Source, options: ImageOptions) -> Properties:
    return _backing(new, with_format=True) | {"cluster-size": options.cluster_size}


def _vmdk(new: Source, options: ImageOptions) -> Properties:
    if isinstance(new.backing, Source) and new.backing.format is not Format.VMDK:
        raise UsageError(f"a vmdk is made over a vmdk alone, not over {new.backing.format or 'raw'}")
    return {"subformat": options.subformat} | _backing(new, with_format=False)


def _vpc(_new: Source, options: ImageOptions) -> Properties:
    # Else QEMU refuses every size that cylinders, heads and sectors do not come to.
    return {"subformat": options.subformat, "force-size": True}


_FORMATS: Final[dict[Format, Callable[[Source, ImageOptions], Properties]]] = {
    Format.QCOW2: _qcow2,
    Format.LUKS: _luks,
    Format.QCOW: lambda new, _: _backing(new, with_format=False),
    Format.QED: _qed,
    Format.VMDK: _vmdk,
    Format.VDI: lambda _, options: {"preallocation": options.preallocation},
    Format.VPC: _vpc,
    Format.VHDX: lambda _, options: {"subformat": options.subformat, "block-size": options.cluster_size},
    Format.PARALLELS: lambda _, options: {"cluster-size": options.cluster_size},
}
_WITH_BACKING: Final = frozenset({Format.QCOW2, Format.QCOW, Format.QED, Format.VMDK})
