"""Where an ISO 9660 file system says that it is one. Source: ECMA-119, 8.1."""

from typing import Final

#: ISO 9660 6.2, 8.1: the first volume descriptor is in sector 16 and has its identifier at byte 1.
ISO_IDENTIFIER: Final = b"CD001"
ISO_IDENTIFIER_AT: Final = 16 * 2048 + 1
