"""What a measurement is: ours beside a peer's or a floor's, in one run, as a ratio."""

import time
from collections.abc import Callable
from typing import NamedTuple


class Row(NamedTuple):
    """``ours`` and ``theirs`` in seconds (or any one unit); ``target`` is the largest ratio wanted, None where shown for interest."""

    name: str
    ours: float
    against: str
    theirs: float
    target: float | None = None

    @property
    def ratio(self) -> float:
        """How many times the peer's cost."""
        return self.ours / self.theirs


def best(*actions: Callable[[], object], rounds: int = 7) -> list[float]:
    """The shortest time of each action in seconds, taken in turns so that a busy moment hits all alike."""
    times = [float("inf")] * len(actions)
    for _ in range(rounds):
        for number, action in enumerate(actions):
            started = time.perf_counter()
            action()
            times[number] = min(times[number], time.perf_counter() - started)
    return times
