"""Security labels of one source: an override of what the domain's label says. Source: libvirt ``<source><seclabel>``."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SecLabel:
    """A label for one security model (``dac``, ``selinux``, ``apparmor``).

    ``relabel`` None: not said. ``labelskip`` appears in live XML only: the label could not be set and nobody minds.
    """

    model: str | None = None
    label: str | None = None
    relabel: bool | None = None
    labelskip: bool = False
