"""Which leaf of a chain that somebody else merged is right, with the evidence: a finding that says so, or that it cannot be told.

Three situations. *The pointer was moved*: the disk names a layer that another leaf stands on, too, so that leaf may be what it named
before. *A layer was being filled*: the disk's active layer is as it was, something below it may hold all of it already. *The disk was
switched*: the disk is a layer that a leaf still stands on. A layer is called right only where both read the same, or where what was copied
proves that a merge had begun and could not have been finished; never by a time.
"""

import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from diskchain.discover.chain import BackingChain, Layer
from diskchain.errors import printable
from diskchain.findings import Finding, Severity, finding
from diskchain.jobs.adopt.remains import difference, has_data_outside, holds_unfound_clusters, merge_into
from diskchain.storage.location import describe_location, local_path
from diskchain.storage.source import Source, layers, with_backing
from diskchain.system.shell_words import file_word, shell_word
from diskchain.units import human_size

_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Leaf:
    """An image that no header names, whose chain meets the disk's. ``joins``: the place in the disk's chain where it does."""

    chain: BackingChain
    joins: int


def judge(
    chain: BackingChain,
    leaves: Sequence[Leaf],
    unrelated: Sequence[BackingChain] = (),
    declared: frozenset[str] = frozenset(),
) -> Iterator[Finding]:
    """What there is to say of the disk of ``chain``.

    ``unrelated``: leaves that have no file in common with a disk without a backing file; ``declared``: paths that a document names below
    its top. Raises PeerError, OSError.
    """
    switched = [leaf for leaf in leaves if leaf.joins == 0]
    beside = [leaf for leaf in leaves if leaf.joins == 1]
    yield from _moved(chain, beside, declared)
    yield from _switched(chain, switched)
    if len(chain) == 1:
        yield from _flattened(chain, unrelated)
    if not switched:
        yield from _filled(chain)


def _moved(chain: BackingChain, beside: Sequence[Leaf], declared: frozenset[str]) -> Iterator[Finding]:
    top = chain.top.source
    unknown: list[Leaf] = []
    proven: list[Leaf] = []
    for leaf in beside:
        between = [*leaf.chain][: _length_above(leaf, chain)]
        if difference(top, with_backing(top, leaf.chain.source)) is None:
            message = f"{_name(top)} reads the same with and without {_name(leaf.chain.source)}, and does not need it"
            yield finding("merge-complete", message, file=_path(top), referrer=_path(leaf.chain.source))
        elif _path(leaf.chain.source) in declared or _was_below(chain, between):
            proven.append(leaf)
        else:
            unknown.append(leaf)
    if len(proven) == 1:
        yield _incomplete_move(chain, proven[0], declared)
    elif proven or unknown:
        unknown = proven or unknown
        shown = "; ".join(_described(leaf.chain.top) for leaf in unknown[:_SHOWN])
        more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
        message = (
            f"{_described(chain.top)} names {_name(chain[1].source)}; over what else stands on that it would read differently: "
            f"{shown}{more}. Whether it stood on one of them before cannot be told from the files"
        )
        yield finding("merge-undecidable", message, file=_path(top))


def _length_above(leaf: Leaf, chain: BackingChain) -> int:
    """How many layers of a leaf are above where it meets the disk's chain."""
    return len(leaf.chain) - (len(chain) - leaf.joins)


def _was_below(chain: BackingChain, between: Sequence[Layer]) -> bool:
    """Whether a copy from the first of these layers, that has data the disk does not hide, was cut off before its tables were written.

    The first, since those below it may be shared with other leaves. It went into the disk's active layer or the one it names now.
    """
    size, top = _cluster(chain.top), chain.top.source
    targets = [layer for layer in [*chain][:2] if _cluster(layer) == size]
    for layer in between:
        if size is None or _cluster(layer) != size:
            return False
        if any(holds_unfound_clusters(target.source, [layer.source], top, size) for target in targets):
            return True
        if has_data_outside(layer.source, top, size):
            return False
    return False


def _cluster(layer: Layer) -> int | None:
    return None if layer.header is None else layer.header.cluster_size


def _incomplete_move(chain: BackingChain, leaf: Leaf, declared: frozenset[str]) -> Finding:
    top, right = _path(chain.top.source) or "", _path(leaf.chain.source) or ""
    over = _name(chain[1].source) if len(chain) > 1 else "nothing"
    why = (
        "the document names it there"
        if right in declared
        else "the clusters that were copied from it are there, and no table leads to them"
    )
    kept = f"head -c {max(_cluster(chain.top) or 0, 65536)} -- {shell_word(top)} | gzip > {shell_word(top + '.before-rebase.gz')}"
    message = (
        f"{printable(top)} was put over {over} before all of {printable(right)} was copied: {why}. "
        f"It reads right over {printable(right)} alone"
    )
    fix = f"{kept} && qemu-img rebase -u -b {shell_word(right)} -F {leaf.chain.source.format} {file_word(top)}"
    return finding("merge-incomplete", message, file=top, referrer=right, fix=fix)


def _switched(chain: BackingChain, leaves: Sequence[Leaf]) -> Iterator[Finding]:
    layer = chain.top.source
    unknown: list[Leaf] = []
    for leaf in leaves:
        name = _name(leaf.chain.source)
        if difference(leaf.chain.source, layer) is None:
            message = f"{_name(layer)} holds all that {name} reads as: the merge is complete, and the disk does not need {name}"
            yield finding("merge-complete", message, file=_path(layer), referrer=_path(leaf.chain.source))
            continue
        held = next(each for each in layers(leaf.chain.source) if each.location == layer.location)
        merge = merge_into(leaf.chain.source, held)
        if merge.newer is False and merge.copied:
            message = (
                f"{_name(layer)} lacks data that {name} has, and has nothing else in their place: the merge was not finished. "
                f"The disk reads right from {name} alone"
            )
            yield finding("merge-incomplete", message, file=_path(layer), referrer=_path(leaf.chain.source))
        else:
            unknown.append(leaf)
    if unknown:
        shown = "; ".join(_described(leaf.chain.top) for leaf in unknown[:_SHOWN])
        more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
        message = (
            f"{_described(chain.top)} is the disk, and has overlays that read differently: {shown}{more}. "
            "Which of them has what was written last cannot be told from the files"
        )
        yield finding("merge-undecidable", message, file=_path(layer))


def _filled(chain: BackingChain) -> Iterator[Finding]:
    """Whether a layer below the active one holds all of it, or was being filled."""
    top = chain.top.source
    below = [layer.source for layer in chain][1:]
    equal = [layer for layer in below if difference(top, layer) is None]
    if equal:
        layer = equal[-1]
        message = (
            f"{_name(layer)} reads the same as {_name(top)} over it: all of the disk is in either. "
            f"The disk may go on from {_name(layer)}, once nothing else needs {_name(top)}"
        )
        yield finding("merge-complete", message, file=_path(layer), referrer=_path(top))
        return
    for layer in [*chain][1:]:
        found = _half_filled(chain, layer)
        if found is not None:
            yield found
            return


def _half_filled(chain: BackingChain, layer: Layer) -> Finding | None:
    """What there is to say of a layer into which what is above it may have been copied in part; None: nothing shows that."""
    top, source = chain.top.source, layer.source
    merge = merge_into(top, source)
    above = [each for each in chain if len(BackingChain(each)) > len(BackingChain(layer))]
    size = _cluster(layer)
    alike = size is not None and all(_cluster(each) == size for each in above)
    if not merge.copied and not (
        alike and size is not None and holds_unfound_clusters(source, [each.source for each in above], source, size)
    ):
        return None
    if merge.newer is False:
        message = (
            f"{_name(source)} has some of the data of {_name(top)}, and lacks the rest: a merge was begun and not finished. "
            f"The disk reads right from {_name(top)}; begin the merge again"
        )
        return finding("merge-incomplete", message, severity=Severity.WARNING, file=_path(source), referrer=_path(top))
    message = (
        f"{_described_source(source)} has some of the data of {_described_source(top)}, which stands on it, and other data in places of the "
        "rest. Whether a merge was cut off, or a guest has run on the lower one since, cannot be told from the files"
    )
    return finding("merge-undecidable", message, file=_path(source), referrer=_path(top))


def _flattened(chain: BackingChain, unrelated: Sequence[BackingChain]) -> Iterator[Finding]:
    """A disk without a backing file that may have been cut off from one: its unused clusters tell."""
    found = [Leaf(other, 1) for other in unrelated if _was_below(chain, [*other])]
    if len(found) == 1:
        yield _incomplete_move(chain, found[0], frozenset())
    elif found:
        shown = "; ".join(_described(leaf.chain.top) for leaf in found[:_SHOWN])
        message = f"{_described(chain.top)} has no backing file, and was cut off from one of several: {shown}"
        yield finding("merge-undecidable", message, file=_path(chain.source))


def _path(source: Source) -> str | None:
    return local_path(source.location)


def _name(source: Source) -> str:
    return printable(describe_location(source.location))


def _described(layer: Layer) -> str:
    return _described_source(layer.source)


def _described_source(source: Source) -> str:
    """A file with its size and the time it was written to last."""
    path = _path(source)
    if path is None:
        return _name(source)
    status = os.stat(path)
    when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(status.st_mtime))
    return f"{_name(source)} ({human_size(status.st_blocks * 512)}, written {when})"
