"""What is to be written: the view, and whether secrets in the clear are wanted. Knows only ``View``."""

from dataclasses import dataclass

from diskchain.libvirtxml.view import View


@dataclass(frozen=True, slots=True)
class Style:
    """``inactive``: nothing that exists in a running domain only. ``secure``: with cookies.

    ``migratable``: without what the host decided for itself. ``status``: with what libvirt's daemon keeps for itself.
    """

    inactive: bool
    migratable: bool
    status: bool
    secure: bool


def style(view: View, *, secure: bool = False) -> Style:
    """The style of a view. A status document always has secrets: a daemon's restart must not lose them."""
    status = view is View.STATUS
    return Style(not view.running, view is View.MIGRATABLE, status, secure or status)
