"""Every kind of finding about access, by id. Knows only the table's form."""

from diskchain.findings import Finding, Kind, Severity

_E, _W = Severity.ERROR, Severity.WARNING

KINDS: dict[str, Kind] = {
    "access-denied": Kind(_E, "a domain's user may not use a file the domain needs"),
    "grant-open": Kind(_W, "rights that diskchain granted were not given back"),
    "label-left-behind": Kind(_W, "a file belongs to the hypervisor's user, and no running domain uses it"),
    "label-writable": Kind(_W, "a domain may write a backing file that it only reads"),
    "remembered-count": Kind(_W, "libvirt counts more users of a file than there are running domains"),
    "remembered-stale": Kind(_W, "libvirt's note of a file's owner is from another boot, so it will be thrown away"),
}


def label_finding(
    id: str, message: str, *, file: str | None = None, referrer: str | None = None, fix: str | None = None
) -> Finding:
    """A finding of a kind in :data:`KINDS`."""
    return Finding(id, KINDS[id].severity, message, file, referrer, fix=fix)
