"""Many chains at once are the chains one by one, in order, whether storage is quick or slow."""

import errno
import gc
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest
from tests.discover.chains import paths
from tests.discover.written import write_qcow2
from tests.live.hung import Served

from diskchain.discover import Discoverer
from diskchain.discover import batch as many
from diskchain.discover.batch import discover_many
from diskchain.readers.local import expect
from diskchain.readers.policy import LIBVIRT, STRICT, UPLOAD, OpenPolicy
from diskchain.storage.location import FileLocation, NetworkLocation
from diskchain.storage.source import Source
from diskchain.storage.terms import Format, Protocol

COUNT = 1200  # more than two batches


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Source]:
    """Overlays five deep over a few bases, with some that are missing, elsewhere, of no format, or look at what they may not."""
    root = tmp_path_factory.mktemp("fleet")
    found = []
    for number in range(COUNT):
        path = root / str(number)
        if number % 6 == 0:
            path.write_bytes(bytes(512))
        elif number % 100 == 1:
            write_qcow2(path, "/etc/passwd", "raw")
        else:
            write_qcow2(path, str(number - 1), "raw" if number % 6 == 1 else "qcow2")
        format = Format.RAW if number % 6 == 0 else Format.QCOW2
        found.append(Source(FileLocation(str(path)), None if number % 50 == 2 else format))
    found[3] = Source(FileLocation(f"{root}/gone"), Format.QCOW2)
    found[700] = Source(NetworkLocation(Protocol.NBD, "disk"), Format.RAW)
    return found


def declared(sources: Iterable[Source]) -> Iterator[tuple[Source, bool]]:
    return ((source, False) for source in sources)


@pytest.fixture(params=["quick", "slow", "far"])
def storage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(many, "_BATCH", COUNT * 2 // 5)
    monkeypatch.setattr(many, "_SLOW", float("inf") if request.param == "quick" else 0.0)
    monkeypatch.setattr(many, "_FAR", 0.0 if request.param == "far" else float("inf"))


@pytest.mark.usefixtures("storage")
@pytest.mark.parametrize("policy", [LIBVIRT, STRICT, UPLOAD], ids=lambda policy: policy.name)
@pytest.mark.parametrize("probe", [False, True])
def test_they_are_the_chains_one_by_one(sources: list[Source], policy: OpenPolicy, probe: bool) -> None:  # noqa: FBT001
    single = Discoverer(policy)
    expected = [single.discover(source, probe=probe) for source in sources]
    for seconds in (math.inf, 60.0):
        assert list(discover_many(Discoverer(policy, seconds=seconds), [(each, probe) for each in sources])) == expected


@pytest.mark.usefixtures("storage")
def test_tops_alone_are_enough(sources: list[Source]) -> None:
    tops = sources[5::6]
    single = Discoverer()
    assert list(discover_many(Discoverer(), declared(tops))) == [single.discover(source) for source in tops]


@pytest.mark.usefixtures("storage")
def test_sources_are_taken_one_batch_in_advance(sources: list[Source]) -> None:
    taken = []

    def asked() -> Iterator[Source]:
        for source in sources:
            taken.append(source)
            yield source

    chains = discover_many(Discoverer(), declared(asked()))
    assert not taken
    next(chains)
    assert len(taken) == COUNT * 2 // 5


@pytest.mark.usefixtures("storage")
def test_those_that_do_not_answer_hold_up_no_others(sources: list[Source], serve: Callable[[Path], Served]) -> None:
    few = sources[:60]
    expected = [Discoverer().discover(source) for source in few]
    dead = [Path(str(few[position].location[0])) for position in (4, 30, 55)]
    for path in dead:
        serve(path).hang()
    started = time.monotonic()
    found = list(discover_many(Discoverer(seconds=0.4), declared(few)))
    assert time.monotonic() - started < 10
    assert len(found) == len(expected)
    waited_for = {str(path) for path in dead}
    for chain, answered in zip(found, expected, strict=True):
        if waited_for.isdisjoint(paths(answered)):
            assert chain == answered
        else:
            *_, last = chain.layers
            assert last.source.location[0] in waited_for
            assert [each.id for each in last.findings] == ["timeout"]
            assert paths(answered)[: len(paths(chain))] == paths(chain)


def test_a_discoverer_can_be_used_while_its_batch_is_half_way(sources: list[Source]) -> None:
    single = Discoverer()
    expected = [single.discover(source) for source in sources]
    discoverer = Discoverer()
    for number, chain in enumerate(discover_many(discoverer, declared(sources))):
        assert chain == expected[number]
        if number % 100 == 0:
            assert discoverer.discover(sources[-number]) == expected[-number]


def test_the_garbage_collector_is_left_as_it_was_found(sources: list[Source]) -> None:
    usual = gc.get_threshold()
    assert len(list(discover_many(Discoverer(), declared(sources[:10])))) == 10
    assert gc.get_threshold() == usual
    chains = discover_many(Discoverer(), declared(sources))
    next(chains)
    assert gc.get_threshold()[0] >= 50_000
    chains.close()
    assert gc.get_threshold() == usual


def test_a_collector_that_is_off_stays_off(sources: list[Source]) -> None:
    usual = gc.get_threshold()
    gc.set_threshold(0)
    try:
        next(discover_many(Discoverer(), declared(sources)))
        assert gc.get_threshold()[0] == 0
    finally:
        gc.set_threshold(*usual)


def test_what_is_expected_is_opened_only_if_it_is_storage(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path in (str(fifo), str(tmp_path), f"{tmp_path}/gone", "/dev/tty", "\0"):
        expect(path)
    with pytest.raises(OSError, match=os.strerror(errno.ENXIO)):  # nobody has it open for reading
        os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
