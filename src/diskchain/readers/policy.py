"""What the header of one image may make us open, and by which rules a format is guessed. A refused reference is reported, never opened.

``libvirt``: what libvirt and QEMU would open. ``strict``: local files in the directory of the top image or below, of formats
recorded in the overlay. ``upload``: an image from a stranger; nothing may be referenced at all. These two guess by every signature
there is: libvirt takes for raw what others take for something that names files, such as the text descriptor of a VMDK.
"""

from typing import Literal, NamedTuple, Self

from diskchain.errors import StorageError, UsageError
from diskchain.storage.location import Location, local_path
from diskchain.storage.terms import Format, StorageType
from diskchain.system.paths import resolved_path


class _Rules(NamedTuple):
    """The fields of an :class:`OpenPolicy`, in its order."""

    name: str = "libvirt"
    follow: bool = True
    directories: tuple[str, ...] | None = None
    types: frozenset[StorageType] | None = None
    formats: frozenset[Format] | None = None
    depth: int = 200
    unrecorded: bool = True
    probing: Literal["libvirt", "untrusted"] = "libvirt"


class OpenPolicy(_Rules):
    """Which references may be followed.

    ``directories``: files must lie below one of these after resolving symlinks; None: anywhere; an empty tuple: below the
    directory of the top image, and nowhere if that is not on this host. They allow nothing that is no file, device or directory of
    this host: ``types`` has to name it. ``types`` and ``formats``: what a reference may be; None: anything. Whether a name on this
    host is that of a file, a block device or a directory is decided by what is there. ``follow`` False: nothing is followed.
    ``depth``: layers in a chain, from 1. ``unrecorded``: may a backing image of no recorded format be used when it has none of its
    own. ``probing``: the rules of :mod:`diskchain.image.probe` by which formats nobody declared or recorded are guessed;
    ``untrusted`` rules have no answer for an image that could be two, and what a backing image of a guessed format names is
    refused.
    """

    __slots__ = ()

    def __new__(  # noqa: PLR0913  # one for each field
        cls,
        *,
        name: str = "libvirt",
        follow: bool = True,
        directories: tuple[str, ...] | None = None,
        types: frozenset[StorageType] | None = None,
        formats: frozenset[Format] | None = None,
        depth: int = 200,
        unrecorded: bool = True,
        probing: Literal["libvirt", "untrusted"] = "libvirt",
    ) -> Self:
        """By names alone: a profile is not had by its name, but by :func:`policy_named`."""
        return super().__new__(cls, name, follow, directories, types, formats, depth, unrecorded, probing)

    @property
    def open(self) -> bool:
        """Whether no reference can be refused, so that nobody needs to ask."""
        limits = self.directories, self.types, self.formats
        return self.follow and limits == (None, None, None) and self.probing == "libvirt"

    @property
    def asks_for_the_file(self) -> bool:
        """Whether a name alone does not tell if it may be opened: only what is there does."""
        return self.directories is not None or self.types is not None


_LOCAL = frozenset({StorageType.FILE, StorageType.BLOCK, StorageType.DIR})

LIBVIRT = OpenPolicy()
STRICT = OpenPolicy(
    name="strict", directories=(), types=frozenset({StorageType.FILE}), depth=50, unrecorded=False, probing="untrusted"
)
UPLOAD = OpenPolicy(name="upload", follow=False, depth=1, unrecorded=False, probing="untrusted")

POLICIES = {policy.name: policy for policy in (LIBVIRT, STRICT, UPLOAD)}


def policy_named(name: str) -> OpenPolicy:
    """The profile of that name. Raises UsageError."""
    try:
        return POLICIES[name]
    except KeyError:
        raise UsageError(f"no policy is called {name!r}: there are {', '.join(POLICIES)}") from None


def refusal(policy: OpenPolicy, location: Location, format: Format | None, home: str | None) -> str | None:
    """Why ``policy`` does not let a reference to ``location`` be followed, going by its name; None when it does.

    ``home``: the directory of the chain's top image, without symlinks; None where that is not known. Resolves symlinks of the
    directories and of the reference. What is there may be another thing by the time it is opened, and is asked for then:
    :func:`refusal_of_file`.
    """
    if policy.open:
        return None
    if not policy.follow:
        return f"policy {policy.name} follows no reference"
    path = local_path(location)
    if policy.types is not None and policy.types.isdisjoint((location.type,) if path is None else _LOCAL):
        return _of_type(policy, location.type)
    if policy.formats is not None and format not in policy.formats:
        return f"policy {policy.name} does not follow references to {format or 'an unrecorded format'}"
    if path is None:
        return _of_type(policy, location.type) if policy.directories is not None and policy.types is None else None
    if policy.directories is None:
        return None
    try:
        return _outside(policy, resolved_path(path), home)
    except (StorageError, ValueError):
        return f"policy {policy.name} allows only what lies in known directories, and where that lies cannot be told"


def refusal_of_file(policy: OpenPolicy, path: str, type: StorageType | None, home: str | None) -> str | None:
    """Why ``policy`` does not let what a reference led to be opened: a ``path`` without symlinks, and what is there.

    None when it does. ``home`` as for :func:`refusal`. Raises StorageError when the directories of the policy cannot be resolved.
    """
    if policy.types is not None and type is not None and type not in policy.types:
        return _of_type(policy, type)
    return _outside(policy, path, home)


def lies_in(path: str, directories: tuple[str, ...]) -> bool:
    """Whether ``path`` lies below one of the ``directories``, after resolving symlinks of all; not if that cannot be told."""
    try:
        return _below(resolved_path(path), tuple(map(resolved_path, directories)))
    except (StorageError, ValueError):
        return False


def _outside(policy: OpenPolicy, path: str, home: str | None) -> str | None:
    directories = policy.directories
    if directories is None:
        return None
    if directories:
        allowed = " or ".join(directories)
        directories = tuple(map(resolved_path, directories))
    elif home is not None:  # is not resolved again: who may write above it could have put a symlink there by now
        allowed, directories = home, (home,)
    else:
        allowed = "the directory of the top image, and where that is is not known"
    return None if _below(path, directories) else f"policy {policy.name} allows only what lies in {allowed}"


def _below(path: str, directories: tuple[str, ...]) -> bool:
    return any(path.startswith(directory.rstrip("/") + "/") for directory in directories)


def _of_type(policy: OpenPolicy, type: StorageType) -> str:
    return f"policy {policy.name} does not follow references of type {type}"
