"""Discovery that does not wait for ever: when a layer does not answer, what is known above it comes back, and a finding.

Knows how far a walk has got; threads are the business of ``readers.patience``. What is on another host is left to its reader, which
has patience of its own.
"""

from time import monotonic
from typing import Final

from diskchain.discover import messages as notes
from diskchain.discover.chain import BackingChain, Layer, Origin
from diskchain.discover.layer_reader import Look, OpenElsewhere, look
from diskchain.discover.walk import Discoverer
from diskchain.image.header import ImageHeader
from diskchain.readers.policy import LIBVIRT, OpenPolicy
from diskchain.storage.location import local_path
from diskchain.storage.source import Source
from diskchain.storage.terms import Format
from diskchain.system.deadline import PATIENCE, Errand, patience_with

_GLANCE: Final = 0.1  # seconds between two looks at how a walk gets on


class PatientDiscoverer(Discoverer):
    """A Discoverer that gives every file on this host so many ``seconds`` to answer. Walks in a thread, and returns without it.

    A walk that was given up is a ``timeout`` finding of the layer that did not answer, the last of its chain. What was remembered
    up to then is forgotten.
    """

    def __init__(
        self, policy: OpenPolicy = LIBVIRT, elsewhere: OpenElsewhere | None = None, *, seconds: float = PATIENCE
    ) -> None:
        super().__init__(policy, elsewhere)
        self._seconds = seconds
        self._walker = _Walker(policy, elsewhere)

    @property
    def files_met(self) -> int:
        """How many files were read."""
        return self._walker.files_met

    def discover(self, top: Source, *, probe: bool = False) -> BackingChain:
        """The chain of ``top``, complete up to the first fault or to the first file that does not answer. Never raises."""
        walker = self._walker
        walker.set_out(top)
        errand = Errand(lambda: walker.discover(top, probe=probe))
        while not errand.wait(_GLANCE):
            path = walker.path
            if path is not None and walker.patience(path, self._seconds) <= 0:
                errand.give_up(path)
                self._walker = _Walker(self.policy, self._elsewhere)  # the other one may get an answer yet, and go on
                return walker.so_far(path, self._seconds)
        found: BackingChain = errand.answer()
        return found


class _Walker(Discoverer):
    """A Discoverer whose walk can be watched from another thread. ``path``: the file on this host it has to do with, if any."""

    def __init__(self, policy: OpenPolicy, elsewhere: OpenElsewhere | None) -> None:
        super().__init__(policy, elsewhere)
        self._look_at = self._watched

    def set_out(self, top: Source) -> None:
        """Forget the walk before; the next one begins at ``top``."""
        self._seen: list[Look] = []
        self._above: Look | None = None
        self._step: Look | None = Look(top, top.format, Origin.DECLARED)  # what is looked at
        self._image: Look | None = None  # whose data file that is
        self._since = monotonic()
        self.path = local_path(top.location)

    def patience(self, path: str, seconds: float) -> float:
        """How many of its ``seconds`` a ``path`` has left."""
        return self._since + patience_with(path, seconds) - monotonic()

    def _watched(
        self,
        source: Source,
        format: Format | None,
        origin: Origin,
        above: Look | None,
        elsewhere: OpenElsewhere | None = None,
        guard: OpenPolicy | None = None,
        *,
        headed: bool = True,
    ) -> Look:
        self._step, self._above = Look(source, format, origin), above
        self._since, self.path = monotonic(), local_path(source.location)
        try:
            seen = look(source, format, origin, above, elsewhere, guard, headed=headed)
            if self._image is None:
                self._seen.append(seen)
        finally:
            self._step, self._since = None, monotonic()
        return seen

    def _follow_parts(self, seen: Look, header: ImageHeader) -> None:
        self._image = seen
        super()._follow_parts(seen, header)
        self._image = None

    def so_far(self, path: str, seconds: float) -> BackingChain:
        """The chain down to ``path``, which has not answered. Copies what it changes: the walk that was left behind may go on."""
        from copy import copy

        seen, step, image = [*self._seen], self._step, self._image
        found = notes.timeout(path, self._above.name if self._above else None, f"no answer within {seconds:g} s")
        if image is not None and step is not None:
            data = Layer(step.source, None, step.origin, findings=(found,))
            step = copy(seen.pop())
            if step.header is not None and step.header.extents:
                step.source, step.extents = step.source._replace(extents=(data.source,)), (data,)
            else:
                step.source, step.data_file = step.source._replace(data_file=data.source), data
        else:
            # No step: it waits between two looks, as when a policy resolves symlinks.
            step = step or copy(seen.pop())
            step.note(found)
        return self._chain([*seen, step], None, step.source.backing)
