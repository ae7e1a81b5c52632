"""Which of libvirt's four XML views of a domain is read or written. Knows no other module.

Source: libvirt's ``VIR_DOMAIN_DEF_PARSE_*`` and ``VIR_DOMAIN_DEF_FORMAT_*`` flags.
"""

from enum import Enum


class View(Enum):
    """What a document says, or is to say, besides the configuration.

    * ``INACTIVE``: the configuration alone, as the next start takes it. No mirror, no indexes, only the user's aliases,
      nothing that was detected.
    * ``MIGRATABLE``: the same for another host: also without what that host decides for itself.
    * ``LIVE``: with what exists in a running domain.
    * ``STATUS``: what libvirt's daemon keeps for itself across its own restart: also node names and object aliases,
      translated volumes, and secrets in the clear such as cookies.
    """

    INACTIVE = "inactive"
    MIGRATABLE = "migratable"
    LIVE = "live"
    STATUS = "status"

    @property
    def running(self) -> bool:
        """Whether the view shows a running domain."""
        return self is View.LIVE or self is View.STATUS
