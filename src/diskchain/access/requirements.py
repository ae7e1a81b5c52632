"""What each file of a chain must allow, as a pure function of the chain, its flags and the operation.

Positions count from the active layer: 0 is the top of the chain. Knows nothing of users, files or security modules.
Source: libvirt 11.3.0 (``qemu_block.c``, ``qemu_blockjob.c``: which layers a job makes writable) and QEMU 7.2
(``block/commit.c``, ``block/mirror.c``, ``block/stream.c``, ``qemu-img.c``).
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from diskchain.errors import UsageError
from diskchain.storage.location import local_path
from diskchain.storage.operation import Backup, Commit, Copy, Operation, Pull, Rebase, Snapshot, Start
from diskchain.storage.source import Source, layers
from diskchain.system.posix_acl import READ, WRITE


class Access(StrEnum):
    """How a file is opened. QEMU never opens write-only."""

    READ = "read"
    WRITE = "read-write"

    @property
    def bits(self) -> int:
        """The permission bits that such an open asks for."""
        return READ if self is Access.READ else READ | WRITE


class Role(StrEnum):
    """What a file is in the chain."""

    ACTIVE = "active layer"
    BACKING = "backing"
    DATA_FILE = "data file"
    EXTENT = "extent"
    DESTINATION = "destination"


@dataclass(frozen=True, slots=True)
class Need:
    """One file and why it has to be opened.

    ``depth`` is its position, or that of the image it belongs to; None for a destination. ``shared``: other writers are
    welcome (libvirt's ``<shareable/>``). ``new``: it may have to be created first; ``reuse``: what is there already is taken;
    ``fresh``: nothing may be there, not even an empty file; ``leftover``: what is there is left of an earlier start.
    """

    source: Source
    depth: int | None
    role: Role
    access: Access
    because: str
    shared: bool = False
    new: bool = False
    reuse: bool = False
    fresh: bool = False
    leftover: bool = False

    @property
    def path(self) -> str | None:
        """The file's path on this host, None for storage that is not local."""
        return local_path(self.source.location)


def needs(chain: Source, operation: Operation) -> tuple[Need, ...]:
    """Every file that ``operation`` on ``chain`` opens, top first, data files and extents after their image.

    Raises UsageError when the operation does not fit the chain.
    """
    stack = tuple(layers(chain))
    if isinstance(operation, Commit):
        return _commit(stack, operation)
    if isinstance(operation, Rebase):
        return _rebase(stack, operation)
    found = _running(stack, {})
    if isinstance(operation, Copy):
        found += _destination(operation.destination, "the copy is written there", reuse=operation.reuse)
    elif isinstance(operation, Start) and operation.overlay is not None:
        made = _destination(operation.overlay, "libvirt keeps there what the guest writes", reuse=False)
        found += [replace(need, leftover=need.new) for need in made]
    elif isinstance(operation, Backup):
        made = _destination(operation.file, "the backup writes there", reuse=operation.reuse)
        found += [replace(need, fresh=need.new and not need.reuse) for need in made]
    elif isinstance(operation, Snapshot):
        found += _destination(operation.overlay, "the guest writes there from now on", reuse=operation.reuse)
    elif isinstance(operation, Pull) and operation.base is not None:
        _position(stack, operation.base, "base")
        if operation.base == 0:
            raise UsageError("a pull ends above its base, so the active layer cannot be the base")
    return tuple(found)


def writable_depths(chain: Source, operation: Operation) -> frozenset[int]:
    """Positions that are writable *because of* the operation, whatever the chain's own flags say."""
    if isinstance(operation, Commit):
        stack = tuple(layers(chain))
        base = _base(stack, operation)
        above = {operation.top - 1} if operation.online and operation.top > 0 else set()
        return frozenset({base} | above | (set() if operation.online else {operation.top}))
    return frozenset({operation.layer}) if isinstance(operation, Rebase) else frozenset()


def destination_of(operation: Operation) -> Source | None:
    """The image that ``operation`` makes, None when it makes none."""
    if isinstance(operation, Copy):
        return operation.destination
    if isinstance(operation, Backup):
        return operation.file
    return operation.overlay if isinstance(operation, Snapshot | Start) else None


def _commit(stack: tuple[Source, ...], operation: Commit) -> tuple[Need, ...]:
    base = _base(stack, operation)
    reasons = {base: "the commit writes into its base"}
    if operation.online:
        if operation.top > 0:
            reasons[operation.top - 1] = "the commit rewrites the backing string above its top"
        return tuple(_running(stack, reasons))
    reasons[operation.top] = "qemu-img opens the image it commits for writing"
    return tuple(_opened(stack, range(operation.top, len(stack)), reasons, "the commit reads it"))


def _base(stack: tuple[Source, ...], operation: Commit) -> int:
    base = len(stack) - 1 if operation.base is None else operation.base
    _position(stack, base, "base")
    _position(stack, operation.top, "top")
    if base <= operation.top:
        raise UsageError(f"a commit goes down: base (layer {base}) must be below top (layer {operation.top})")
    return base


def _rebase(stack: tuple[Source, ...], operation: Rebase) -> tuple[Need, ...]:
    _position(stack, operation.layer, "layer")
    reasons = {operation.layer: "the rebase rewrites its header" + ("" if operation.unsafe else " and its data")}
    end = operation.layer + 1 if operation.unsafe else len(stack)
    found = _opened(stack, range(operation.layer, end), reasons, "the rebase compares with it")
    if operation.backing is not None and not operation.unsafe:
        for layer in layers(operation.backing):
            found += _image(layer, None, Role.DESTINATION, Access.READ, "the rebase compares with it")
    return tuple(found)


def _running(stack: tuple[Source, ...], reasons: dict[int, str]) -> list[Need]:
    """What a running domain has open, with some layers writable for a reason of their own."""
    found = []
    for depth, layer in enumerate(stack):
        role = Role.BACKING if depth else Role.ACTIVE
        if depth == 0 and not layer.readonly:
            found += _image(layer, depth, role, Access.WRITE, reasons.get(depth, "the guest writes to it"))
        elif depth in reasons:
            found += _image(layer, depth, role, Access.WRITE, reasons[depth])
        else:
            reason = "the guest reads through it" if depth else "the disk is read-only"
            found += _image(layer, depth, role, Access.READ, reason)
    return found


def _opened(stack: tuple[Source, ...], depths: range, reasons: dict[int, str], otherwise: str) -> list[Need]:
    """What an offline tool opens."""
    found = []
    for depth in depths:
        role = Role.BACKING if depth else Role.ACTIVE
        access = Access.WRITE if depth in reasons else Access.READ
        found += _image(stack[depth], depth, role, access, reasons.get(depth, otherwise))
    return found


def _image(layer: Source, depth: int | None, role: Role, access: Access, because: str) -> list[Need]:
    """An image, its data file and its extents, which are opened as the image is."""
    shared = layer.shared and role is Role.ACTIVE
    found = [Need(layer, depth, role, access, because, shared)]
    if layer.data_file is not None:
        reason = f"it holds the data of its image: {because}"
        found.append(Need(layer.data_file, depth, Role.DATA_FILE, access, reason, shared))
    if layer.extents:
        reason = f"it holds data of its image: {because}"
        found += [Need(extent, depth, Role.EXTENT, access, reason, shared) for extent in layer.extents]
    return found


def _destination(top: Source, because: str, *, reuse: bool) -> list[Need]:
    """A new image: writable, and perhaps not there yet. What it has below is read."""
    found = []
    for depth, layer in enumerate(layers(top)):
        if depth == 0:
            made = _image(layer, None, Role.DESTINATION, Access.WRITE, because)
            found += [replace(need, new=True, reuse=reuse) for need in made]
        else:
            found += _image(layer, None, Role.DESTINATION, Access.READ, "the new image has it below")
    return found


def _position(stack: tuple[Source, ...], depth: int, what: str) -> None:
    if not 0 <= depth < len(stack):
        raise UsageError(f"{what}: the chain has no layer {depth} (it has {len(stack)}, counted from 0)")
