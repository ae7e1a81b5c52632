"""What the header of one image may make us open, and by which rules a format is guessed. A refused reference is reported, never opened.

``libvirt``: what libvirt and QEMU would open. ``strict``: local files in the directory of the top image or below, of formats
recorded in the overlay. ``upload``: an image from a stranger; nothing may be referenced at all. These two guess by every signature
there is: libvirt takes for raw what others take for something that names files, such as the text descriptor of a VMDK.
"""

import os
from typing import Literal, NamedTuple

from diskchain.errors import UsageError
from diskchain.storage.location import Location, local_path
from diskchain.storage.terms import Format, StorageType


class OpenPolicy(NamedTuple):
    """Which references may be followed.

    ``directories``: references must lie below one of these after resolving symlinks; None: anywhere; an empty tuple: below the
    directory of the top image. ``types`` and ``formats``: what a reference may be; None: anything. ``follow`` False: nothing is
    followed. ``depth``: layers in a chain, from 1. ``unrecorded``: may a backing image of no recorded format be used when it has none of its own.
    ``probing``: the rules of :mod:`diskchain.image.probe` by which formats nobody declared or recorded are guessed; ``untrusted``
    rules have no answer for an image that could be two, and what a backing image of a guessed format names is refused.
    """

    name: str = "libvirt"
    follow: bool = True
    directories: tuple[str, ...] | None = None
    types: frozenset[StorageType] | None = None
    formats: frozenset[Format] | None = None
    depth: int = 200
    unrecorded: bool = True
    probing: Literal["libvirt", "untrusted"] = "libvirt"

    @property
    def open(self) -> bool:
        """Whether no reference can be refused, so that nobody needs to ask."""
        limits = self.directories, self.types, self.formats
        return self.follow and limits == (None, None, None) and self.probing == "libvirt"


LIBVIRT = OpenPolicy()
STRICT = OpenPolicy(
    "strict", directories=(), types=frozenset({StorageType.FILE}), depth=50, unrecorded=False, probing="untrusted"
)
UPLOAD = OpenPolicy("upload", follow=False, depth=1, unrecorded=False, probing="untrusted")

POLICIES = {policy.name: policy for policy in (LIBVIRT, STRICT, UPLOAD)}


def policy_named(name: str) -> OpenPolicy:
    """The profile of that name. Raises UsageError."""
    try:
        return POLICIES[name]
    except KeyError:
        raise UsageError(f"no policy is called {name!r}: there are {', '.join(POLICIES)}") from None


def refusal(policy: OpenPolicy, location: Location, format: Format | None, top: str | None) -> str | None:
    """Why ``policy`` does not let a reference to ``location`` be followed; None when it does.

    ``top`` is the path of the chain's top image. Resolves symlinks of the directories and of the reference.
    """
    if policy.open:
        return None
    if not policy.follow:
        return f"policy {policy.name} follows no reference"
    if policy.types is not None and location.type not in policy.types:
        return f"policy {policy.name} does not follow references to a {location.type}"
    if policy.formats is not None and format not in policy.formats:
        return f"policy {policy.name} does not follow references to {format or 'an unrecorded format'}"
    path = local_path(location)
    if policy.directories is not None and path is not None:
        real = os.path.realpath(path)
        allowed = policy.directories or (os.path.dirname(os.path.realpath(top or "")),)
        if not any(_below(real, os.path.realpath(directory)) for directory in allowed):
            return f"policy {policy.name} allows only what lies in {' or '.join(allowed)}"
    return None


def _below(path: str, directory: str) -> bool:
    return path.startswith(directory.rstrip("/") + "/")
