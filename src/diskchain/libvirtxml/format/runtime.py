"""``<privateData>`` of status documents.

Source: libvirt 11.3.0 ``qemu/qemu_domain.c`` (``qemuStorageSourcePrivateDataFormat``, ``qemuDomainDiskPrivateFormat``).
"""

from diskchain.guest.disk import DiskRuntime
from diskchain.libvirtxml.markup.writer import attribute, element, leaf
from diskchain.storage.runtime import QemuObjects, Runtime


def source_runtime(pad: str, runtime: Runtime | None) -> str:
    """What a running domain has for one layer."""
    if runtime is None:
        return ""
    inner, deep = pad + "  ", pad + "    "
    nodes = (
        f"{deep}<nodename type='{type}'{attribute('name', node)}/>\n"
        for type, node in (
            ("storage", runtime.storage_node),
            ("format", runtime.format_node),
            ("slice-storage", runtime.slice_node),
        )
        if node is not None
    )
    lines = [
        element(inner, "nodenames", "", "".join(nodes)),
        element(inner, "reservations", attribute("mgralias", runtime.objects.reservations)),
        leaf(inner, "relPath", runtime.relative),
        element(inner, "objects", "", _objects(deep, runtime.objects)),
    ]
    if runtime.fdset is not None:
        lines.append(element(inner, "fdsets", "", f"{deep}<fdset type='storage' id='{runtime.fdset}'/>\n"))
    if runtime.threshold_by_index:
        lines.append(f"{inner}<thresholdEvent indexUsed='yes'/>\n")
    if runtime.nbdkit is not None:
        process = leaf(deep, "pidfile", runtime.nbdkit.pidfile) + leaf(deep, "socketfile", runtime.nbdkit.socket)
        lines.append(element(inner, "nbdkit", "", process))
    return element(pad, "privateData", "", "".join(lines))


def _objects(pad: str, objects: QemuObjects) -> str:
    secrets = [
        ("auth", objects.auth),
        *(("encryption", alias) for alias in objects.encryption),
        ("httpcookie", objects.http_cookie),
        ("tlskey", objects.tls_key),
    ]
    lines = [
        f"{pad}<secret type='{type}'{attribute('alias', alias)}/>\n" for type, alias in secrets if alias is not None
    ]
    lines.append(element(pad, "TLSx509", attribute("alias", objects.tls_credentials)))
    return "".join(lines)


def disk_runtime(pad: str, runtime: DiskRuntime | None) -> str:
    """What a running domain has for the device itself."""
    if runtime is None:
        return ""
    inner, deep = pad + "  ", pad + "    "
    nodes = ""
    if runtime.copy_on_read_node is not None:
        nodes = f"{deep}<nodename type='copyOnRead'{attribute('name', runtime.copy_on_read_node)}/>\n"
    nodes += "".join(
        f"{deep}<nodename type='throttle-filter'{attribute('name', one.node)}{attribute('group', one.group)}/>\n"
        for one in runtime.filter_nodes
    )
    qom = element(inner, "qom", attribute("name", runtime.qom_name))
    return element(pad, "privateData", "", qom + element(inner, "nodenames", "", nodes))
