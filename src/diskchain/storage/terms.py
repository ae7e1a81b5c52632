"""The field's vocabulary as enums. Values are QEMU's spelling for formats, libvirt's for everything else.

Source: libvirt 11.3.0 (``conf/storage_source_conf.h``, ``storage_file_probe.h``) and QEMU's block drivers.
Knows no other module.
"""

from enum import Enum, StrEnum


class StorageType(StrEnum):
    """What kind of resource a source is (``<disk type=…>``, ``<backingStore type=…>``)."""

    FILE = "file"
    BLOCK = "block"
    DIR = "dir"
    NETWORK = "network"
    VOLUME = "volume"
    NVME = "nvme"
    VHOSTUSER = "vhostuser"
    VHOSTVDPA = "vhostvdpa"


class Format(StrEnum):
    """How bytes are read, in QEMU's spelling (libvirt writes ``vhd`` for vhdx and ``ploop`` for parallels)."""

    RAW = "raw"
    DIR = "dir"
    BOCHS = "bochs"
    CLOOP = "cloop"
    DMG = "dmg"
    ISO = "iso"
    VPC = "vpc"
    VDI = "vdi"
    FAT = "fat"
    VHDX = "vhdx"
    PARALLELS = "parallels"
    COW = "cow"
    QCOW = "qcow"
    QCOW2 = "qcow2"
    QED = "qed"
    VMDK = "vmdk"
    #: A raw image that starts with a LUKS header. libvirt has no such format: it says raw plus ``<encryption>``.
    LUKS = "luks"


#: libvirt's names where they are not QEMU's. Its ``vpc`` is a VHD, and its ``vhd`` a VHDX.
LIBVIRT_FORMATS = {Format.VHDX: "vhd", Format.PARALLELS: "ploop"}

#: Formats that can name a backing file, as libvirt orders them (``VIR_STORAGE_FILE_BACKING``).
BACKING_FORMATS = frozenset({Format.COW, Format.QCOW, Format.QCOW2, Format.QED, Format.VMDK})


class Protocol(StrEnum):
    """Network storage protocols."""

    NBD = "nbd"
    RBD = "rbd"
    SHEEPDOG = "sheepdog"
    GLUSTER = "gluster"
    ISCSI = "iscsi"
    HTTP = "http"
    HTTPS = "https"
    FTP = "ftp"
    FTPS = "ftps"
    TFTP = "tftp"
    SSH = "ssh"
    VXHS = "vxhs"
    NFS = "nfs"


#: The TCP port libvirt fills in when a host names none; protocols missing here have none.
DEFAULT_PORTS: dict[Protocol, int] = {
    Protocol.NBD: 10809,
    Protocol.SHEEPDOG: 7000,
    Protocol.GLUSTER: 24007,
    Protocol.ISCSI: 3260,
    Protocol.HTTP: 80,
    Protocol.HTTPS: 443,
    Protocol.FTP: 21,
    Protocol.FTPS: 990,
    Protocol.TFTP: 69,
    Protocol.SSH: 22,
    Protocol.VXHS: 9999,
}


class Transport(StrEnum):
    """How a network host is reached."""

    TCP = "tcp"
    UNIX = "unix"
    RDMA = "rdma"


class VolumeMode(StrEnum):
    """How an iSCSI pool's volume is reached: through the host's block device, or by QEMU itself."""

    HOST = "host"
    DIRECT = "direct"


class Unknown(Enum):
    """The type of :data:`~diskchain.storage.source.UNKNOWN`: nothing was said of what is below."""

    UNKNOWN = "unknown"
