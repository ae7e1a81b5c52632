"""What a Discoverer remembers never changes an answer: whatever came before, it says what a new one would say."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.discover.chains import ids, paths
from tests.discover.opened import opened
from tests.discover.written import write_qcow2
from tests.image.makers import vmdk

from diskchain.discover import BackingChain, Discoverer
from diskchain.readers.policy import LIBVIRT, STRICT, OpenPolicy
from diskchain.storage.encryption import Encryption, EncryptionFormat
from diskchain.storage.location import BlockLocation, FileLocation
from diskchain.storage.seclabel import SecLabel
from diskchain.storage.slice import Slice
from diskchain.storage.source import TERMINATOR, Source
from diskchain.storage.terms import Format

NAMES = ("0", "1", "2", "3")
#: What a question may differ in. The first are more likely.
USES: tuple[dict[str, Any], ...] = (
    {},
    {"detected": True, "readonly": True},
    {"shared": True},
    {"format": Format.RAW},
    {"format": None},
    {"backing": TERMINATOR},
    {"backing": Source(FileLocation("data"), Format.RAW)},
    {"encryption": Encryption(EncryptionFormat.LUKS)},
    {"seclabels": (SecLabel("dac", relabel=False),)},
    {"slice": Slice(0, 512)},
    {"data_file": Source(FileLocation("data"), Format.RAW)},
    {"reference": "x"},
    {"chain_index": 2},
)


def source(path: Path | str, format: Format | None = Format.QCOW2) -> Source:
    return Source(FileLocation(str(path)), format)


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """``top`` over ``mid`` over ``base``."""
    (tmp_path / "base").write_bytes(bytes(512))
    write_qcow2(tmp_path / "mid", "base", "raw")
    return write_qcow2(tmp_path / "top", "mid")


class Image(NamedTuple):
    """An image as the world has it; ``below``: one of :data:`NAMES`, in a spelling; an empty spelling: nothing."""

    below: str
    spelling: str
    format: str | None
    crypt: int
    data_file: str


@st.composite
def worlds(draw: st.DrawFn) -> list[Image]:
    """Images that name each other in every way, loops included; most form chains, the last is mostly a base."""
    spelling = st.sampled_from(["{0}", "{0}", "{0}", "./{0}", "{1}/{0}", "link-{0}", "hard-{0}", "gone"])
    images = []
    for number in range(len(NAMES)):
        usual = number + 1 < len(NAMES)
        odd = draw(st.integers(0, 5)) == 0
        images.append(
            Image(
                draw(st.sampled_from(NAMES)) if odd or not usual else NAMES[number + 1],
                draw(spelling) if usual or odd else "",
                draw(st.sampled_from(["qcow2", "raw", None])) if odd else "qcow2",
                draw(st.sampled_from([0, 0, 0, 0, 1, 2])),
                draw(st.sampled_from(["", "", "", "", "data", "gone"])),
            )
        )
    return images


def questions() -> st.SearchStrategy[list[tuple[str, dict[str, Any], bool]]]:
    """Names, what is said of them, and whether their format is to be guessed."""
    use = st.sampled_from(({},) * len(USES) + USES)
    said = st.builds(lambda a, b: a | b, use, use)
    guess = st.booleans()
    asked = st.tuples(
        st.sampled_from(NAMES), st.builds(lambda a, g: a | {"format": None} if g else a, said, guess), guess
    )
    return st.lists(asked, min_size=2, max_size=8)


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[[list[Image]], Path]:
    root = tmp_path_factory.mktemp("worlds")
    (root / "data").write_bytes(b"")
    for name in NAMES:
        (root / name).touch()
        (root / f"link-{name}").symlink_to(name)
        (root / f"hard-{name}").hardlink_to(root / name)

    def made(world: list[Image]) -> Path:
        for name, image in zip(NAMES, world, strict=True):
            backing = image.spelling.format(image.below, root)
            write_qcow2(root / name, backing, image.format, data_file=image.data_file, crypt=image.crypt)
        return root

    return made


@given(worlds(), questions(), st.sampled_from([LIBVIRT, LIBVIRT, OpenPolicy(depth=3), STRICT]))
@settings(max_examples=500)
def test_no_question_before_changes_an_answer(
    make: Callable[[list[Image]], Path],
    world: list[Image],
    asked: list[tuple[str, dict[str, Any], bool]],
    policy: OpenPolicy,
) -> None:
    root = make(world)
    shared = Discoverer(policy)
    for name, use, probe in asked:
        question = source(root / name)._replace(**use)
        assert shared.discover(question, probe=probe) == Discoverer(policy).discover(question, probe=probe)


def test_a_loop_through_what_is_remembered_is_found(tmp_path: Path) -> None:
    # As a layer of the other, each is raw: either chain ends, and together they are a loop.
    top = write_qcow2(tmp_path / "top", "mid", "qcow2")
    mid = write_qcow2(tmp_path / "mid", "./top", "raw")
    discoverer = Discoverer()
    assert discoverer.discover(source(mid)).complete
    assert ids(discoverer.discover(source(top))) == ["loop"]
    assert discoverer.discover(source(mid)).complete


def test_the_same_file_is_shared_whatever_words_name_it(tmp_path: Path) -> None:
    (tmp_path / "base").write_bytes(bytes(512))
    tops = [
        write_qcow2(tmp_path / "relative", "base", "raw"),
        write_qcow2(tmp_path / "absolute", f"{tmp_path}/base", "raw"),
    ]
    discoverer = Discoverer()
    below = [discoverer.discover(source(top)).top.below for top in tops]
    assert [layer.source.reference for layer in below if layer] == ["base", f"{tmp_path}/base"]
    assert len({id(layer.facts) for layer in below if layer}) == 1


@pytest.mark.parametrize("crypt", [1, 2])
def test_encryption_found_once_is_found_again(tmp_path: Path, crypt: int) -> None:
    base = write_qcow2(tmp_path / "base", crypt=crypt)
    tops = [write_qcow2(tmp_path / name, "base") for name in "ab"]
    discoverer = Discoverer()
    chains = [discoverer.discover(source(top)) for top in tops]
    assert len({id(each.top.below) for each in chains}) == 1
    declared = Encryption(EncryptionFormat.LUKS, engine=None)
    told = discoverer.discover(source(base)._replace(encryption=declared))
    assert told.source.encryption is declared
    assert discoverer.discover(source(base)).source.encryption == chains[0].top.source.backing.encryption  # type: ignore[union-attr]


def test_an_image_that_was_guessed_is_not_read_again_below_its_overlay(chain: Path) -> None:
    discoverer = Discoverer()
    for name in ("base", "mid"):
        assert ids(discoverer.discover(source(chain.with_name(name), None), probe=True)) == ["format-probed"]
    with opened() as files:
        found = discoverer.discover(source(chain))
    assert {each for each in files if each.startswith(str(chain.parent))} == {str(chain)}
    assert found == Discoverer().discover(source(chain))


def test_a_split_disk_that_was_guessed_keeps_its_extents_below_an_overlay(tmp_path: Path) -> None:
    (tmp_path / "flat").write_bytes(bytes(1 << 20))
    base = tmp_path / "base.vmdk"
    base.write_bytes(vmdk.descriptor(['RW 2048 FLAT "flat" 0']))
    top = write_qcow2(tmp_path / "top", "base.vmdk", "vmdk")
    discoverer = Discoverer()
    assert discoverer.discover(source(base, None), probe=True).source.extents
    assert discoverer.discover(source(top)) == Discoverer().discover(source(top))


def test_a_block_device_under_many_overlays_is_one_object(tmp_path: Path, loop_device: Callable[[Path], Path]) -> None:
    (tmp_path / "base").write_bytes(bytes(1 << 20))
    device = loop_device(tmp_path / "base")
    tops = [write_qcow2(tmp_path / name, str(device), "raw") for name in "ab"]
    discoverer = Discoverer()
    as_file = discoverer.discover(source(device, Format.RAW))
    assert as_file.source.location == FileLocation(str(device))
    chains = [discoverer.discover(source(top)) for top in tops]
    assert len({id(each.top.below) for each in chains}) == 1
    (_, below) = chains[0].layers
    assert below.source.location == BlockLocation(str(device))


def test_a_data_file_is_as_read_only_as_its_image(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(b"")
    base = write_qcow2(tmp_path / "base", data_file="data")
    top = write_qcow2(tmp_path / "top", "base")
    discoverer = Discoverer()

    def data(chain: BackingChain) -> list[Source | None]:
        return [layer.source.data_file for layer in chain.layers if layer.source.data_file]

    (writable,) = data(discoverer.discover(source(base)))
    (read_only,) = data(discoverer.discover(source(top)))
    assert [each.readonly for each in (writable, read_only) if each] == [False, True]


def test_a_tail_counts_against_the_depth_of_whoever_joins_it(chain: Path) -> None:
    discoverer = Discoverer(OpenPolicy(depth=2))
    assert discoverer.discover(source(chain.with_name("mid"))).complete
    assert ids(discoverer.discover(source(chain))) == ["too-deep"]


def test_under_a_policy_that_asks_for_the_directory_of_the_top_nothing_is_shared(chain: Path) -> None:
    elsewhere = chain.parent / "elsewhere"
    elsewhere.mkdir()
    other = write_qcow2(elsewhere / "other", str(chain.with_name("mid")))
    discoverer = Discoverer(STRICT)
    assert discoverer.discover(source(chain)).complete
    assert ids(discoverer.discover(source(other))) == ["reference-refused"]


def test_what_is_missing_is_looked_for_again(tmp_path: Path) -> None:
    top = write_qcow2(tmp_path / "top", "base", "raw")
    discoverer = Discoverer()
    assert ids(discoverer.discover(source(top))) == ["missing"]
    (tmp_path / "base").write_bytes(b"")
    assert paths(discoverer.discover(source(top))) == [str(top), f"{tmp_path}/base"]
