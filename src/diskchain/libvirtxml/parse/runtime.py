"""``<privateData>`` of status documents.

Source: libvirt 11.3.0 ``qemu/qemu_domain.c`` (``qemuStorageSourcePrivateDataParse``, ``qemuDomainDiskPrivateParse``).
"""

from diskchain.guest.disk import DiskRuntime, FilterNode
from diskchain.libvirtxml.markup.document import Element, refuse
from diskchain.libvirtxml.markup.scalars import read_number, text_of
from diskchain.libvirtxml.markup.unknown import children
from diskchain.storage.foreign import Foreign
from diskchain.storage.runtime import Nbdkit, QemuObjects, Runtime

_SOURCE = frozenset({"nodenames", "reservations", "relPath", "objects", "fdsets", "thresholdEvent", "nbdkit"})
_DISK = frozenset({"qom", "nodenames"})


def read_source_runtime(element: Element, place: str, found: list[Foreign]) -> Runtime:
    """What a running domain has for one layer."""
    parts = children(element, _SOURCE, place, found)
    nodes = _by_type(parts, "nodenames", "nodename", "name")
    secrets = _by_type(parts, "objects", "secret", "alias")
    fdset = _by_type(parts, "fdsets", "fdset", "id").get("storage")
    threshold = parts["thresholdEvent"][0].get("indexUsed") if "thresholdEvent" in parts else None
    return Runtime(
        _first(nodes, "storage"),
        _first(nodes, "format"),
        _first(nodes, "slice-storage"),
        text_of(parts["relPath"][0]) if "relPath" in parts else None,
        QemuObjects(
            _first(secrets, "auth"),
            tuple(secrets.get("encryption", ())),
            _first(secrets, "httpcookie"),
            _first(secrets, "tlskey"),
            _tls_credentials(parts),
            (parts["reservations"][0].get("mgralias") or None) if "reservations" in parts else None,
        ),
        read_number(element, "the id of <fdset>", fdset[0]) if fdset else None,
        threshold == "yes",
        _read_nbdkit(parts["nbdkit"][0]) if "nbdkit" in parts else None,
    )


def read_disk_runtime(element: Element, place: str, found: list[Foreign]) -> DiskRuntime:
    """What a running domain has for the device itself."""
    parts = children(element, _DISK, place, found)
    nodes = [node for group in parts.get("nodenames", ()) for node in group.iterchildren("nodename")]
    copy_on_read = next((node.get("name") for node in nodes if node.get("type") == "copyOnRead"), None)
    filters = tuple(
        FilterNode(node.get("group") or "", node.get("name") or "")
        for node in nodes
        if node.get("type") == "throttle-filter"
    )
    return DiskRuntime((parts["qom"][0].get("name") or None) if "qom" in parts else None, copy_on_read or None, filters)


def _by_type(parts: dict[str, list[Element]], group: str, child: str, name: str) -> dict[str, list[str]]:
    values: dict[str, list[str]] = {}
    for element in parts.get(group, ()):
        for one in element.iterchildren(child):
            value = one.get(name)
            if value is None and one.get("type") == "encryption":
                refuse(one, f"<{child}> has no {name}")
            if value:
                values.setdefault(one.get("type") or "", []).append(value)
    return values


def _first(values: dict[str, list[str]], type: str) -> str | None:
    return values[type][0] if type in values else None


def _tls_credentials(parts: dict[str, list[Element]]) -> str | None:
    credentials = (one for group in parts.get("objects", ()) for one in group.iterchildren("TLSx509"))
    return next((one.get("alias") or None for one in credentials), None)


def _read_nbdkit(element: Element) -> Nbdkit:
    texts = {str(child.tag): text_of(child) for child in element.iterchildren("pidfile", "socketfile")}
    pidfile, socket = texts.get("pidfile"), texts.get("socketfile")
    if pidfile is None or socket is None:
        refuse(element, "<nbdkit> needs a <pidfile> and a <socketfile>")
    return Nbdkit(pidfile, socket)
