"""Walk a chain as it would be after a change that nobody has made yet: a header that names another file, a file in another's place.

Knows how to change what a walk sees. Must not know which command would make the change, nor whether the result is any better. Reads
through the same layer reader, by the same policy; changes nothing.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from math import inf

from diskchain.discover.chain import BackingChain
from diskchain.discover.layer_reader import read_layer
from diskchain.discover.partial_layer import Closer, OpenElsewhere, PartialLayer
from diskchain.discover.walk import Walker
from diskchain.errors import StorageError
from diskchain.image.header import ImageHeader
from diskchain.readers.policy import OpenPolicy
from diskchain.storage.location import FileLocation, describe_location, local_path
from diskchain.storage.source import Source
from diskchain.system.deadline import DEFAULT_DEADLINE, within

FileIdentity = tuple[int, int]
#: Gives a header as a command would leave it.
Edit = Callable[[ImageHeader], ImageHeader]


@dataclass(frozen=True, slots=True)
class Change:
    """What would be otherwise: the headers of some files, by identity; files that would be found at a path where nothing is now."""

    headers: Mapping[FileIdentity, Edit] = field(default_factory=dict)
    placed: Mapping[str, str] = field(default_factory=dict)


def tried(
    change: Change,
    top: Source,
    *,
    policy: OpenPolicy,
    elsewhere: OpenElsewhere | None = None,
    closer: Closer | None = None,
    probe: bool = False,
) -> BackingChain | None:
    """The chain of ``top`` after ``change``; None when storage did not answer in time. Never raises."""
    walker = Walker(policy, elsewhere, closer=closer)
    walker.read = partial(_read, change)
    try:
        seconds = DEFAULT_DEADLINE if elsewhere is None else inf  # a reader of other hosts has deadlines of its own
        return within(seconds, describe_location(top.location), lambda: walker.discover(top, probe=probe))
    except StorageError:
        return None


def _read(  # as a walk calls it
    change: Change,
    step: PartialLayer,
    elsewhere: OpenElsewhere | None,
    guard: OpenPolicy | None,
    closer: Closer | None = None,
    *,
    headed: bool = True,
) -> None:
    """As :func:`read_layer`, for a world in which the change was made."""
    named = step.source
    instead = change.placed.get(local_path(named.location) or "")
    if instead is not None:
        step.source = named._replace(location=FileLocation(instead))
    read_layer(step, elsewhere, guard, closer, headed=headed)
    if instead is not None:
        step.source = step.source._replace(location=named.location)
    edit = change.headers.get(step.facts.identity or (0, 0)) if step.facts is not None else None
    if edit is not None and step.header is not None:
        step.header = edit(step.header)
