"""What the host says about an image, apart from its bytes. Pure."""

import os
from typing import Final, NamedTuple

from diskchain.storage.terms import StorageType

_SECTOR: Final = 512  # unit of st_blocks, POSIX


class ImageFacts(NamedTuple):
    """``type``: file, block or dir on this host, network elsewhere. ``size``: length of the container in bytes.

    ``stat``: what stat(2) said; None for what is not on this host. ``identity`` tells files apart whatever their names: equal
    identities are the same file, or the same block device, on this host.
    """

    type: StorageType
    size: int
    stat: os.stat_result | None = None
    identity: tuple[int, int] | None = None

    @property
    def allocated(self) -> int | None:
        """Bytes in use on the host; None where nobody can say."""
        if self.stat is None:
            return None
        return self.size if self.type is StorageType.BLOCK else self.stat.st_blocks * _SECTOR
