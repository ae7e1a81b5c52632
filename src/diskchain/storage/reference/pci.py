"""The PCI address in an NVMe reference: ``DDDD:BB:SS.F``, hexadecimal. Knows nothing else."""

import re
from typing import Final

from diskchain.errors import ReferenceSyntaxError
from diskchain.storage.location import PciAddress

_ADDRESS: Final = re.compile(r"([0-9a-f]{1,4}):([0-9a-f]{1,2}):([0-9a-f]{1,2})\.([0-7])", re.IGNORECASE)
#: PCI: 32 slots on a bus.
_SLOT_MAX: Final = 31


def pci_address(text: str) -> PciAddress:
    """The address ``text`` writes. Raises ReferenceSyntaxError."""
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found[3], 16) > _SLOT_MAX:
        raise ReferenceSyntaxError("an NVMe device that is no PCI address")
    domain, bus, slot, function = (int(part, 16) for part in found.groups())
    return PciAddress(domain, bus, slot, function)
