"""The second copy a running block job is writing. Source: libvirt 11.3.0 ``<mirror>``. Knows ``terms`` and ``Source``."""

from dataclasses import dataclass

from diskchain.guest.terms import MirrorJob, MirrorState
from diskchain.storage.source import Source


@dataclass(frozen=True, slots=True)
class Mirror:
    """A copy in the making. ``ready`` None: still being filled. Exists in running domains only."""

    source: Source
    job: MirrorJob
    ready: MirrorState | None = None
