"""A domain's ``<throttlegroups>``: limits that filters of its disks refer to by name. Source: libvirt 11.3.0 ``domain_conf.c``."""

from diskchain.guest.iotune import IoTune
from diskchain.libvirtxml.documents.domain import DOMAIN_NAMES
from diskchain.libvirtxml.markup.document import Text, as_document
from diskchain.libvirtxml.parse.device import read_iotune


def parse_throttle_groups(text: Text, *, origin: str | None = None) -> dict[str, IoTune]:
    """The groups of a ``<domain>`` by name; none for a document that has no single domain. Raises XmlError.

    >>> group = "<throttlegroup><group_name>slow</group_name><total_iops_sec>100</total_iops_sec></throttlegroup>"
    >>> groups = parse_throttle_groups(f"<domain><throttlegroups>{group}</throttlegroups></domain>")
    >>> groups["slow"].total_iops_sec
    100
    """
    with as_document(text, origin).reading() as root:
        domain = root if root.tag in DOMAIN_NAMES else next(root.iterchildren(*DOMAIN_NAMES), None)
        if domain is None:
            return {}
        elements = (
            each for every in domain.iterchildren("throttlegroups") for each in every.iterchildren("throttlegroup")
        )
        groups = (read_iotune([element], []) for element in elements)
        return {group.group_name: group for group in groups if group is not None and group.group_name}
