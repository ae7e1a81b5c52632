"""What becomes of dirty bitmaps when a chain changes, as libvirt does it: values in, the actions of a QMP ``transaction`` out. Pure.

A bitmap of a disk is one bitmap of the same name in each layer from the top down to the layer that was active when it was made; what was
written since is in any of them. Specs: libvirt ``docs/kbase/internals/incremental-backup.rst``; QEMU ``qapi/block-core.json``
(``BlockDirtyInfo``, ``BlockDirtyBitmapMerge``). A running libvirtd judges it (9.0 with QEMU 7.2): it sends the same transactions.

Where its transaction would fail as a whole (a raw base, layers of different sizes), what can be kept is kept here, what is lost is said in
``Outcome.lost`` with the reason, and a rest that would pass for the whole bitmap is removed: a backup since then would miss blocks. So is one
that was broken by a layer that goes.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from diskchain.image.bitmap import Bitmap

#: The bitmap in which libvirt has QEMU record what a guest writes between the end of a job and the merging of the others.
ACTIVE_WRITE: Final = "libvirt-tmp-activewrite"

Action = Mapping[str, Any]

_QCOW2: Final = "qcow2"
_OLD_QCOW2: Final = "0.10"


@dataclass(frozen=True, slots=True)
class NodeBitmap:
    """A bitmap of one layer. ``granularity`` in bytes; ``inconsistent``: ``in-use`` in the header, so it missed writes."""

    name: str
    granularity: int
    recording: bool = True
    persistent: bool = True
    inconsistent: bool = False

    @property
    def fault(self) -> "Fault | None":
        """Why it is of no use, whatever is in the other layers."""
        if self.inconsistent:
            return Fault.INCONSISTENT
        if not self.persistent:
            return Fault.NOT_PERSISTENT
        return None if self.recording else Fault.NOT_RECORDING


@dataclass(frozen=True, slots=True)
class BitmapNode:
    """One layer. ``capacity`` in bytes; ``keeps``: persistent bitmaps can be stored in it (qcow2 with ``compat=1.1``)."""

    node: str
    capacity: int
    bitmaps: tuple[NodeBitmap, ...] = ()
    keeps: bool = True

    def bitmap(self, name: str) -> NodeBitmap | None:
        """The one of that name."""
        return next((bitmap for bitmap in self.bitmaps if bitmap.name == name), None)


Chain = Sequence[BitmapNode]
"""The layers of a disk, top first."""


class Fault(StrEnum):
    """Why a bitmap does not say all that was written to a disk. The text is for people."""

    MISSING = "the top layer has no such bitmap"
    GAP = "a layer in between has no such bitmap"
    INCONSISTENT = "it was in use when its program died, so it missed writes"
    NOT_PERSISTENT = "it is only in memory"
    NOT_RECORDING = "it does not record what is written"
    NOT_KEPT = "the format of the layer that would have to hold it cannot store bitmaps"
    OTHER_SIZE = "the layers are of different sizes, and QEMU merges no bitmaps of different sizes"
    HAS_NAME = "the layer that would have to hold it has a broken bitmap of that name"


@dataclass(frozen=True, slots=True)
class Lost:
    """A bitmap that was whole before the job and is not afterwards."""

    name: str
    reason: Fault


@dataclass(frozen=True, slots=True)
class Outcome:
    """``actions`` of one ``transaction``; the disk's chain ``after`` job and actions; what is ``lost``; what was ``broken`` before."""

    actions: tuple[Action, ...]
    after: tuple[BitmapNode, ...]
    lost: tuple[Lost, ...] = ()
    broken: tuple[Lost, ...] = ()


def of_header(bitmap: Bitmap) -> NodeBitmap:
    """A bitmap that is in a header."""
    return NodeBitmap(
        bitmap.name, bitmap.granularity, recording="auto" in bitmap.flags, inconsistent="in-use" in bitmap.flags
    )


def of_qmp(node: Mapping[str, Any]) -> BitmapNode:
    """An element of what ``query-named-block-nodes`` returns. Raises LookupError where it is none."""
    image = node["image"]
    compat = image.get("format-specific", {}).get("data", {}).get("compat")
    return BitmapNode(
        node["node-name"],
        image["virtual-size"],
        tuple(
            NodeBitmap(
                bitmap.get("name", ""),
                bitmap["granularity"],
                bitmap["recording"],
                bitmap["persistent"],
                bitmap.get("inconsistent", False),
            )
            for bitmap in node.get("dirty-bitmaps", ())
        ),
        keeps=node["drv"] == _QCOW2 and compat != _OLD_QCOW2,
    )


def fault(chain: Chain, name: str) -> Fault | None:
    """Why the disk has no whole bitmap ``name``; None: it has.

    It must be in the top layer and in the ones below without a gap, and each part recording, persistent and consistent.
    """
    ended = False
    for place, node in enumerate(chain):
        bitmap = node.bitmap(name)
        if bitmap is None:
            if not place:
                return Fault.MISSING
            ended = True
        elif ended:
            return Fault.GAP
        elif bitmap.fault is not None:
            return bitmap.fault
    return None if chain else Fault.MISSING


def names(chain: Chain) -> list[str]:
    """Of all bitmaps, each once, those of the top layer first."""
    return list(dict.fromkeys(bitmap.name for node in chain for bitmap in node.bitmaps))


def snapshot(chain: Chain, overlay: BitmapNode) -> Outcome:
    """A new ``overlay`` on the chain: what its top layer records, the overlay goes on to record."""
    kept = [bitmap for bitmap in chain[0].bitmaps if bitmap.fault is None] if overlay.keeps else []
    top = _with(overlay, (*overlay.bitmaps, *kept))
    return _outcome(chain, (top, *chain), [_add(overlay.node, bitmap.name, bitmap.granularity) for bitmap in kept])


def commit(chain: Chain, top: int, base: int, *, guest_writes: bool = False) -> Outcome:
    """The layers from ``top`` down to ``base``, which stays, are merged into it; both are places in ``chain``.

    ``guest_writes``: the layer the guest writes is committed (``top`` is 0) by a running machine, and :data:`ACTIVE_WRITE` was made
    in the base. Without a guest both kinds of commit are alike.
    """
    grown = replace(chain[base], capacity=max(chain[base].capacity, chain[top].capacity))  # QEMU does so first
    actions, target, lost = _merge(chain[top:], base - top, grown, guest_writes=guest_writes)
    kept = list(chain[:top])
    for name in [name for name in lost if kept and fault(chain, name) is None]:
        # The layer above goes on to have it, and can take in what the base cannot.
        parts = _parts(chain[top:base], name)
        if _obstacle([node for node, _ in parts], kept[-1], name) is None:
            actions.append(_merge_action(kept[-1].node, name, [*_parts(kept[-1:], name), *parts]))
            del lost[name]
    return _outcome(chain, (*kept, target, *chain[base + 1 :]), actions, lost)


def pull(chain: Chain, base: int | None) -> Outcome:
    """What is between the top layer and ``base`` (a place in ``chain``; None: all below) goes into the top layer."""
    end = len(chain) if base is None else base
    actions, target, lost = _merge(chain, end, chain[0], guest_writes=False)
    return _outcome(chain, (target, *chain[end:]), actions, lost)


def copy(chain: Chain, target: BitmapNode, *, shallow: bool, guest_writes: bool = False) -> Outcome:
    """The disk goes to ``target``; ``shallow``: its top layer alone, over the same layers below. ``guest_writes`` as in :func:`commit`."""
    end = 1 if shallow else len(chain)
    actions, made, lost = _merge(chain, end, target, guest_writes=guest_writes)
    return _outcome(chain, (made, *chain[end:]), actions, lost)


def delete_checkpoint(chain: Chain, name: str) -> Outcome:
    """The bitmap ``name`` goes from every layer. Others are whole without it: each records by itself."""
    actions = [_remove(node.node, name) for node in chain if node.bitmap(name)]
    after = [_with(node, [bitmap for bitmap in node.bitmaps if bitmap.name != name]) for node in chain]
    return _outcome([*after], after, actions)


def backup(chain: Chain, name: str, node: str, temporary: str) -> tuple[Action, ...]:
    """What makes the bitmap ``temporary`` in ``node``: all that was written to the disk since ``name`` was made.

    It is not persistent and records nothing. Raises LookupError, with the fault, where the disk has no whole bitmap ``name``.
    """
    found = fault(chain, name)
    if found is not None:
        raise LookupError(found)
    parts = _parts(chain, name)
    add = _add(node, temporary, parts[0][1].granularity, persistent=False, disabled=True)
    return add, _merge_action(node, temporary, parts)


def record_active_writes(node: str) -> Action:
    """What makes :data:`ACTIVE_WRITE`, right before a job ends whose disk a guest goes on to write to ``node``."""
    return _add(node, ACTIVE_WRITE, None, persistent=False)


def _merge(
    chain: Chain, end: int, target: BitmapNode, *, guest_writes: bool
) -> tuple[list[Action], BitmapNode, dict[str, Fault]]:
    """Actions that merge each whole bitmap of the first ``end`` layers into ``target``; it afterwards; what cannot be merged."""
    actions: list[Action] = []
    lost: dict[str, Fault] = {}
    held = {bitmap.name: bitmap for bitmap in target.bitmaps}
    for bitmap in chain[0].bitmaps:
        if fault(chain, bitmap.name) is not None:
            continue
        parts = _parts(chain[:end], bitmap.name)
        reason = _obstacle([node for node, _ in parts], target, bitmap.name)
        if reason is not None:
            lost[bitmap.name] = reason
            continue
        if bitmap.name not in held:
            actions.append(_add(target.node, bitmap.name, bitmap.granularity))
            held[bitmap.name] = bitmap
        more = [(target, NodeBitmap(ACTIVE_WRITE, bitmap.granularity))] if guest_writes else []
        actions.append(_merge_action(target.node, bitmap.name, [*parts, *more]))
    if guest_writes:
        actions.append(_remove(target.node, ACTIVE_WRITE))
    return actions, _with(target, held.values()), lost


def _obstacle(sources: Sequence[BitmapNode], target: BitmapNode, name: str) -> Fault | None:
    present = target.bitmap(name)
    if present is not None:
        if present.fault is not None:
            return Fault.HAS_NAME
    elif not target.keeps:
        return Fault.NOT_KEPT
    return Fault.OTHER_SIZE if any(node.capacity != target.capacity for node in sources) else None


def _outcome(
    before: Chain, after: Sequence[BitmapNode], actions: Sequence[Action], reasons: Mapping[str, Fault] | None = None
) -> Outcome:
    reasons = reasons or {}
    lost, broken, actions, chain = [], [], list(actions), list(after)
    for name in names(before):
        found, now = fault(before, name), fault(chain, name)
        if found is not None:
            broken.append(Lost(name, found))
        elif name in reasons:
            lost.append(Lost(name, reasons[name]))
        elif now is not None:
            lost.append(Lost(name, now if chain[0].keeps else Fault.NOT_KEPT))
        if now is None and (found is not None or name in reasons):
            actions.append(_remove(chain[0].node, name))
            chain[0] = _with(chain[0], (bitmap for bitmap in chain[0].bitmaps if bitmap.name != name))
    return Outcome(tuple(actions), tuple(chain), tuple(lost), tuple(broken))


def _parts(chain: Chain, name: str) -> list[tuple[BitmapNode, NodeBitmap]]:
    return [(node, bitmap) for node in chain if (bitmap := node.bitmap(name)) is not None]


def _with(node: BitmapNode, bitmaps: Iterable[NodeBitmap]) -> BitmapNode:
    return replace(node, bitmaps=tuple(bitmaps))


def _add(node: str, name: str, granularity: int | None, *, persistent: bool = True, disabled: bool = False) -> Action:
    data: dict[str, Any] = {"node": node, "name": name, "persistent": persistent, "disabled": disabled}
    if granularity is not None:
        data["granularity"] = granularity
    return {"type": "block-dirty-bitmap-add", "data": data}


def _merge_action(node: str, target: str, parts: Sequence[tuple[BitmapNode, NodeBitmap]]) -> Action:
    bitmaps = [{"node": source.node, "name": bitmap.name} for source, bitmap in parts]
    return {"type": "block-dirty-bitmap-merge", "data": {"node": node, "target": target, "bitmaps": bitmaps}}


def _remove(node: str, name: str) -> Action:
    return {"type": "block-dirty-bitmap-remove", "data": {"node": node, "name": name}}
