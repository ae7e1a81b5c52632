"""Discovery within a deadline: when a layer does not answer, what is known above it comes back, and a finding.

Knows how far a walk has got, by looking at it now and then; who walks is the business of :mod:`diskchain.system.deadline`. What is on
another host is left to its reader, which has a deadline of its own.
"""

from collections.abc import Callable, Generator, Iterable
from functools import partial
from itertools import islice
from math import inf
from time import perf_counter
from typing import TYPE_CHECKING, Final

from diskchain.discover import messages as notes
from diskchain.discover.chain import BackingChain, Layer, Origin
from diskchain.discover.layer_reader import read_layer
from diskchain.discover.partial_layer import Closer, OpenElsewhere, PartialLayer, copied
from diskchain.discover.walk import Walker
from diskchain.errors import StorageError
from diskchain.findings import Finding
from diskchain.readers.policy import LIBVIRT, OpenPolicy
from diskchain.storage.location import describe_location
from diskchain.storage.source import Source
from diskchain.system.deadline import DEFAULT_DEADLINE, Question, deadline_for, is_open, left_behind

if TYPE_CHECKING:
    from diskchain.readers.places import Places

#: Seconds between two looks at how a walk gets on.
_GLANCE: Final = 0.05
#: Images walked between two results, at most, and for how many seconds about: handing over takes 30 µs, and all wait for the slowest.
_MOST_AT_ONCE: Final = 512
_SECONDS_AT_ONCE: Final = 0.05
#: So many are walked first, and timed.
FIRST: Final = 8

#: What to discover: a top, and whether to guess its format where none is declared.
Top = tuple[Source, bool]


class Discoverer:
    """Discovers chains, and remembers detected tails: a base shared by a thousand overlays is read once.

    ``policy`` says what a header may make us open; ``elsewhere`` opens what is on another host, which without it is not looked
    at. What was read is not read again: make a new one to look afresh. Every file on this host has so many ``seconds`` to answer;
    with ``inf`` there is no deadline, and the calling thread walks. What does not answer is a ``timeout`` finding of its layer, the
    last of its chain. ``closer`` looks closer at every image that could be read: :mod:`diskchain.checks.closer` has one. ``places``: where the paths of
    another host lie here.
    """

    def __init__(
        self,
        policy: OpenPolicy = LIBVIRT,
        elsewhere: OpenElsewhere | None = None,
        *,
        seconds: float = DEFAULT_DEADLINE,
        closer: Closer | None = None,
        places: "Places | None" = None,
    ) -> None:
        self.policy = policy
        self.places = places
        self._elsewhere = elsewhere
        self._seconds = seconds
        self._closer = closer
        self._walker = Walker(policy, elsewhere, closer=closer, places=places)
        self._set_reader(read_layer)
        #: Seconds that each of the first images took that were walked last, by the thread that walked them.
        self.took: list[float] = []

    @property
    def files_met(self) -> int:
        """How many files were read."""
        return self._walker.files_met

    def discover(self, top: Source, *, probe: bool = False) -> BackingChain:
        """The chain of ``top``, complete up to the first fault, which is a finding of a layer. Never raises.

        ``probe`` guesses the format of a top image that declares none; without it such an image is raw.
        """
        if self._seconds == inf:
            return self._walker.discover(top, probe=probe)
        return self._walked([(top, probe)])[0]

    def discover_each(self, tops: Iterable[Top]) -> Generator[BackingChain, None, None]:
        """The chain of each of ``tops``, in their order. Takes up to 512 in advance, fewer where storage is slow.

        For more than a few, :func:`diskchain.discover.batch.discover_many` reads ahead.
        """
        left, most = iter(tops), FIRST
        while batch := list(islice(left, most)):
            size, took = len(batch), 0.0
            while batch:
                started = perf_counter()
                chains = self._walked(batch)
                took += perf_counter() - started
                del batch[: len(chains)]
                yield from chains
            most = max(1, min(_MOST_AT_ONCE, int(size * _SECONDS_AT_ONCE / took)))

    def _walked(self, tops: list[Top]) -> list[BackingChain]:
        """The chains of the first ``tops``, at least one: of all, or up to one that is held up."""
        walk = _Walk(self._walker, tops)
        self.took = walk.took
        if self._seconds == inf:
            walk.run()
            return walk.chains
        self._set_reader(_read_if_answering if left_behind() else read_layer)
        try:
            question = Question(describe_location(tops[0][0].location), walk.run)
        except StorageError as error:
            return [_unasked(tops[0][0], error)]
        try:
            while (held_up := self._held_up(walk, question)) is not None:
                path, seconds, now = held_up
                chains = walk.up_to(now, notes.timeout(path, now.referrer, f"no answer within {seconds:g} s"))
                if chains:
                    question.give_up(path)
                    return chains
            question.answer()
            return walk.chains
        except BaseException:
            walk.abandoned = True
            raise
        finally:
            if walk.abandoned:
                self._walker = Walker(self.policy, self._elsewhere, self._walker, self._closer, self.places)

    def _set_reader(self, read: "Callable[..., None]") -> None:
        if self.places is not None:
            from diskchain.discover.mapped import read_mapped

            read = partial(read_mapped, self.places, read)
        self._walker.read = read

    def _held_up(self, walk: "_Walk", question: Question) -> "tuple[str, float, _Progress] | None":
        """What holds up the walk, for how many seconds, and where it is; None: it is through."""
        glance = min(_GLANCE, self._seconds / 2)
        waited, before = 0.0, walk.progress()
        while not question.wait(glance):
            now = walk.progress()
            # Counted in glances, not by a clock: a process that is stopped and continued has waited for nothing meanwhile.
            waited = waited + glance if now is not None and before is not None and now.is_same_as(before) else 0.0
            before = now
            path = now.path if now is not None else None
            if now is not None and path is not None and waited >= (seconds := deadline_for(path, self._seconds)):
                return path, seconds, now
        return None


class _Progress:
    """How far a walk has got: in the chain of ``top``, through the ``length`` first layers of ``seen``, at ``step``.

    ``resolving``: the path that the header of ``step`` names, while a policy asks where it leads.
    """

    __slots__ = ("image", "length", "resolving", "seen", "step", "top")

    def __init__(self, walker: Walker, top: Source, step: PartialLayer) -> None:
        self.top, self.step, self.image, self.resolving = top, step, walker.image, walker.resolving
        self.seen = walker.seen
        self.length = len(self.seen)

    @property
    def path(self) -> str | None:
        """The file on this host that the walk has to do with, if any."""
        return self.resolving or self.step.path

    @property
    def referrer(self) -> str | None:
        """What names that file."""
        return self.step.name if self.resolving is not None else self.step.referrer

    def is_same_as(self, other: "_Progress") -> bool:
        """Whether nothing has happened in between."""
        same = self.seen is other.seen and self.length == other.length and self.step is other.step
        return same and self.resolving == other.resolving


class _Walk:
    """Some chains, walked one after the other. ``chains``: those that are ready. ``abandoned``: nobody wants the others any more."""

    def __init__(self, walker: Walker, tops: list[Top]) -> None:
        self.chains: list[BackingChain] = []
        self.abandoned = False
        self.took: list[float] = []
        self._walker = walker
        self._tops = tops[:]

    def run(self) -> None:
        """Walk."""
        discover, ready = self._walker.discover, self.chains.append
        for top, probe in self._tops[:FIRST]:
            if self.abandoned:
                return
            started = perf_counter()
            ready(discover(top, probe=probe))
            self.took.append(perf_counter() - started)
        for top, probe in self._tops[FIRST:]:
            if self.abandoned:
                return
            ready(discover(top, probe=probe))

    def progress(self) -> _Progress | None:
        """How far it has got; None: it has not begun."""
        top, step = self._walker.top, self._walker.step
        return None if top is None or step is None else _Progress(self._walker, top, step)

    def up_to(self, now: _Progress, found: Finding) -> list[BackingChain]:
        """The chains that are ready, and the one that got no further than ``now``, as it ``found``; then it is abandoned.

        None at all if it has got further.
        """
        chains = self.chains[:]
        if len(chains) == len(self._tops) or now.top is not self._tops[len(chains)][0]:
            return []
        self.abandoned = True
        return [*chains, _unfinished(self._walker, now, found)]


def _unfinished(walker: Walker, now: _Progress, found: Finding) -> BackingChain:
    """The chain as far as it is known. Copies what it changes: the walk that was left behind may go on."""
    seen, step = now.seen[: now.length], now.step
    if seen and step is seen[-1]:  # read, and held up by what comes next, as when a policy resolves symlinks
        seen.pop()
        last = copied(step)
    elif now.image is None:
        last = PartialLayer(step.asked, step.format, step.origin, step.above)
    elif now.image is step:
        last = copied(step)
    else:
        part = Layer(step.asked, None, step.origin, findings=(found,))
        last = copied(now.image)
        if last.header is not None and last.header.extents:
            last.source, last.extents = last.source._replace(extents=(part.source,)), (part,)
        else:
            last.source, last.data_file = last.source._replace(data_file=part.source), part
        return walker.chain([*seen, last], None, last.source.backing)
    last.note(found)
    return walker.chain([*seen, last], None, last.source.backing)


def _unasked(top: Source, error: StorageError) -> BackingChain:
    """The chain of ``top`` when nobody can look at it."""
    found = notes.unreadable(describe_location(top.location), None, error.problem)
    return BackingChain(Layer(top, None, Origin.DECLARED if top.format else Origin.ASSUMED, findings=(found,)))


def _read_if_answering(
    step: PartialLayer,
    elsewhere: OpenElsewhere | None,
    guard: OpenPolicy | None,
    closer: Closer | None = None,
    *,
    headed: bool = True,
) -> None:
    """As :func:`read_layer`, but for what is waited for already, and would cost another thread."""
    path = step.path
    if path is not None and is_open(path):
        step.stop(notes.timeout(path, step.referrer, "has not answered before, or many others of its mount have not"))
    else:
        read_layer(step, elsewhere, guard, closer, headed=headed)
