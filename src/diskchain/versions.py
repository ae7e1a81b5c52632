"""Which libvirt and which QEMU are at hand. What they do by version is in ``behaviours``."""

from typing import Literal, NamedTuple

#: Major and minor number: (11, 3).
Version = tuple[int, int]
Peer = Literal["libvirt", "QEMU"]


class Versions(NamedTuple):
    """What is known of the peers at hand; None: nothing."""

    libvirt: Version | None = None
    qemu: Version | None = None

    def of(self, peer: Peer) -> Version | None:
        """That one's."""
        return self.libvirt if peer == "libvirt" else self.qemu
