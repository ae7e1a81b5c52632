"""What shapes block nodes besides the Source: what the disk asks for, and whose habits are followed. Pure values."""

from dataclasses import dataclass, replace
from typing import Final, Literal

from diskchain.errors import UsageError

#: Where libvirt keeps the certificates of its QEMU processes.
TLS_DIRECTORY: Final = "/etc/pki/qemu"


@dataclass(frozen=True, slots=True)
class ThrottleFilter:
    """A filter node, by the name of its throttle group."""

    group: str
    node: str


@dataclass(frozen=True, slots=True)
class ThrottleGroup:
    """Limits that filters share, in QEMU's words (``ThrottleLimits``)."""

    name: str
    limits: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class NodePolicy:
    """What a disk says about all nodes of its chain; None: not said.

    ``direct`` (bypass the host's page cache) and ``no_flush`` are two thirds of ``cache=``; the third belongs to the device.
    ``discard_no_unref`` concerns the top image alone; so does ``detect_zeroes`` with libvirt 9.0, and all layers with 11.3. ``copy_on_read`` is the disk's target, which
    names the node. ``throttle_filters``: the one nearest the guest last; ``throttle_groups``: theirs, where the document has them.
    ``floppy``: a directory is shown as one. ``host_cdrom``: the top image is a device that answers as a CD-ROM drive does. ``tls_directory`` holds the certificates; ``helper_directory`` the socket of libvirt's
    own reservation helper.
    """

    direct: bool | None = None
    no_flush: bool = False
    aio: Literal["native", "threads", "io_uring"] | None = None
    discard: Literal["unmap", "ignore"] | None = None
    detect_zeroes: Literal["on", "off", "unmap"] | None = None
    discard_no_unref: bool | None = None
    copy_on_read: str | None = None
    throttle_filters: tuple[ThrottleFilter, ...] = ()
    throttle_groups: tuple[ThrottleGroup, ...] = ()
    floppy: bool = False
    host_cdrom: bool = False
    tls_directory: str = TLS_DIRECTORY
    helper_directory: str = "/var/lib/libvirt/qemu"


@dataclass(frozen=True, slots=True)
class Profile:
    """Whose nodes these are.

    ``raw_nodes``: a plain raw image has a format node of its own. ``raw_slices``: the format node of a raw image does the
    slicing itself. ``cache_last``: an order of keys. ``newer``: knows NBD reconnection, data files, discard without unref; looks for zeroes in all layers.
    ``ours``: of a QEMU of our own, not as libvirt does it. ``read_only``: every node is, and nothing of the policy matters: for looking at
    an image. ``share``: also when someone else is writing it.
    """

    name: str
    raw_nodes: bool = True
    raw_slices: bool = False
    cache_last: bool = True
    newer: bool = True
    ours: bool = False
    read_only: bool = False
    share: bool = False


#: libvirt 9.0, measured against ``domxml-to-native``.
LIBVIRT_9: Final = Profile("libvirt-9", raw_slices=True, cache_last=False, newer=False)
#: libvirt 11 with a QEMU before 9, and with a later one, whose jobs can do without a node for raw.
LIBVIRT_11: Final = Profile("libvirt-11")
LIBVIRT_11_QEMU_9: Final = Profile("libvirt-11-qemu-9", raw_nodes=False)
#: What diskchain itself hands to a qemu-storage-daemon.
QSD: Final = Profile("qsd", ours=True, read_only=True)
#: The same for images in use.
QSD_SHARED: Final = replace(QSD, share=True)
#: What diskchain makes and writes there.
QSD_WRITING: Final = Profile("qsd-writing", ours=True)

PROFILES: Final = {profile.name: profile for profile in (LIBVIRT_9, LIBVIRT_11, LIBVIRT_11_QEMU_9, QSD)}


def profile_named(name: str) -> Profile:
    """The profile of that name, or that of the versions it names: ``libvirt-11-qemu-10``. Raises UsageError."""
    found = PROFILES.get(name)
    if found is not None:
        return found
    from diskchain.behaviours import nodes_profile, versions_named

    try:
        return PROFILES[nodes_profile(versions_named(name))]
    except UsageError:
        known = ", ".join(PROFILES)
        raise UsageError(
            f"no profile is called {name!r}: there are {known}, and versions such as libvirt-11-qemu-10"
        ) from None
