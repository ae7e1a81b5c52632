"""``make fuzz``: runs the fuzz targets under atheris, each in a process of its own, two at a time.

::

    python fuzz/run.py [TARGET…] [--seconds N | --runs N] [--seed N] [--jobs N] [--no-corpus]

Without names: all targets, 60 seconds each. A crash is written to ``fuzz/crashes/<target>/`` and kept: the tests replay what is there.
What was learned on the way stays in ``fuzz/corpus/``, which is not in the repository; ``--no-corpus`` starts from the seeds alone.

Targets are the image formats and ``probe`` (:mod:`fuzz.targets`), and every ``fuzz/fuzz_<name>.py`` that defines
``run_one(data: bytes) -> None``; such a module may define ``SPARSE = True`` when its inputs are as :mod:`fuzz.sparse` has them.
"""

import argparse
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parent
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT.parent)]
    sys.path.remove(str(ROOT))

_LONGEST_INPUT: Final = 16384
#: Seconds one input may take; a slower one counts as a crash.
_SLOWEST: Final = 10
_MEMORY: Final = 2048  # MiB

_EXECUTED = re.compile(r"stat::number_of_executed_units:\s*(\d+)")


class Outcome(NamedTuple):
    """How a target ended. ``executions``: inputs tried; ``log``: what the fuzzer printed; ``failed``: it found something."""

    target: str
    executions: int
    seconds: float
    failed: bool
    log: str


def names() -> list[str]:
    """All targets."""
    from fuzz.targets import TARGETS

    return sorted([*TARGETS, *(path.stem.removeprefix("fuzz_") for path in ROOT.glob("fuzz_*.py"))])


def fuzz(target: str, limits: list[str], seed: int, *, learn: bool) -> Outcome:
    """Runs one target in a process of its own; ``learn``: start from what earlier runs found, and add to it."""
    known = [path for path in (ROOT / "seeds" / target, ROOT / "crashes" / target) if path.is_dir()]
    options = [f"-timeout={_SLOWEST}", f"-rss_limit_mb={_MEMORY}", f"-max_len={_LONGEST_INPUT}", f"-seed={seed}"]
    options += ["-print_final_stats=1", *limits]
    if learn:  # libFuzzer writes what it learns into the first folder, and nowhere when there is none
        corpus = ROOT / "corpus" / target
        corpus.mkdir(parents=True, exist_ok=True)
        options += [str(path) for path in (corpus, *known)]
    else:
        options.append(f"-seed_inputs={','.join(str(file) for path in known for file in sorted(path.iterdir()))}")
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="diskchain-fuzz-") as found:
        done = subprocess.run(  # noqa: S603  # ourselves
            [sys.executable, str(ROOT / "run.py"), "--one", target, "--", f"-artifact_prefix={found}/", *options],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False,
        )  # fmt: skip
        for crash in Path(found).iterdir():
            kept = ROOT / "crashes" / target / crash.name
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(crash, kept)
    log = done.stdout + done.stderr
    counted = _EXECUTED.search(log)
    return Outcome(target, int(counted[1]) if counted else 0, time.monotonic() - start, done.returncode != 0, log)


def _be_fuzzed(target: str, options: list[str]) -> None:
    """Becomes the fuzzer. Never returns."""
    import atheris

    # A checksum's inner loop is long and teaches nothing.
    with atheris.instrument_imports(
        include=["diskchain"], exclude=["diskchain.image.formats.vhdx.crc32c"], enable_loader_override=False
    ):
        from fuzz.targets import FORMATS, TARGETS

        # Formats are imported when first needed; here, while the importer is watched.
        from diskchain.image.inspect import format_module

        for format in FORMATS:
            format_module(format)
        module: Any = None if target in TARGETS else import_module(f"fuzz.fuzz_{target}")
    run_one = TARGETS[target] if module is None else module.run_one
    if module is None or getattr(module, "SPARSE", False):
        atheris.Setup([sys.argv[0], *options], run_one, custom_mutator=_mutate)
    else:
        atheris.Setup([sys.argv[0], *options], run_one)
    atheris.Fuzz()


def _mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """Mutates the bytes of one chunk, or the layout; now and then the encoding itself."""
    import atheris
    from fuzz.sparse import decode, encode

    chance = random.Random(seed)  # noqa: S311  # reproducible, not secret
    image = decode(data)
    choice = chance.random()
    if choice < 0.1 or not image.chunks:  # noqa: PLR2004
        return bytes(atheris.Mutate(data, max_size))
    chunks = list(image.chunks)
    index = chance.randrange(len(chunks))
    offset, chunk = chunks[index]
    if choice < 0.8:  # noqa: PLR2004
        chunks[index] = (offset, bytes(atheris.Mutate(chunk, max(16, min(4096, 2 * len(chunk) + 16)))))
    elif choice < 0.9:  # noqa: PLR2004
        chunks.append((chance.choice((chance.randrange(512), chance.randrange(image.size or 1), offset)), chunk[:64]))
    else:
        size = chance.choice((image.size + chance.randrange(-1024, 1024), chance.randrange(1 << 24), 1 << 31))
        image = image._replace(size=max(0, size))
    return encode(image._replace(chunks=tuple(chunks)))[:max_size]


def main() -> int:
    """Parse, run, report. Returns 1 when a target found something."""
    if sys.argv[1:2] == ["--one"]:
        _be_fuzzed(sys.argv[2], sys.argv[4:])
    parser = argparse.ArgumentParser(description="fuzz the parsers")
    parser.add_argument("targets", nargs="*", metavar="TARGET")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--runs", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--no-corpus", dest="learn", action="store_false")
    wanted = parser.parse_args()
    unknown = set(wanted.targets) - set(names())
    if unknown:
        parser.error(f"no such target: {', '.join(sorted(unknown))}; there are {', '.join(names())}")
    limits = [f"-runs={wanted.runs}" if wanted.runs else f"-max_total_time={wanted.seconds}"]
    failed = 0
    with ThreadPoolExecutor(wanted.jobs) as pool:
        run = partial(fuzz, limits=limits, seed=wanted.seed, learn=wanted.learn)
        for outcome in pool.map(run, wanted.targets or names()):
            print(f"{outcome.target:<12} {outcome.executions:>10} executions in {outcome.seconds:5.0f} s", flush=True)
            if outcome.failed:
                failed += 1
                print(outcome.log[-4000:], flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
