"""``<driver>`` of a disk: its policy and its top image's format, together again.

Source: libvirt 11.3.0 (``virDomainDiskDefFormatDriver``).
"""

from diskchain.guest.driver import DriverPolicy, IoThread
from diskchain.libvirtxml.format.source import format_name, metadata_cache_element
from diskchain.libvirtxml.layout import attribute, element, switch
from diskchain.storage.source import Source

_NO_VIRTIO = DriverPolicy().virtio


def driver_element(pad: str, policy: DriverPolicy, source: Source) -> str:
    """How the disk is served; nothing when nothing was said."""
    type = None if source.format is None else format_name(source.format)
    attributes = (
        f"{attribute('name', policy.name)}{attribute('type', type)}{attribute('cache', policy.cache)}"
        f"{attribute('error_policy', policy.error_policy)}{attribute('rerror_policy', policy.rerror_policy)}"
        f"{attribute('io', policy.io)}{attribute('ioeventfd', switch(policy.ioeventfd))}"
        f"{attribute('event_idx', switch(policy.event_idx))}{attribute('copy_on_read', switch(policy.copy_on_read))}"
        f"{attribute('discard', policy.discard)}{attribute('iothread', policy.iothread)}"
        f"{attribute('detect_zeroes', policy.detect_zeroes)}"
        f"{attribute('discard_no_unref', switch(policy.discard_no_unref))}{attribute('queues', policy.queues)}"
        f"{attribute('queue_size', policy.queue_size)}"
    )
    if policy.virtio != _NO_VIRTIO:
        virtio = policy.virtio
        attributes += (
            f"{attribute('iommu', switch(virtio.iommu))}{attribute('ats', switch(virtio.ats))}"
            f"{attribute('packed', switch(virtio.packed))}{attribute('page_per_vq', switch(virtio.page_per_vq))}"
        )
    inner = pad + "  "
    threads = "".join(_iothread(inner + "  ", thread) for thread in policy.iothreads)
    children = metadata_cache_element(inner, source.metadata_cache) + element(inner, "iothreads", "", threads)
    return element(pad, "driver", attributes, children)


def _iothread(pad: str, thread: IoThread) -> str:
    queues = "".join(f"{pad}  <queue id='{queue}'/>\n" for queue in thread.queues)
    return element(pad, "iothread", f" id='{thread.id}'", queues)
