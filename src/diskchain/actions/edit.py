"""Change one layer of a document: its path, its format, the secret that opens it. Every other byte stays as it is."""

from dataclasses import replace
from uuid import UUID

from diskchain.actions.document import disk_name
from diskchain.actions.select_layer import places
from diskchain.errors import LayerNotFound, UsageError, printable
from diskchain.libvirtxml.edit.completion import declared_disks
from diskchain.libvirtxml.edit.set_secret import set_encryption
from diskchain.libvirtxml.edit.set_source import remove_backing, set_source
from diskchain.storage.auth import SecretReference
from diskchain.storage.encryption import Encryption, EncryptionFormat
from diskchain.storage.source import Source, layers
from diskchain.storage.terms import Format


def set_layer(
    document: bytes,
    layer: str,
    *,
    path: str | None = None,
    format: Format | None = None,
    origin: str | None = None,
) -> bytes:
    """``document`` with another ``path`` or ``format`` for the layer called ``layer``: ``vda``, ``vda[2]``, a path.

    What the image headers say does not change. Raises LayerNotFound, UsageError for what the layer does not say, XmlError.
    """
    disk, position, _ = find_layer(document, layer, origin)
    return set_source(
        document, disk, position, path=path, format=None if format is None else str(format), origin=origin
    )


def forget_below(document: bytes, layer: str, origin: str | None = None) -> bytes:
    """``document`` without the ``<backingStore>`` of the layer called ``layer``: libvirt then finds what is below by itself.

    Raises LayerNotFound, UsageError where there is none, XmlError.
    """
    disk, position, _ = find_layer(document, layer, origin)
    return remove_backing(document, disk, position, origin)


def set_secret(
    document: bytes,
    layer: str,
    secret: SecretReference,
    *,
    format: EncryptionFormat | None = None,
    origin: str | None = None,
) -> bytes:
    """``document`` with ``secret`` for the layer called ``layer``. ``format``: how it is encrypted; None: as the document says, else luks.

    Raises LayerNotFound, UsageError for a layer that is encrypted several times over, XmlError.
    """
    disk, position, source = find_layer(document, layer, origin)
    old = source.encryption
    if old is not None and len(old.secrets) > 1:
        raise UsageError(
            f"{printable(layer)} is encrypted {len(old.secrets)} times over, each with a secret of its own; "
            "one would replace them all"
        )
    encryption = replace(old or Encryption(EncryptionFormat.LUKS), secrets=(secret,))
    if format is not None:
        encryption = replace(encryption, format=format)
    return set_encryption(document, disk, position, encryption, origin)


def passphrase(uuid: str | None = None, usage: str | None = None) -> SecretReference:
    """A libvirt secret by its UUID or its usage. Raises UsageError for what is no UUID."""
    try:
        return SecretReference("passphrase", uuid=None if uuid is None else str(UUID(uuid)), usage=usage)
    except ValueError:
        raise UsageError("--uuid takes a UUID, such as virsh secret-list shows") from None


def find_layer(document: bytes, layer: str, origin: str | None = None) -> tuple[int, int, Source]:
    """The number of the disk in document order, that of the layer from the top, and the layer. Raises LayerNotFound, XmlError."""
    disks = [(number, disk) for number, disk in enumerate(declared_disks(document, origin)) if not disk.is_empty]
    found = places([(disk_name(disk, number), disk.source) for number, disk in disks], [layer])
    if len(found) != 1:
        raise LayerNotFound(f"several disks are called {printable(layer)}", name=layer)
    number, disk = disks[found[0].disk]
    return number, found[0].position, [*layers(disk.source)][found[0].position]
