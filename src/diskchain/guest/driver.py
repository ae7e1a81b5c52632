"""How the hypervisor serves a disk: ``<driver>`` without its ``type``, which is the source's format.

Source: libvirt 11.3.0 ``<disk><driver>``. Knows only ``terms``.
"""

from dataclasses import dataclass

from diskchain.guest.terms import CacheMode, DetectZeroes, Discard, ErrorPolicy, IoMode


@dataclass(frozen=True, slots=True)
class IoThread:
    """An I/O thread of the domain (``id`` from 1) and the virtqueues it serves; no queues: libvirt spreads them."""

    id: int
    queues: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class VirtioOptions:
    """Options any virtio device has."""

    iommu: bool | None = None
    ats: bool | None = None
    packed: bool | None = None
    page_per_vq: bool | None = None


@dataclass(frozen=True, slots=True)
class DriverPolicy:
    """Everything ``<driver>`` says about the *device*.

    ``name`` is the hypervisor's driver (``qemu``). ``iothread`` is one thread's number, from 1; ``iothreads`` a mapping
    and excludes it. ``queues`` and ``queue_size`` count from 1. None: not said.
    """

    name: str | None = None
    cache: CacheMode | None = None
    error_policy: ErrorPolicy | None = None
    rerror_policy: ErrorPolicy | None = None
    io: IoMode | None = None
    ioeventfd: bool | None = None
    event_idx: bool | None = None
    copy_on_read: bool | None = None
    discard: Discard | None = None
    detect_zeroes: DetectZeroes | None = None
    discard_no_unref: bool | None = None
    iothread: int | None = None
    iothreads: tuple[IoThread, ...] = ()
    queues: int | None = None
    queue_size: int | None = None
    virtio: VirtioOptions = VirtioOptions()
