"""libvirt's words and the members of our enums they stand for, for reading and for writing.

What libvirt's parser accepts is the keys, in its order: errors list them. Source: libvirt 11.3.0 (``VIR_ENUM_IMPL`` in
``conf/domain_conf.c``, ``conf/storage_source_conf.c``, ``conf/storage_encryption_conf.c``).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from diskchain.guest.terms import (
    AddressType,
    CacheMode,
    DetectZeroes,
    Discard,
    DiskBus,
    DiskDevice,
    DiskModel,
    ErrorPolicy,
    IoMode,
    MirrorJob,
    MirrorState,
    SgIo,
    SnapshotPolicy,
    StartupPolicy,
    Translation,
    Tray,
)
from diskchain.storage.auth import AuthType
from diskchain.storage.encryption import EncryptionEngine, EncryptionFormat
from diskchain.storage.terms import LIBVIRT_FORMATS, Format, Protocol, StorageType, Transport, VolumeMode

E = TypeVar("E", bound=StrEnum)


def _words(enum: type[E]) -> dict[str, E]:
    return {member.value: member for member in enum}


#: libvirt has no format ``luks``: it says raw and ``<encryption>``.
FORMATS: Mapping[str, Format] = {
    LIBVIRT_FORMATS.get(format, format.value): format for format in Format if format is not Format.LUKS
}
FORMAT_WORDS: Mapping[Format, str] = {format: word for word, format in FORMATS.items()}
#: ``aio`` is what Xen's tools called raw.
DRIVER_FORMATS: Mapping[str, Format] = {**FORMATS, "aio": Format.RAW}

STORAGE_TYPES = _words(StorageType)
# Plain text: it takes a while to ask a member for its value.
TYPE_WORDS: Mapping[StorageType, str] = {type: word for word, type in STORAGE_TYPES.items()}
PROTOCOLS = _words(Protocol)
TRANSPORTS = _words(Transport)
VOLUME_MODES = _words(VolumeMode)
# ``none`` is what ``<auth>`` without a type means; libvirt does not print it.
AUTH_TYPES: Mapping[str, AuthType | None] = {"none": None, "chap": AuthType.CHAP, "ceph": AuthType.CEPH}
ENCRYPTION_FORMATS = _words(EncryptionFormat)
ENCRYPTION_ENGINES = _words(EncryptionEngine)

DEVICES = _words(DiskDevice)
BUSES = _words(DiskBus)
MODELS: Mapping[str, DiskModel | None] = {"default": None, **_words(DiskModel)}
TRAYS = _words(Tray)
CACHE_MODES: Mapping[str, CacheMode | None] = {"default": None, **_words(CacheMode)}
ERROR_POLICIES = _words(ErrorPolicy)
READ_ERROR_POLICIES = {word: policy for word, policy in ERROR_POLICIES.items() if policy is not ErrorPolicy.ENOSPACE}
IO_MODES = _words(IoMode)
DISCARDS = _words(Discard)
DETECT_ZEROES = _words(DetectZeroes)
SNAPSHOTS = _words(SnapshotPolicy)
STARTUP_POLICIES = _words(StartupPolicy)
SGIO = _words(SgIo)
TRANSLATIONS = _words(Translation)
MIRROR_JOBS = _words(MirrorJob)
MIRROR_STATES: Mapping[str, MirrorState | None] = {"none": None, **_words(MirrorState)}
ADDRESS_TYPES = _words(AddressType)
