"""A process that a grant belongs to, told apart from a later one with the same number. Knows ``/proc`` only.

Source: proc_pid_stat(5), field 22 (``starttime``).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

_STARTTIME: Final = 21 - 2  # after the closing parenthesis of the command, which is field 2


@dataclass(frozen=True, slots=True)
class Holder:
    """``started`` in clock ticks since boot; ``boot`` names the boot."""

    pid: int
    started: int
    boot: str

    def alive(self) -> bool:
        """Whether that very process still runs."""
        return self.boot == boot_id() and self.started == _started(self.pid)


def holder_of(pid: int) -> Holder | None:
    """The process with number ``pid`` as it is now, None when there is none."""
    started = _started(pid)
    return None if started is None else Holder(pid, started, boot_id())


def boot_id() -> str:
    """The name the kernel gave this boot; empty when it does not tell."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def _started(pid: int) -> int | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
        fields = text.rpartition(")")[2].split()
        # A zombie holds nothing any more.
        return None if fields[0] == "Z" else int(fields[_STARTTIME])
    except (OSError, ValueError, IndexError):
        return None
