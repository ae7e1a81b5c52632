"""What one layer has only while a domain runs: node names, and QEMU's objects around them. Never configuration.

Source: libvirt 11.3.0 status documents (``<privateData>`` of a source). Knows no other module.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class QemuObjects:
    """Ids of QEMU objects made for a source. ``encryption`` has one per secret of the source's encryption."""

    auth: str | None = None
    encryption: tuple[str, ...] = ()
    http_cookie: str | None = None
    tls_key: str | None = None
    tls_credentials: str | None = None
    reservations: str | None = None


@dataclass(frozen=True, slots=True)
class Nbdkit:
    """The nbdkit process that serves a source: where it wrote its process id, and the socket it listens on."""

    pidfile: str
    socket: str


@dataclass(frozen=True, slots=True)
class Runtime:
    """What a running domain has for one layer.

    ``storage_node``, ``format_node`` and ``slice_node`` are QEMU node names. ``relative`` is the backing string the
    overlay holds when that was relative (libvirt's relPath). ``fdset`` is QEMU's number of the descriptors passed for
    it. ``threshold_by_index``: a write threshold was set under the name ``vda[N]``.
    """

    storage_node: str | None = None
    format_node: str | None = None
    slice_node: str | None = None
    relative: str | None = None
    objects: QemuObjects = QemuObjects()
    fdset: int | None = None
    threshold_by_index: bool = False
    nbdkit: Nbdkit | None = None
