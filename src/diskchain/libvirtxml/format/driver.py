"""``<driver>`` of a disk: its policy and its top image's format, together again.

Source: libvirt 11.3.0 (``virDomainDiskDefFormatDriver``).
"""

from dataclasses import fields
from operator import attrgetter

from diskchain.guest.driver import DriverPolicy, IoThread, VirtioOptions
from diskchain.libvirtxml.format.source import format_name, metadata_cache_element
from diskchain.libvirtxml.markup.writer import attribute, element, escape, switch
from diskchain.storage.source import Source

# In libvirt's order; ``type`` comes behind ``name``. Attribute and field have one name.
_ATTRIBUTES = [
    "name",
    "cache",
    "error_policy",
    "rerror_policy",
    "io",
    "ioeventfd",
    "event_idx",
    "copy_on_read",
    "discard",
    "iothread",
    "detect_zeroes",
    "discard_no_unref",
    "queues",
    "queue_size",
]
_policy_values = attrgetter(*_ATTRIBUTES[1:])
_VIRTIO = [each.name for each in fields(VirtioOptions)]
_NO_VIRTIO = VirtioOptions()


def driver_element(pad: str, policy: DriverPolicy, source: Source) -> str:
    """How the disk is served; nothing when nothing was said."""
    attributes = "" if policy.name is None else f" name='{escape(policy.name)}'"
    if source.format is not None:
        attributes += f" type='{format_name(source.format)}'"
    for name, value in zip(_ATTRIBUTES[1:], _policy_values(policy), strict=True):
        if value is not None:
            attributes += f" {name}='{switch(value) if isinstance(value, bool) else value}'"
    if policy.virtio != _NO_VIRTIO:
        for name in _VIRTIO:
            attributes += attribute(name, switch(getattr(policy.virtio, name)))
    if not policy.iothreads and not source.metadata_cache:
        return f"{pad}<driver{attributes}/>\n" if attributes else ""
    inner = pad + "  "
    threads = "".join(_iothread(inner + "  ", thread) for thread in policy.iothreads)
    children = metadata_cache_element(inner, source.metadata_cache) + element(inner, "iothreads", "", threads)
    return element(pad, "driver", attributes, children)


def _iothread(pad: str, thread: IoThread) -> str:
    queues = "".join(f"{pad}  <queue id='{queue}'/>\n" for queue in thread.queues)
    return element(pad, "iothread", f" id='{thread.id}'", queues)
