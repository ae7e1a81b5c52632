"""Rules for devices of type ``lun``, and for what only they can have, whatever the hypervisor.

Source: libvirt 11.3.0 ``conf/domain_validate.c`` (``virDomainDiskDefValidate``).
"""

from collections.abc import Iterator

from diskchain.guest.disk import Disk
from diskchain.guest.terms import DiskDevice
from diskchain.libvirtxml.validate.domain_context import Surroundings
from diskchain.libvirtxml.validate.rule import DiskCheck, Problem, Rules, format_word
from diskchain.storage.encryption import EncryptionFormat
from diskchain.storage.location import BlockLocation, Location, NetworkLocation, VolumeLocation
from diskchain.storage.terms import Format, Protocol

RULES: Rules[DiskCheck] = Rules()


def _takes_scsi(location: Location) -> bool:
    """Whether SCSI commands get through to what is there."""
    if isinstance(location, NetworkLocation):
        return location.protocol is Protocol.ISCSI
    return isinstance(location, (BlockLocation, VolumeLocation))


@RULES.rule("lun-source")
def _source(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    location = disk.source.location
    if disk.device is DiskDevice.LUN and not _takes_scsi(location):
        what = f"protocol {location.protocol}" if isinstance(location, NetworkLocation) else f"type {location.type}"
        yield Problem(f"a lun cannot be of {what}", "source", ("block", "volume", "network with iscsi"))


@RULES.rule("lun-format")
def _format(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if disk.device is DiskDevice.LUN and disk.source.format not in {None, Format.RAW}:
        yield Problem(f"a lun is raw, not {format_word(disk.source.format)}", "driver", ("raw",))


@RULES.rule("lun-slice")
def _slice(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if disk.device is DiskDevice.LUN and disk.source.slice is not None:
        yield Problem("a lun is a whole device, not a slice of one", "source/slices")


@RULES.rule("lun-encryption")
def _encryption(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    encryption = disk.source.encryption
    if disk.device is DiskDevice.LUN and encryption is not None and encryption.format is not EncryptionFormat.DEFAULT:
        yield Problem("a lun cannot be encrypted by the host", "source/encryption")


@RULES.rule("lun-only")
def _only(disk: Disk, _around: Surroundings) -> Iterator[Problem]:
    if disk.device is DiskDevice.LUN:
        return
    for name, place, said in (
        ("<reservations>", "source/reservations", disk.source.reservations),
        ("rawio", "", disk.rawio),
        ("sgio", "", disk.sgio),
    ):
        if said is not None:
            yield Problem(f"{name} is for luns, and this is a {disk.device}", place, ("lun",))
