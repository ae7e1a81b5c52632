"""The parts that documents to validate are made of.

Each case is one domain. What is not about a disk (I/O threads, labels, memory) is in ``domain`` or ``devices``.
"""

from typing import NamedTuple

DOMAIN = """\
<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>64</memory>
  {domain}
  <os><type arch='x86_64' machine='pc'>hvm</type></os>
  <devices>
    {disks}
    <controller type='usb' model='piix3-uhci'/>
    {devices}
    <memballoon model='none'/>
  </devices>
</domain>
"""


class Case(NamedTuple):
    """``bad`` breaks the rule ``id``, ``good`` is its neighbour; both are one or more ``<disk>`` elements."""

    id: str
    bad: str
    good: str
    domain: str = ""
    devices: str = ""


def document(disks: str, case: "Case | None" = None, name: str = "validated") -> str:
    """A domain with these disks, and what else ``case`` needs."""
    return DOMAIN.format(
        name=name, disks=disks, domain=case.domain if case else "", devices=case.devices if case else ""
    )


VIRTIO = "<target dev='vda' bus='virtio'/>"
SCSI = "<target dev='sda' bus='scsi'/>"
SATA = "<target dev='sda' bus='sata'/>"
IDE = "<target dev='hda' bus='ide'/>"
USB = "<target dev='sda' bus='usb'/>"
FDC = "<target dev='fda' bus='fdc'/>"
SD = "<target dev='sda' bus='sd'/>"
CEPH = "<auth username='u'><secret type='ceph' usage='s'/></auth>"
CHAP = "<auth username='u'><secret type='iscsi' usage='s'/></auth>"
PASSPHRASE = "<secret type='passphrase' usage='s'/>"  # noqa: S105 - the name of a secret, not a secret
LUKS = f"<encryption format='luks'>{PASSPHRASE}</encryption>"
LUKS_BY_RBD = f"<encryption format='luks' engine='librbd'>{PASSPHRASE}</encryption>"
HOST = "<host name='h'/>"
SLICE = "<slices><slice type='storage' offset='0' size='512'/></slices>"
RESERVATIONS = "<reservations managed='yes'/>"
SHARED_MEMORY = "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking>"
DATA_STORE = "<dataStore type='file'><format type='{}'/><source file='/d'>{}</source></dataStore>"


def file(*rest: str, target: str = VIRTIO, driver: str = "", disk: str = "", source: str = "") -> str:
    """A file; ``source`` is what is inside its ``<source>``."""
    return (
        f"<disk type='file' {disk}>{driver and f'<driver {driver}/>'}<source file='/a'>{source}</source>"
        f"{target}{''.join(rest)}</disk>"
    )


def block(*rest: str, target: str = SCSI, driver: str = "", disk: str = "", source: str = "") -> str:
    """A block device."""
    return (
        f"<disk type='block' {disk}>{driver and f'<driver {driver}/>'}<source dev='/dev/a'>{source}</source>"
        f"{target}{''.join(rest)}</disk>"
    )


def network(
    protocol: str, inside: str = HOST, *rest: str, target: str = VIRTIO, disk: str = "", driver: str = ""
) -> str:
    """Something on the network; ``protocol`` may go on with more attributes of ``<source>``."""
    name = "" if " name=" in protocol else " name='p/1'"
    protocol, _, more = protocol.partition(" ")
    return (
        f"<disk type='network' {disk}>{driver and f'<driver {driver}/>'}"
        f"<source protocol='{protocol}'{name} {more}>{inside}</source>{target}{''.join(rest)}</disk>"
    )


def volume(*rest: str, target: str = VIRTIO, disk: str = "", driver: str = "") -> str:
    """A volume of a pool."""
    return (
        f"<disk type='volume' {disk}>{driver and f'<driver {driver}/>'}<source pool='p' volume='v'/>"
        f"{target}{''.join(rest)}</disk>"
    )


def directory(*rest: str, target: str = VIRTIO, driver: str = "type='fat'") -> str:
    """A directory shown as FAT."""
    return f"<disk type='dir'><driver {driver}/><source dir='/d'/>{target}{''.join(rest)}</disk>"


def nvme(namespace: str) -> str:
    """A namespace of an NVMe device."""
    address = "<address domain='0x0000' bus='0x01' slot='0x00' function='0x0'/>"
    return f"<disk type='nvme'><source type='pci' namespace='{namespace}'>{address}</source>{VIRTIO}</disk>"


def vhostuser(*rest: str, target: str = VIRTIO, disk: str = "", driver: str = "", source: str = "") -> str:
    """A vhost-user server."""
    return (
        f"<disk type='vhostuser' {disk}><driver name='qemu' type='raw' {driver}/>"
        f"<source type='unix' path='/s'>{source}</source>{target}{''.join(rest)}</disk>"
    )


def vdpa(driver: str = "cache='none'") -> str:
    """A vDPA device."""
    return f"<disk type='vhostvdpa'><driver name='qemu' type='raw' {driver}/><source dev='/dev/v'/>{VIRTIO}</disk>"


def cdrom(*rest: str, target: str = IDE, disk: str = "", driver: str = "") -> str:
    """A CD-ROM drive with a medium."""
    return file(*rest, target=target, disk=f"device='cdrom' {disk}", driver=driver)


def floppy(*rest: str, target: str = FDC, disk: str = "", driver: str = "") -> str:
    """A floppy drive with a medium."""
    return file(*rest, target=target, disk=f"device='floppy' {disk}", driver=driver)


def lun(*rest: str, target: str = SCSI, driver: str = "", disk: str = "", source: str = "") -> str:
    """A SCSI device passed through."""
    return block(*rest, target=target, driver=driver, disk=f"device='lun' {disk}", source=source)


def two(first: str, second: str, make: str = "virtio") -> str:
    """Two disks on one bus, with more inside each."""
    return "".join(
        f"<disk type='file'><source file='/{n}'/><target dev='vd{n}' bus='{make}'/>{inside}</disk>"
        for n, inside in (("a", first), ("b", second))
    )


def iotune(limits: str) -> str:
    """``<iotune>`` from ``name=value`` pairs."""
    pairs = (pair.split("=") for pair in limits.split())
    return f"<iotune>{''.join(f'<{name}>{value}</{name}>' for name, value in pairs)}</iotune>"


def drive(unit: int, controller: int = 0, bus: int = 0) -> str:
    """An address on a controller."""
    return f"<address type='drive' controller='{controller}' bus='{bus}' target='0' unit='{unit}'/>"


def mapping(threads: str, queues: str = "queues='2'") -> str:
    """A disk served by several I/O threads."""
    return file(driver=queues or "name='qemu'").replace(
        "/><source", f"><iothreads>{threads}</iothreads></driver><source"
    )


def thread(id: int, *queues: int) -> str:
    """One of them."""
    return f"<iothread id='{id}'>{''.join(f'<queue id={chr(39)}{queue}{chr(39)}/>' for queue in queues)}</iothread>"
