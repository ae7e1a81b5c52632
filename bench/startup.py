"""What it costs to start: ``diskchain show IMAGE`` as a process, beside a bare interpreter and qemu-img info."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from compileall import compile_dir
from pathlib import Path

from images import write_qcow2
from rows import Row, best

import diskchain

MIB = 1 << 20


def run() -> Iterator[Row]:
    """Rows for one image of two layers, all modules compiled as they are in an installed package."""
    compile_dir(Path(diskchain.__file__).parent, quiet=1)
    with tempfile.TemporaryDirectory(prefix="diskchain-bench-") as directory:
        base, top = Path(directory) / "base.raw", Path(directory) / "top.qcow2"
        with base.open("wb") as file:
            file.truncate(MIB)
        write_qcow2(top, MIB, "base.raw", "raw")
        script = Path(sys.executable).with_name("diskchain")
        ours, bare, qemu = best(
            _process(str(script), "show", str(top)),
            _process(sys.executable, "-c", "pass"),
            _process("qemu-img", "info", "--backing-chain", str(top)),
            rounds=30,
        )
    yield Row("diskchain show IMAGE", ours, "python -c pass", bare, 3.0)
    yield Row("diskchain show IMAGE", ours, "qemu-img info --backing-chain", qemu)


def _process(*command: str) -> Callable[[], object]:
    return lambda: subprocess.run(command, check=False, stdout=subprocess.DEVNULL)
