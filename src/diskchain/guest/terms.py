"""The vocabulary of guest-facing disks as enums, in libvirt's spelling.

A value libvirt writes by leaving the attribute out (``default``, ``none``) is not a member: the field is None then.
Source: libvirt 11.3.0 (``conf/domain_conf.h``). Knows no other module.
"""

from enum import StrEnum


class DiskDevice(StrEnum):
    """What the guest sees. ``lun`` passes SCSI commands through to the host's device."""

    DISK = "disk"
    CDROM = "cdrom"
    FLOPPY = "floppy"
    LUN = "lun"


class DiskBus(StrEnum):
    """The bus the device sits on. Order: libvirt's, by which a domain's disks are sorted."""

    IDE = "ide"
    FDC = "fdc"
    SCSI = "scsi"
    VIRTIO = "virtio"
    XEN = "xen"
    USB = "usb"
    UML = "uml"
    SATA = "sata"
    SD = "sd"


class DiskModel(StrEnum):
    """Which virtio standard the device follows."""

    VIRTIO = "virtio"
    VIRTIO_TRANSITIONAL = "virtio-transitional"
    VIRTIO_NON_TRANSITIONAL = "virtio-non-transitional"


class Tray(StrEnum):
    """The tray of a removable drive."""

    CLOSED = "closed"
    OPEN = "open"


class CacheMode(StrEnum):
    """How writes pass the host's page cache."""

    NONE = "none"
    WRITETHROUGH = "writethrough"
    WRITEBACK = "writeback"
    DIRECTSYNC = "directsync"
    UNSAFE = "unsafe"


class ErrorPolicy(StrEnum):
    """What happens to the guest when the host cannot write (or read: then without ``enospace``)."""

    STOP = "stop"
    REPORT = "report"
    IGNORE = "ignore"
    ENOSPACE = "enospace"


class IoMode(StrEnum):
    """Which asynchronous I/O the host uses."""

    NATIVE = "native"
    THREADS = "threads"
    IO_URING = "io_uring"


class Discard(StrEnum):
    """What becomes of the guest's discard requests."""

    UNMAP = "unmap"
    IGNORE = "ignore"


class DetectZeroes(StrEnum):
    """What becomes of writes of zeroes. ``unmap`` acts like ``on`` unless discard is ``unmap``."""

    OFF = "off"
    ON = "on"
    UNMAP = "unmap"


class SnapshotPolicy(StrEnum):
    """What a snapshot of the domain does with the disk."""

    NO = "no"
    INTERNAL = "internal"
    EXTERNAL = "external"
    MANUAL = "manual"


class StartupPolicy(StrEnum):
    """What happens when the source is missing at start."""

    MANDATORY = "mandatory"
    REQUISITE = "requisite"
    OPTIONAL = "optional"


class SgIo(StrEnum):
    """Whether the host filters the SCSI commands of a ``lun``."""

    FILTERED = "filtered"
    UNFILTERED = "unfiltered"


class Translation(StrEnum):
    """The BIOS's translation of the geometry."""

    NONE = "none"
    AUTO = "auto"
    LBA = "lba"


class MirrorJob(StrEnum):
    """The block job that fills a mirror."""

    COPY = "copy"
    ACTIVE_COMMIT = "active-commit"


class MirrorState(StrEnum):
    """How far a mirror is: in step (``yes``), being given up, or taking over."""

    READY = "yes"
    ABORT = "abort"
    PIVOT = "pivot"


class AddressType(StrEnum):
    """Where a device can sit (``<address type=…>``)."""

    PCI = "pci"
    DRIVE = "drive"
    VIRTIO_SERIAL = "virtio-serial"
    CCID = "ccid"
    USB = "usb"
    SPAPR_VIO = "spapr-vio"
    VIRTIO_S390 = "virtio-s390"
    CCW = "ccw"
    VIRTIO_MMIO = "virtio-mmio"
    ISA = "isa"
    DIMM = "dimm"
    UNASSIGNED = "unassigned"
