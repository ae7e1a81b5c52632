"""Any bytes give a header or an ImageError, within bounded reads and time. `make fuzz` asks the same for longer."""

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from fuzz.run import names
from fuzz.sparse import SparseImage, decode, encode, from_bytes
from fuzz.targets import FORMATS, TARGETS
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).parents[2]
#: Other targets' seeds and crashes are replayed here too; what each of them promises is written in its module.
RUNNERS = TARGETS | {name: import_module(f"fuzz.fuzz_{name}").run_one for name in names() if name not in TARGETS}
SEEDS = sorted((ROOT / "fuzz" / "seeds").glob("*/*"))
CRASHES = sorted((ROOT / "fuzz" / "crashes").glob("*/*"))


@pytest.mark.parametrize("path", SEEDS + CRASHES, ids=lambda path: "/".join(path.parts[-3:]))
def test_every_seed_and_every_former_crash_holds_the_invariant(path: Path) -> None:
    RUNNERS[path.parent.name](path.read_bytes())


@pytest.mark.parametrize("target", TARGETS)
@given(data=st.binary(max_size=600))
def test_any_bytes_hold_the_invariant(target: str, data: bytes) -> None:
    TARGETS[target](encode(from_bytes(data)))


@pytest.mark.parametrize("target", TARGETS)
@given(data=st.data())
def test_any_mutation_of_a_seed_holds_the_invariant(target: str, data: st.DataObject) -> None:
    image = decode(data.draw(st.sampled_from([path for path in SEEDS if path.parent.name == target])).read_bytes())
    places = st.tuples(st.sampled_from(image.chunks), st.integers(0, 600), st.binary(min_size=1, max_size=8))
    patches = [(chunk[0] + shift, patch) for chunk, shift, patch in data.draw(st.lists(places, max_size=4))]
    size = data.draw(st.one_of(st.just(image.size), st.integers(0, image.size)))

    TARGETS[target](encode(SparseImage(size, (*image.chunks, *patches), image.flags)))


@pytest.mark.parametrize("format", FORMATS, ids=str)
def test_every_format_has_seeds(format: str) -> None:
    assert [path for path in SEEDS if path.parent.name == format]


@given(st.lists(st.one_of(st.binary(max_size=50), st.integers(1, 9000).map(bytes)), max_size=8).map(b"".join))
def test_an_image_survives_its_encoding(data: bytes) -> None:
    image = decode(encode(from_bytes(data)))

    assert (image.size, image.read(0, len(data))) == (len(data), data)


@pytest.mark.parametrize("target", RUNNERS)
def test_a_short_run_of_the_fuzzer_finds_nothing(target: str) -> None:
    pytest.importorskip("atheris", reason="needs atheris, which this Python version has no wheel of")

    done = subprocess.run(
        [sys.executable, ROOT / "fuzz" / "run.py", target, "--runs", "3000", "--seed", "1", "--no-corpus"],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    executions = re.search(r"(\d+) executions", done.stdout)
    assert executions
    assert int(executions[1]) >= 3000
