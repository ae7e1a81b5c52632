"""All that a qcow2 image's tables refer to, compared with its refcounts: what ``qemu-img check`` finds, without writing anything.

The file is gone through in stretches, so that memory is bounded: numbers for 16 million clusters at a time, which are 1 TiB in clusters of
64 KiB. Of a longer file the tables are read once for each stretch.
Source: QEMU ``block/qcow2-refcount.c`` (7.2, ``qcow2_check_refcounts``).
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from diskchain.allocation.container import Container
from diskchain.allocation.extents import I64
from diskchain.allocation.integrity.qcow2_areas import Area, NamedTables, fixed_areas, read_l1_table, snapshot_l1s
from diskchain.allocation.integrity.refcounts import Refcounts
from diskchain.allocation.integrity.references import References, references
from diskchain.allocation.problems import Problems
from diskchain.allocation.qcow2_layout import COMPRESSED_FLAG, COPIED, Layout, read_layout
from diskchain.findings import Severity
from diskchain.units import human_size

_STRETCH: Final = 1 << 24  # clusters
_FIRST: Final = 3


def check_qcow2(container: Container, problems: Problems) -> None:
    """Note what is wrong with the tables of the image in ``container``. Raises ImageError for what QEMU would not open, StorageError."""
    _Check(container, problems).run()


class _Check:
    def __init__(self, container: Container, problems: Problems) -> None:
        self.container = container
        self.problems = problems
        self.layout: Layout = read_layout(container)
        self.refcounts = Refcounts(container, self.layout, problems)
        self.areas: list[Area] = list(fixed_areas(container, self.layout, problems))
        active = self._l1("the L1 table", self.layout.l1_at, self.layout.l1_size)
        snapshots = snapshot_l1s(container, self.layout, problems)
        self.areas += snapshots
        others = [self._l1(each.what, each.start, each.length // 8, counted=True) for each in snapshots[1:]]
        named = np.concatenate([active.offsets, *(each.offsets for each in others)])
        #: Every L2 table once, and how often it is named.
        self.tables, self.named = np.unique(named, return_counts=True)
        self.active = np.isin(self.tables, active.offsets)
        self._all_active = bool(self.active.all())
        self._named_once = bool((self.named == 1).all())
        self._active_l1, self._active_copied = active.offsets, active.copied

    def _l1(self, what: str, at: int, entries: int, *, counted: bool = False) -> NamedTables:
        if entries and not counted:
            self.areas.append(Area(what, at, entries * 8))
        return read_l1_table(self.container, self.layout, what, at, entries, self.problems)

    def run(self) -> None:
        """Go through the file."""
        clusters = -(-self.container.size // self.layout.cluster)
        leaked = 0
        low: list[tuple[int, int, int]] = []
        lower = 0
        for first in range(0, max(clusters, 1), _STRETCH):
            count = min(_STRETCH, clusters - first)
            counted = self.refcounts.counts(first, count)
            needed = self._needed(first, count, counted, noting=first == 0)
            less = np.flatnonzero(counted < needed)
            lower += len(less)
            low += [(first + at, int(counted[at]), int(needed[at])) for at in less[: _FIRST - len(low)].tolist()]
            leaked += int(np.count_nonzero(counted > needed))
        self._say(low, lower, leaked)

    def _needed(self, first: int, count: int, counted: NDArray[np.uint16], *, noting: bool) -> NDArray[np.uint32]:
        """How often each cluster of a stretch is referred to."""
        needed = np.zeros(count, np.uint32)
        for found in references(self.container, self.layout, self.tables, self.problems if noting else None):
            self._judge_copied(found, first, counted)
            if found.plain and self._named_once:
                _add_plain(needed, found.cluster - first)
            else:
                _add(needed, found, self.named[found.table], first)
        data = needed > 0
        for what, starts, times in self._metadata(noting=noting):
            inside = (starts >= first) & (starts < first + count)
            at = starts[inside] - first
            both = at[data[at]]
            if len(both):
                places = tuple(f"{int(first + each) << self.layout.bits:#x}" for each in both[:3])
                self.problems.note(f"data where {what} is", places=places, count=len(both), id="tables-overlap")
            np.add.at(needed, at, times[inside].astype(np.uint32))
        if noting:
            self._judge_l1(counted)
        return needed

    def _metadata(self, *, noting: bool) -> "list[tuple[str, I64, I64]]":
        """Clusters of all that is not data, with how often each is used."""
        bits, size = self.layout.bits, self.container.size
        found: list[tuple[str, I64, I64]] = []
        for area in self.areas:
            what, start, length = area.what, area.start, area.length
            if length <= 0:
                continue
            if start + length - size >= self.layout.cluster:
                if noting:
                    self.problems.note(f"{what} reaches behind the end of the file")
                continue
            clusters = np.arange(start >> bits, (start + length - 1 >> bits) + 1)
            found.append((what, clusters, np.ones(len(clusters), np.int64)))
        found.append(("an L2 table", self.tables >> bits, self.named))
        blocks, times = np.unique(self.refcounts.blocks >> bits, return_counts=True)
        found.append(("a refcount block", blocks, times))
        if noting:
            self._judge_overlaps(found)
        return found

    def _judge_overlaps(self, found: "list[tuple[str, I64, I64]]") -> None:
        """Two tables in one place."""
        every = np.concatenate([clusters for _, clusters, _ in found])
        owner = np.repeat(np.arange(len(found)), [len(clusters) for _, clusters, _ in found])
        order = np.argsort(every, kind="stable")
        same = np.flatnonzero(every[order][1:] == every[order][:-1])
        for at in same[:_FIRST].tolist():
            one, other = found[owner[order[at]]][0], found[owner[order[at + 1]]][0]
            place = f"{int(every[order[at]]) << self.layout.bits:#x}"
            self.problems.note(f"{one} and {other} are in one place", places=(place,), id="tables-overlap")

    def _judge_copied(self, found: References, first: int, counted: NDArray[np.uint16]) -> None:
        """Whether entries say that a cluster may be written in place exactly where nothing else uses it."""
        if self.layout.external:
            return
        at = found.cluster - first
        inside = found.plain and self._all_active and len(at) > 0 and at.min() >= 0 and at.max() < len(counted)
        if inside and bool((counted[at] == 1).all()):
            return
        looked = (
            (at >= 0)
            & (at < len(counted))
            & self.active[found.table]
            & ((found.entry & np.uint64(COMPRESSED_FLAG)) == 0)
        )
        single = counted[at[looked]] == 1
        copied = (found.entry[looked] & np.uint64(COPIED)) != 0
        places = found.cluster[looked] << self.layout.bits
        self._note_copied("clusters", places, single, copied)

    def _judge_l1(self, counted: NDArray[np.uint16]) -> None:
        at = self._active_l1 >> self.layout.bits
        looked = at < len(counted)
        self._note_copied("L2 tables", self._active_l1[looked], counted[at[looked]] == 1, self._active_copied[looked])

    def _note_copied(self, what: str, places: I64, single: NDArray[np.bool_], copied: NDArray[np.bool_]) -> None:
        for problem, which in (
            (
                f"{what} that are marked as to be written in place, and are counted otherwise than once",
                copied & ~single,
            ),
            (f"{what} that are counted once, and not marked as to be written in place", single & ~copied),
        ):
            if which.any():
                shown = tuple(f"{int(each):#x}" for each in places[which][:3])
                self.problems.note(problem, places=shown, count=int(which.sum()))

    def _say(self, low: list[tuple[int, int, int]], lower: int, leaked: int) -> None:
        bits = self.layout.bits
        if lower:
            places = tuple(f"{cluster << bits:#x} counted {had}, used {used}" for cluster, had, used in low)
            self.problems.note(
                "clusters with a refcount below their references, so that a write may go to what something else uses",
                places=places,
                count=lower,
                id="refcount-low",
            )
        if leaked:
            self.problems.note(
                f"{leaked} cluster{'s' if leaked > 1 else ''} ({human_size(leaked << bits)}) counted more often than used: room that is lost, no data",
                id="leaked-clusters",
                severity=Severity.INFO,
            )


def _add_plain(needed: NDArray[np.uint32], at: I64) -> None:
    """Count clusters once each; a run of them at once."""
    if at[0] >= 0 and at[-1] < len(needed) and at[-1] - at[0] == len(at) - 1 and bool((at[1:] - at[:-1] == 1).all()):
        needed[at[0] : at[-1] + 1] += np.uint32(1)
        return
    inside = at if at.min() >= 0 and at.max() < len(needed) else at[(at >= 0) & (at < len(needed))]
    np.add.at(needed, inside, np.uint32(1))


def _add(needed: NDArray[np.uint32], found: References, times: I64, first: int) -> None:
    """Count what was found, each as often as its table is named."""
    at = found.cluster - first
    if not len(at):
        return
    if found.plain:
        inside = (at >= 0) & (at < len(needed))
        np.add.at(needed, at[inside], times[inside].astype(np.uint32))
        return
    one = found.count == 1
    inside = one & (at >= 0) & (at < len(needed))
    np.add.at(needed, at[inside], times[inside].astype(np.uint32))
    several = np.flatnonzero(~one)
    if len(several):
        count = found.count[several]
        owner = np.repeat(several, count)
        number = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
        places = at[owner] + number
        inside = (places >= 0) & (places < len(needed))
        np.add.at(needed, places[inside], times[owner[inside]].astype(np.uint32))
