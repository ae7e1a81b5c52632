"""The arithmetic of extents, against painting a disk byte by byte."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from diskchain.allocation.answers import DATA
from diskchain.allocation.extents import NONE, NOWHERE, Extents, clipped, folded, joined, merged, overlay, without

_SIZE = 40


@st.composite
def extents(draw: st.DrawFn) -> Extents:
    """A few pieces of a disk of 40 bytes, some with a place in a file."""
    edges = sorted(draw(st.sets(st.integers(0, _SIZE), max_size=14)))
    pairs = list(zip(edges[::2], edges[1::2], strict=False))
    hosts = [draw(st.sampled_from((NOWHERE, 100, 107))) for _ in pairs]
    tags = [draw(st.sampled_from((DATA, DATA | 1 << 8))) for _ in pairs]
    start = np.array([a for a, _ in pairs], np.int64)
    end = np.array([b for _, b in pairs], np.int64)
    host = np.array([h if h < 0 else h + a for h, (a, _) in zip(hosts, pairs, strict=True)], np.int64)
    return Extents(start, end, host, np.array(tags, np.uint32))


def painted(some: Extents) -> dict[int, tuple[int, int]]:
    """Every byte with its place in the file and its tag."""
    bytes_of = {}
    for start, end, host, tag in zip(*(column.tolist() for column in some), strict=True):
        for at in range(start, end):
            assert at not in bytes_of, "overlaps"
            bytes_of[at] = (host + at - start if host >= 0 else host, tag)
    return bytes_of


def in_order(some: Extents) -> bool:
    return bool((some.start < some.end).all() and (some.end[:-1] <= some.start[1:]).all())


@given(extents(), extents())
def test_an_overlay_shows_the_top_and_what_it_does_not_cover(top: Extents, low: Extents) -> None:
    seen = overlay(top, low)
    assert in_order(seen)
    assert painted(seen) == painted(low) | painted(top)


@given(extents(), extents())
def test_without_leaves_what_is_not_covered(low: Extents, top: Extents) -> None:
    left = without(low, top)
    covered = painted(top)
    assert in_order(left)
    assert painted(left) == {at: value for at, value in painted(low).items() if at not in covered}


@given(extents(), extents(), extents())
def test_overlaying_is_associative(one: Extents, two: Extents, three: Extents) -> None:
    assert painted(overlay(overlay(one, two), three)) == painted(overlay(one, overlay(two, three)))


@given(st.lists(extents(), max_size=6))
def test_a_chain_folded_as_a_tree_is_the_chain_folded_one_by_one(layers: list[Extents]) -> None:
    one_by_one = NONE
    for layer in reversed(layers):
        one_by_one = overlay(layer, one_by_one)
    assert painted(folded(layers)) == painted(one_by_one)


@given(extents(), st.integers(0, _SIZE), st.integers(0, _SIZE))
def test_clipping_keeps_what_is_inside(some: Extents, start: int, end: int) -> None:
    part = clipped(some, start, end)
    assert painted(part) == {at: value for at, value in painted(some).items() if start <= at < end}


@given(extents())
def test_merging_changes_no_byte_and_leaves_no_neighbours_that_are_one(some: Extents) -> None:
    whole = merged(some)
    assert painted(whole) == painted(some)
    for at in range(len(whole.start) - 1):
        host = int(whole.host[at])
        follows = host if host < 0 else host + int(whole.length[at])
        touching = whole.end[at] == whole.start[at + 1]
        assert not (touching and whole.tag[at] == whole.tag[at + 1] and follows == whole.host[at + 1])


def test_parts_that_follow_each_other_are_joined() -> None:
    one = Extents(np.array([0]), np.array([2]), np.array([NOWHERE]), np.array([DATA], np.uint32))
    two = Extents(np.array([2]), np.array([4]), np.array([NOWHERE]), np.array([DATA], np.uint32))
    assert painted(joined([one, two])).keys() == {0, 1, 2, 3}
