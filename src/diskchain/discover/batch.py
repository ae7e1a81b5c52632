"""Discover the chains of many images, quickly whether they are cached or not. Reads through a Discoverer and, ahead of it, ``readers``.

Of every batch the first few are timed. If storage makes them wait, threads scout ahead through the rest: they open the images, ask
the kernel for the heads without waiting for them, and follow the chains if those are longer than what was asked for. What they find
they throw away: it is in the page cache, where the discoverer finds it. If storage answers at once there are no threads: of
20,000 cached images they would take a third more time.
"""

import gc
from _thread import start_new_thread
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from math import inf
from typing import Final

from diskchain.discover.cache import Tail, Tails
from diskchain.discover.chain import BackingChain, Layer, Origin
from diskchain.discover.discoverer import FIRST, Discoverer, Top
from diskchain.discover.walk import Walker
from diskchain.readers.local import expect
from diskchain.readers.policy import OpenPolicy
from diskchain.storage.location import FileLocation, local_path
from diskchain.storage.source import Source
from diskchain.system.deadline import without_signals

_BATCH: Final = 4096
#: Seconds for one image, from which scouts are worth it. With everything cached it takes 15 µs, on a solid-state disk 90.
_SLOW: Final = 50e-6
#: … from which storage, not the processor, is what is waited for: then more threads help, where before they are in each other's way.
_FAR: Final = 300e-6
_FEW: Final = 3
_MANY: Final = 8
#: Objects made between two searches for cycles. Chains have none, but of 20,000 images, eight objects each, Python's 700 take 4 % of
#: the time, and 250,000 still 7 % where much else is remembered. What is in cycles waits for it, in 100 MB at most.
_COLLECT_AFTER: Final = 1_000_000
_STOP: Final = (None, Layer(Source(FileLocation("")), None, Origin.ASSUMED), 0)


def discover_many(discoverer: Discoverer, tops: Iterable[Top]) -> Generator[BackingChain, None, None]:
    """The chains of ``tops``, in their order, each as ``discoverer.discover`` gives it: one that does not answer holds up no other.

    Takes up to 4096 in advance. Until it is exhausted or closed, Python's garbage collector searches less often.
    """
    left = iter(tops)
    with rare_collections():
        while batch := list(islice(left, _BATCH)):
            met = discoverer.files_met
            yield from discoverer.discover_each(batch[:FIRST])
            took = sorted(discoverer.took) or [inf]  # the first did not answer
            del batch[:FIRST]
            usually = took[len(took) // 2]
            if usually > _SLOW and batch and discoverer.places is None:  # scouts know no other host
                follow = discoverer.files_met - met > FIRST
                _Scouts(discoverer.policy, batch, _MANY if usually > _FAR else _FEW, follow=follow)
            yield from discoverer.discover_each(batch)


def collect_rarely() -> None:
    """As :func:`rare_collections`, to the end of the process: a search at its end takes as long as all images of a large directory do."""
    usual = gc.get_threshold()
    gc.set_threshold(max(usual[0], _COLLECT_AFTER) if usual[0] else 0, *usual[1:])


@contextmanager
def rare_collections() -> Iterator[None]:
    """Meanwhile, Python's garbage collector searches less often, in all threads: of many chains it would find nothing."""
    usual = gc.get_threshold()  # 0: it is off
    collect_rarely()
    try:
        yield
    finally:
        gc.set_threshold(*usual)


class _Scouts:
    """Threads that go through a batch once. Not of the threading module: none holds up the end of the process when storage hangs."""

    def __init__(self, policy: OpenPolicy, batch: list[Top], threads: int, *, follow: bool) -> None:
        self._walker = _Scout(policy) if follow else None
        # next() of a list's iterator is atomic, so threads can share it.
        self._to_open, self._to_follow = iter(batch), iter(batch if follow else ())
        for _ in range(threads):
            try:
                without_signals(lambda: start_new_thread(self._run, ()))
            except RuntimeError:  # there can be no more of them: it goes without
                return

    def _run(self) -> None:
        for top, _ in self._to_open:
            path = local_path(top.location)
            if path is not None:
                expect(path)
        for top, probe in self._to_follow:
            if self._walker is not None:
                self._walker.discover(top, probe=probe)


class _Scout(Walker):
    """Walks through what no scout has walked through. Knows nothing of other hosts."""

    def __init__(self, policy: OpenPolicy) -> None:
        super().__init__(policy, None)
        self.tails = _Visited()


class _Visited(Tails):
    """Ends the walk of a scout wherever another has been."""

    __slots__ = ()

    def find(self, source: Source, room: int) -> Tail | None:  # noqa: ARG002
        """A tail that means nothing; None where nobody has been."""
        path = source.location[0]
        if path in self:
            return _STOP
        self[path] = _STOP
        return None
