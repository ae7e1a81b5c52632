"""A walk that gets no answer is given up: what is above is told, and the layer that did not answer is named."""

import math
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.discover.chains import ids, paths
from tests.discover.written import write_qcow2
from tests.image.makers import vmdk
from tests.live.hung import Served

from diskchain.discover import BackingChain, Discoverer
from diskchain.readers.policy import STRICT
from diskchain.storage.location import FileLocation
from diskchain.storage.source import TERMINATOR, UNKNOWN, Source
from diskchain.storage.terms import Format
from diskchain.system.deadline import left_behind

Serve = Callable[[Path], Served]
SECONDS = 0.5


def source(path: Path) -> Source:
    return Source(FileLocation(str(path)), Format.QCOW2)


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """``top`` over ``mid`` over ``base``, in a directory of their own."""
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "base").write_bytes(bytes(1 << 16))
    mid = write_qcow2(tmp_path / "images" / "mid", "base", "raw")
    os.truncate(mid, 1 << 16)
    return write_qcow2(tmp_path / "images" / "top", "mid")


def measured(discoverer: Discoverer, top: Source) -> tuple[BackingChain, float]:
    started = time.monotonic()
    return discoverer.discover(top), time.monotonic() - started


def test_storage_that_answers_gives_what_a_walk_without_a_deadline_gives(chain: Path) -> None:
    timed = Discoverer(seconds=60)
    for top in (chain, chain.with_name("mid"), chain, chain.with_name("gone")):
        assert timed.discover(source(top)) == Discoverer(seconds=math.inf).discover(source(top))
    assert timed.discover(source(chain)).top.below is timed.discover(source(chain)).top.below
    assert not left_behind()


def test_a_top_that_does_not_answer_is_told(chain: Path, serve: Serve) -> None:
    serve(chain).hang()
    found, took = measured(Discoverer(seconds=SECONDS), source(chain))
    assert SECONDS <= took < 5
    assert paths(found) == [str(chain)]
    assert ids(found) == ["timeout"]
    assert found.source.backing is UNKNOWN
    assert left_behind()


def test_what_is_above_a_layer_that_does_not_answer_is_told(chain: Path, serve: Serve) -> None:
    serve(chain.with_name("mid")).hang()
    found, _ = measured(Discoverer(seconds=SECONDS), source(chain))
    assert paths(found) == [str(chain), str(chain.with_name("mid"))]
    top, mid = found.layers
    assert top.header is not None
    assert not top.findings
    (told,) = mid.findings
    assert (told.id, told.file, told.referrer) == ("timeout", str(chain.with_name("mid")), str(chain))
    assert not found.complete


def test_what_was_declared_below_stays(chain: Path, serve: Serve) -> None:
    serve(chain).hang()
    base = Source(FileLocation(f"{chain.with_name('base')}"), Format.RAW, TERMINATOR)
    found, _ = measured(Discoverer(seconds=SECONDS), source(chain)._replace(backing=base))
    assert ids(found) == ["timeout"]
    assert found.source.backing == base


def test_a_data_file_that_does_not_answer_is_told(chain: Path, serve: Serve) -> None:
    base = chain.with_name("base")
    top = write_qcow2(chain.with_name("split"), data_file=str(base))
    serve(base).hang()
    found, _ = measured(Discoverer(seconds=SECONDS), source(top))
    (layer,) = found.layers
    assert layer.header is not None
    assert layer.data_file is not None
    assert [each.id for each in layer.data_file.findings] == ["timeout"]
    assert layer.source.data_file == layer.data_file.source
    assert layer.source.backing is UNKNOWN


def test_an_extent_that_does_not_answer_is_told(chain: Path, serve: Serve) -> None:
    base = chain.with_name("base")
    split = chain.with_name("split.vmdk")
    split.write_bytes(vmdk.descriptor([f'RW 1 FLAT "{name}" 0' for name in (chain.name, "base")]))
    serve(base).hang()
    found, _ = measured(Discoverer(seconds=SECONDS), Source(FileLocation(str(split)), Format.VMDK))
    (layer,) = found.layers
    assert layer.header is not None
    assert [(str(each.source.location[0]), [told.id for told in each.findings]) for each in layer.extents] == [
        (str(base), ["timeout"])
    ]
    assert layer.source.extents == (layer.extents[0].source,)


def test_a_policy_that_gets_no_answer_is_told_of_its_layer(chain: Path, serve: Serve) -> None:
    link = chain.with_name("link")
    serve(chain.with_name("mid")).hang()
    link.symlink_to(f"{chain.with_name('mid')}/x")  # realpath(3) asks what "mid" is
    top = write_qcow2(chain.with_name("over-link"), "link")
    found, _ = measured(Discoverer(STRICT, seconds=SECONDS), source(top))
    assert paths(found) == [str(top)]
    assert ids(found) == ["timeout"]


def test_later_walks_are_not_held_up(chain: Path, serve: Serve) -> None:
    served = serve(chain.with_name("mid"))
    discoverer = Discoverer(seconds=2)
    assert discoverer.discover(source(chain)).complete
    served.hang()
    other = write_qcow2(chain.with_name("other"), "mid")
    fresh = Discoverer(seconds=2)
    assert ids(fresh.discover(source(chain))) == ["timeout"]
    found, took = measured(fresh, source(other))
    assert ids(found) == ["timeout"]
    assert took < 1
    assert fresh.discover(source(chain.with_name("base"))._replace(format=Format.RAW)).complete


def test_who_answers_late_is_asked_again(chain: Path, serve: Serve) -> None:
    served = serve(chain.with_name("mid"))
    served.hang()
    discoverer = Discoverer(seconds=SECONDS)
    assert ids(discoverer.discover(source(chain))) == ["timeout"]
    served.answer()
    while left_behind():
        time.sleep(0.01)
    assert discoverer.discover(source(chain)).complete
