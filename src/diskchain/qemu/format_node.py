"""The node that reads a layer's format: driver and properties, without what it stands on.

Knows formats and encryption. Must not know protocols. Source: libvirt ``qemuBlockStorageSourceGetFormatProps`` (9.0, 11.3.0),
``qemuDomainValidateStorageSource``.
"""

from typing import Any, Final

from diskchain.errors import UsageError
from diskchain.storage.encryption import EncryptionEngine, EncryptionFormat
from diskchain.storage.source import Source
from diskchain.storage.terms import Format

#: Drivers with nothing of their own to say.
_PLAIN: Final = frozenset(
    {
        Format.BOCHS,
        Format.CLOOP,
        Format.DMG,
        Format.VDI,
        Format.VPC,
        Format.VHDX,
        Format.PARALLELS,
        Format.QED,
        Format.VMDK,
    }
)
#: QEMU's names of what a qcow or qcow2 image itself is encrypted with.
_INSIDE: Final = {
    EncryptionFormat.LUKS: "luks",
    EncryptionFormat.QCOW: "aes",
    EncryptionFormat.DEFAULT: "aes",
}


def decrypted_by_qemu(source: Source) -> bool:
    """Whether the format node of ``source`` decrypts (librbd would do it below)."""
    if source.format is Format.LUKS:
        return True
    return source.encryption is not None and source.encryption.engine is not EncryptionEngine.LIBRBD


def is_plain_raw(source: Source) -> bool:
    """Whether the format node would add nothing."""
    return source.format in (None, Format.RAW) and not decrypted_by_qemu(source)


def check_encryption(source: Source, *, legacy: bool, newer: bool = True) -> None:
    """Raise UsageError for an encryption QEMU cannot undo. ``legacy``: AES as in qcow is taken, which libvirt refuses.

    ``newer``: so is what libvirt 9.0 does not know.
    """
    encryption = source.encryption
    if encryption is None:
        return
    if encryption.engine is EncryptionEngine.LIBRBD:
        if source.location.type != "network":
            raise UsageError("librbd decrypts rbd images only")
        if encryption.format in (EncryptionFormat.DEFAULT, EncryptionFormat.QCOW):
            raise UsageError(f"librbd knows no encryption {encryption.format}")
        if encryption.format is EncryptionFormat.LUKS_ANY and not newer:
            raise UsageError("libvirt 9.0 knows no encryption luks-any, only luks and luks2")
        return
    if encryption.format in (EncryptionFormat.LUKS2, EncryptionFormat.LUKS_ANY):
        raise UsageError(f"QEMU cannot decrypt {encryption.format}, only LUKS version 1; cryptsetup and the kernel can")
    if encryption.format is not EncryptionFormat.LUKS and not legacy:
        raise UsageError("the AES encryption of old qcow and qcow2 images is no longer supported by libvirt")
    if source.format not in (None, Format.RAW, Format.LUKS, Format.QCOW, Format.QCOW2):
        raise UsageError(f"an image in format {source.format} cannot be encrypted")
    if len(encryption.secrets) > 1:
        raise UsageError("QEMU takes one secret for a layer, not several")


def format_node(
    source: Source, key_secret: str | None, *, slice_here: bool = False, discard_no_unref: bool | None = None
) -> dict[str, Any]:
    """``driver`` and what the format needs. ``key_secret``: the QEMU object. Raises UsageError for a format without driver."""
    format = source.format
    if format in (None, Format.RAW, Format.FAT, Format.LUKS):
        if decrypted_by_qemu(source):
            return {"driver": "luks", "key-secret": key_secret}
        node: dict[str, Any] = {"driver": "raw"}
        if slice_here and source.slice is not None:
            node |= {"offset": source.slice.offset, "size": source.slice.size}
        return node
    if format in _PLAIN:
        return {"driver": str(format)}
    if format is Format.QCOW:
        return {"driver": "qcow"} | _encrypt(source, key_secret)
    if format is Format.QCOW2:
        node = {"driver": "qcow2"} | _encrypt(source, key_secret)
        if source.metadata_cache:
            node["cache-size"] = source.metadata_cache
        if discard_no_unref is not None:
            node["discard-no-unref"] = discard_no_unref
        return node
    raise UsageError(f"QEMU has no driver for format {format}")


def _encrypt(source: Source, key_secret: str | None) -> dict[str, Any]:
    if not decrypted_by_qemu(source) or source.encryption is None:
        return {}
    return {"encrypt": {"format": _INSIDE[source.encryption.format], "key-secret": key_secret}}
