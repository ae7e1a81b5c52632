"""Read a layer of a copied host: what is opened is not what its path says. Findings keep the path as stored."""

from collections.abc import Callable

from diskchain.discover.partial_layer import Closer, OpenElsewhere, PartialLayer
from diskchain.readers.places import Places
from diskchain.readers.policy import OpenPolicy
from diskchain.storage.location import local_path


def read_mapped(  # as a walk calls it
    places: Places,
    read: Callable[..., None],
    step: PartialLayer,
    elsewhere: OpenElsewhere | None,
    guard: OpenPolicy | None,
    closer: Closer | None = None,
    *,
    headed: bool = True,
) -> None:
    """As ``read``, which is :func:`~diskchain.discover.layer_reader.read_layer` or like it, of the file that ``places`` has for it."""
    path = local_path(step.source.location)
    if path is not None:
        step.opened = places.opened(path)
        step.root = None if places.is_named(path) else places.root
    read(step, elsewhere, guard, closer, headed=headed)
