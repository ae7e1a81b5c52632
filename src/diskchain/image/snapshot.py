"""What a header says of an internal snapshot. Knows no other module."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An internal snapshot. ``vm_state_size`` and ``disk_size`` in bytes, ``date`` in seconds since 1970, ``vm_clock`` in ns."""

    id: str
    name: str
    vm_state_size: int
    date: int
    vm_clock: int
    disk_size: int | None = None
    date_ns: int = 0
    icount: int | None = None
