"""What ``run`` wants of an engine: copy what the plan says, have it on the disk, end, and never touch a pointer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from diskchain.errors import PeerError, SecretMissing
from diskchain.jobs.plan import Plan, PlannedLayer
from diskchain.qemu.emission import Emission, SecretItem
from diskchain.secrets.value import SecretValue


@dataclass(frozen=True, slots=True)
class Copied:
    """How far an engine is. ``done`` and ``total`` in bytes, as the engine counts them."""

    done: int
    total: int


class EngineFailed(PeerError):
    """The engine did not copy everything. The old chain reads as before. ``no_room``: there was no space left."""

    def __init__(self, problem: str, *, no_room: bool = False) -> None:
        super().__init__(problem)
        self.no_room = no_room


class Keys(Protocol):
    """Gives the keys of layers."""

    def of(self, emission: Emission, layers: Sequence[PlannedLayer]) -> Mapping[str, SecretValue]:
        """The value of each secret of an emission by its id; ``layers``: those it is made of, top first. Raises SecretMissing."""


class NoKeys:
    """For chains without encrypted layers."""

    def of(self, emission: Emission, layers: Sequence[PlannedLayer]) -> Mapping[str, SecretValue]:
        """Raises SecretMissing where a key is wanted."""
        for item in emission.items:
            if isinstance(item, SecretItem) and item.purpose == "encryption":
                raise SecretMissing("its key is wanted (--secret)", layer=layers[item.layer].name)
        return {}


class Engine(Protocol):
    """Returns from ``copy`` only when all data and what finds them are on the disk and no process of its own lives."""

    @property
    def keys(self) -> Keys:
        """Of encrypted layers."""

    def copy(
        self, plan: Plan, *, began: Callable[[int], None], ended: Callable[[int], None], stop: Callable[[], bool]
    ) -> Iterator[Copied]:
        """Carry out ``plan.work``. ``began`` is told the process id, ``ended`` its exit code.

        ``stop`` is asked every so often: when it says so, the engine ends in good order and Stopped is raised. Raises EngineFailed.
        """
