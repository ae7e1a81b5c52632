"""Opens layers on other hosts for discovery, and logs in where the document says how: user from there, key from ``--secret`` or libvirt.

Imported only with ``--remote``, or where a user names a URL.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from diskchain.actions.keys import KeyPlaces, open_keys
from diskchain.actions.numbering import layer_names
from diskchain.actions.target import Target
from diskchain.discover.partial_layer import OpenElsewhere
from diskchain.errors import NotAsked
from diskchain.qemu.bridge import Bridge
from diskchain.readers.credentials import Credentials
from diskchain.readers.open import Image, open_location
from diskchain.secrets.keys import Keys
from diskchain.storage.auth import Auth
from diskchain.storage.location import Location, describe_location
from diskchain.storage.source import Source, layers

_Names = dict[tuple[Location, Auth], tuple[str, ...]]


class RemoteReader:
    """What is open elsewhere ends with it. ``timeout``: seconds for each answer."""

    def __init__(self, keys: Keys, bridge: Bridge, timeout: float, only: frozenset[Location] | None = None) -> None:
        """``only``: what may be asked for, because a user named it; None: everything."""
        self.keys = keys
        self._only = only
        self._bridge = bridge
        self._timeout = timeout

    def of(self, chosen: Sequence[Target]) -> OpenElsewhere:
        """What opens the layers of these targets, and of whatever they lead to. Their logins count as wanting the keys."""
        names: _Names = {}
        for target in chosen:
            for layer, called in zip(layers(target.source), layer_names(target.name, target.source), strict=True):
                for part in (layer, layer.data_file):
                    if part is not None and part.auth is not None:
                        self.keys.want(called, part.auth.secret)
                        names.setdefault((part.location, part.auth), called)

        def elsewhere(source: Source) -> Image:
            if self._only is not None and (source.detected or source.location not in self._only):
                raise NotAsked("it is on a server", path=describe_location(source.location))
            if source.auth is None:
                return open_location(source.location, timeout=self._timeout, bridge=self._bridge)
            called = names.get((source.location, source.auth), (describe_location(source.location),))
            return open_with_login(source, called, self.keys, timeout=self._timeout, bridge=self._bridge)

        return elsewhere


def open_with_login(source: Source, names: tuple[str, ...], keys: Keys, *, timeout: float, bridge: Bridge) -> Image:
    """The image of a source with ``auth``. Raises SecretMissing, what :meth:`Keys.get` and ``open_location`` raise."""
    assert source.auth is not None  # noqa: S101 (what the function is for)
    with keys.get(names, source.auth.secret) as password:
        credentials = Credentials(source.auth.username, password)
        return open_location(source.location, timeout=timeout, bridge=bridge, credentials=credentials)


@contextmanager
def open_reader(places: KeyPlaces, timeout: float, only: frozenset[Location] | None = None) -> Iterator[RemoteReader]:
    """A reader that logs in with the keys in ``places``; ``timeout``: seconds for each answer. Raises UsageError for a malformed rule.

    ``only``: what may be asked for, None: everything.
    """
    with open_keys(places) as keys, Bridge(tls_directory=places.tls_directory) as bridge:
        yield RemoteReader(keys, bridge, timeout, only)
