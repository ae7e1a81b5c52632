"""What becomes of dirty bitmaps: as a table of cases, against sets of dirty blocks, and against QEMU where layers differ in size."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diskchain.image.bitmap import Bitmap
from diskchain.jobs.bitmaps import (
    ACTIVE_WRITE,
    BitmapNode,
    Fault,
    Lost,
    NodeBitmap,
    Outcome,
    backup,
    commit,
    copy,
    delete_checkpoint,
    fault,
    of_header,
    of_qmp,
    pull,
    snapshot,
)
from diskchain.qemu.daemon import QmpRefused, StorageDaemon
from tests.live.private_libvirtd import wait_for
from tests.live.storage import QemuImg

SIZE = 1 << 20


def node(name: str, *bitmaps: str | NodeBitmap, keeps: bool = True, capacity: int = SIZE) -> BitmapNode:
    made = tuple(NodeBitmap(each, 65536) if isinstance(each, str) else each for each in bitmaps)
    return BitmapNode(name, capacity, made, keeps=keeps)


BROKEN = {
    Fault.MISSING: (node("top"), node("base", "a")),
    Fault.GAP: (node("top", "a"), node("mid"), node("base", "a")),
    Fault.INCONSISTENT: (node("top", "a"), node("base", NodeBitmap("a", 65536, inconsistent=True))),
    Fault.NOT_RECORDING: (node("top", NodeBitmap("a", 65536, recording=False)), node("base", "a")),
    Fault.NOT_PERSISTENT: (node("top", NodeBitmap("a", 65536, persistent=False)),),
}


@pytest.mark.parametrize(("why", "chain"), BROKEN.items(), ids=[reason.name for reason in BROKEN])
def test_a_bitmap_is_broken_for_each_of_libvirts_reasons(why: Fault, chain: tuple[BitmapNode, ...]) -> None:
    assert fault(chain, "a") is why
    assert commit(chain, 0, len(chain) - 1).broken == (Lost("a", why),)


def test_a_bitmap_from_the_top_down_without_a_gap_is_whole() -> None:
    assert fault((node("top", "a", "b"), node("mid", "a"), node("base")), "a") is None


def test_a_bitmap_in_use_in_a_header_is_inconsistent() -> None:
    assert of_header(Bitmap("a", 65536, ("in-use", "auto"))) == NodeBitmap("a", 65536, inconsistent=True)
    assert of_header(Bitmap("a", 65536, ())) == NodeBitmap("a", 65536, recording=False)


def test_an_overlay_goes_on_recording_what_its_backing_file_records() -> None:
    old = node("old", "a", NodeBitmap("idle", 65536, recording=False))
    outcome = snapshot((old,), node("new"))
    assert [bitmap.name for bitmap in outcome.after[0].bitmaps] == ["a"]
    assert not outcome.lost


def test_an_overlay_that_stores_no_bitmaps_loses_them_and_it_is_said() -> None:
    outcome = snapshot((node("old", "a"),), node("new", keeps=False))
    assert outcome.actions == ()
    assert outcome.lost == (Lost("a", Fault.NOT_KEPT),)


def test_bitmaps_that_a_raw_base_cannot_hold_are_lost_and_it_is_said() -> None:
    chain = (node("top", "a"), node("mid", "a"), node("base", keeps=False))
    assert commit(chain, 0, 2).lost == (Lost("a", Fault.NOT_KEPT),)
    # The top layer keeps its own part, and nothing below had one.
    assert not commit((node("top", "a"), node("mid"), node("base", keeps=False)), 1, 2).lost
    assert copy(chain, node("copy", keeps=False), shallow=False).lost == (Lost("a", Fault.NOT_KEPT),)


def test_a_middle_part_that_a_raw_base_cannot_hold_goes_to_the_layer_above() -> None:
    outcome = commit((node("top", "a"), node("mid", "a"), node("base", keeps=False)), 1, 2)
    assert not outcome.lost
    parts = [{"node": "top", "name": "a"}, {"node": "mid", "name": "a"}]
    merge = {"type": "block-dirty-bitmap-merge", "data": {"node": "top", "target": "a", "bitmaps": parts}}
    assert outcome.actions == (merge,)


def test_a_rest_that_would_pass_for_the_whole_is_removed() -> None:
    outcome = pull((node("top", "a"), node("mid", "a", capacity=SIZE // 2)), None)
    assert outcome.lost == (Lost("a", Fault.OTHER_SIZE),)
    assert outcome.actions == ({"type": "block-dirty-bitmap-remove", "data": {"node": "top", "name": "a"}},)


def test_a_bitmap_that_was_broken_does_not_become_whole_by_a_job() -> None:
    outcome = pull(BROKEN[Fault.GAP], 2)
    assert outcome.broken == (Lost("a", Fault.GAP),)
    assert fault(outcome.after, "a") is Fault.MISSING


def test_a_base_that_is_smaller_grows_before_bitmaps_are_merged_into_it() -> None:
    chain = (node("top", "a"), node("base", "a", capacity=SIZE // 2))
    assert commit(chain, 0, 1).lost == ()
    assert commit((node("top", "a"), node("base", "a", capacity=2 * SIZE)), 0, 1).lost == (Lost("a", Fault.OTHER_SIZE),)


def test_a_broken_bitmap_of_the_same_name_in_the_base_is_in_the_way() -> None:
    disabled = NodeBitmap("a", 65536, recording=False)
    # The chain is broken already through it, so it is told as broken and not as lost.
    assert commit((node("top", "a"), node("base", disabled)), 0, 1).broken == (Lost("a", Fault.NOT_RECORDING),)
    assert copy((node("top", "a"),), node("target", disabled), shallow=False).lost == (Lost("a", Fault.HAS_NAME),)


def test_a_backup_since_a_broken_bitmap_is_refused() -> None:
    with pytest.raises(LookupError, match="no such bitmap"):
        backup((node("top"),), "a", "top", "tmp")


def test_what_a_guest_writes_as_a_job_ends_goes_into_every_bitmap() -> None:
    outcome = commit((node("top", "a"), node("base")), 0, 1, guest_writes=True)
    merge, remove = outcome.actions[-2:]
    assert {"node": "base", "name": ACTIVE_WRITE} in merge["data"]["bitmaps"]
    assert remove == {"type": "block-dirty-bitmap-remove", "data": {"node": "base", "name": ACTIVE_WRITE}}


# Against sets of dirty blocks: what was dirty in the whole chain is dirty afterwards, and nothing else is.

BLOCKS = st.frozensets(st.integers(0, 15))
Contents = dict[tuple[str, str], frozenset[int]]


@st.composite
def chains(draw: st.DrawFn) -> tuple[list[BitmapNode], Contents]:
    """Chains of up to five layers with up to three bitmaps, most of them whole."""
    depth = draw(st.integers(1, 5))
    bitmaps: list[list[NodeBitmap]] = [[] for _ in range(depth)]
    contents: Contents = {}
    for name in draw(st.lists(st.sampled_from("abc"), unique=True)):
        reach = draw(st.integers(1, depth))
        for place in range(reach):
            if draw(st.integers(0, 9)):
                healthy = draw(st.integers(0, 9)) > 0
                bitmaps[place].append(NodeBitmap(name, draw(st.sampled_from((512, 65536))), recording=healthy))
                contents[f"n{place}", name] = draw(BLOCKS)
    keeps = [draw(st.integers(0, 9)) > 0 or bool(bitmaps[place]) for place in range(depth)]
    sizes = [draw(st.sampled_from((SIZE, SIZE, SIZE, SIZE // 2))) for _ in range(depth)]
    nodes = [BitmapNode(f"n{at}", sizes[at], tuple(bitmaps[at]), keeps[at]) for at in range(depth)]
    return nodes, contents


def run(actions: tuple[Any, ...], contents: Contents) -> Contents:
    """What QEMU does with a transaction."""
    contents = dict(contents)
    for action in actions:
        data = action["data"]
        if action["type"] == "block-dirty-bitmap-add":
            assert (data["node"], data["name"]) not in contents
            contents[data["node"], data["name"]] = frozenset()
        elif action["type"] == "block-dirty-bitmap-remove":
            del contents[data["node"], data["name"]]
        else:
            parts = [contents[part["node"], part["name"]] for part in data["bitmaps"]]
            contents[data["node"], data["target"]] |= frozenset[int]().union(*parts)
    return contents


def dirty(chain: tuple[BitmapNode, ...] | list[BitmapNode], contents: Contents, name: str) -> frozenset[int]:
    return frozenset[int]().union(*(contents.get((each.node, name), frozenset()) for each in chain))


def held(chain: list[BitmapNode], contents: Contents, outcome: Outcome) -> None:
    after = run(outcome.actions, contents)
    lost = {each.name for each in (*outcome.lost, *outcome.broken)}
    for name in "abc":
        if fault(chain, name) is not None:
            assert fault(outcome.after, name) is not None, "broken, and passes for whole"
        if fault(chain, name) is None and name not in lost:
            assert fault(outcome.after, name) is None
            assert dirty(outcome.after, after, name) == dirty(chain, contents, name)
        elif any(each.name == name for each in outcome.lost):
            assert fault(outcome.after, name) is not None, "lost, and passes for whole"
    for each in outcome.after:
        assert {name for at, name in after if at == each.node} == {bitmap.name for bitmap in each.bitmaps}


@given(chains(), st.data())
def test_no_job_loses_a_dirty_block_unless_it_says_so(
    drawn: tuple[list[BitmapNode], Contents], data: st.DataObject
) -> None:
    chain, contents = drawn
    target = node("copy", keeps=data.draw(st.booleans()))
    jobs: list[Callable[[], Outcome]] = [
        lambda: snapshot(chain, target),
        lambda: copy(chain, target, shallow=True),
        lambda: copy(chain, target, shallow=False),
        lambda: pull(chain, None),
        lambda: delete_checkpoint(chain, "a"),
    ]
    if len(chain) > 1:
        base = data.draw(st.integers(1, len(chain) - 1))
        top = data.draw(st.integers(0, base - 1))
        jobs += [lambda: commit(chain, top, base), lambda: pull(chain, base)]
    chosen = data.draw(st.integers(0, len(jobs) - 1))
    outcome = jobs[chosen]()
    if chosen == 4:  # the bitmap shall go, and no other
        assert fault(outcome.after, "a") is Fault.MISSING
        assert all(fault(outcome.after, name) is fault(chain, name) for name in "bc")
    else:
        held(chain, contents, outcome)


@given(chains())
def test_a_backup_copies_all_that_is_dirty(drawn: tuple[list[BitmapNode], Contents]) -> None:
    chain, contents = drawn
    if fault(chain, "a") is None:
        actions = backup(chain, "a", "n0", "tmp")
        assert run(actions, contents)["n0", "tmp"] == dirty(chain, contents, "a")


# Against QEMU: sizes, and formats that store no bitmaps.


def add(daemon: StorageDaemon, name: str, path: Path, format: str, backing: str | None = None) -> None:
    node: dict[str, Any] = {"driver": format, "node-name": name, "file": {"driver": "file", "filename": str(path)}}
    daemon.execute("blockdev-add", {**node, **({"backing": backing} if format == "qcow2" else {})})


def known(daemon: StorageDaemon, *names: str) -> list[BitmapNode]:
    nodes = {each["node-name"]: of_qmp(each) for each in daemon.execute("query-named-block-nodes", {"flat": True})}
    return [nodes[name] for name in names]


def test_qemu_merges_no_bitmaps_of_layers_of_different_sizes(tmp_path: Path, qemu_img: QemuImg) -> None:
    with StorageDaemon() as daemon:
        for name, size, backing in (("base", "2M", None), ("top", "1M", "base")):
            qemu_img("create", "-q", "-f", "qcow2", tmp_path / name, size)
            add(daemon, name, tmp_path / name, "qcow2", backing)
            daemon.execute("block-dirty-bitmap-add", {"node": name, "name": "a", "persistent": True})
        outcome = commit(known(daemon, "top", "base"), 0, 1)
        assert outcome.lost == (Lost("a", Fault.OTHER_SIZE),)
        merge = {"node": "base", "target": "a", "bitmaps": [{"node": "top", "name": "a"}]}
        with pytest.raises(QmpRefused, match="different sizes"):
            daemon.execute("block-dirty-bitmap-merge", merge)


def test_qemu_makes_a_smaller_base_grow_and_merges_bitmaps_into_it_then(tmp_path: Path, qemu_img: QemuImg) -> None:
    with StorageDaemon() as daemon:
        for name, size, backing in (("base", "1M", None), ("top", "2M", "base")):
            qemu_img("create", "-q", "-f", "qcow2", tmp_path / name, size)
            add(daemon, name, tmp_path / name, "qcow2", backing)
            daemon.execute("block-dirty-bitmap-add", {"node": name, "name": "a", "persistent": True})
        outcome = commit(known(daemon, "top", "base"), 0, 1)
        assert not outcome.lost
        # Two ends of one job: it waits to be completed.
        daemon.execute("block-commit", {"job-id": "j", "device": "top"})
        wait_for(lambda: daemon.execute("query-jobs")[0]["status"] == "ready", "the commit to be ready")
        daemon.execute("transaction", {"actions": list(outcome.actions)})
        assert known(daemon, "base")[0].bitmaps == outcome.after[0].bitmaps


@pytest.mark.parametrize(("format", "options"), [("raw", ()), ("qcow2", ("-o", "compat=0.10"))])
def test_qemu_stores_no_bitmaps_where_we_say_that_none_are_kept(
    format: str, options: tuple[str, ...], tmp_path: Path, qemu_img: QemuImg
) -> None:
    qemu_img("create", "-q", "-f", format, *options, tmp_path / "image", "1M")
    with StorageDaemon() as daemon:
        add(daemon, "image", tmp_path / "image", format)
        assert not known(daemon, "image")[0].keeps
        with pytest.raises(QmpRefused):
            daemon.execute("block-dirty-bitmap-add", {"node": "image", "name": "a", "persistent": True})
