"""Judging what ``examine`` says, and images to say it about."""

import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.live.storage import QemuImg

from diskchain.checks.consistency import examine
from diskchain.discover import BackingChain, Discoverer
from diskchain.findings import Finding, Severity
from diskchain.storage.location import FileLocation
from diskchain.storage.source import TERMINATOR, Source, stack
from diskchain.storage.terms import Format

MakeImage = Callable[..., Path]


def told(chain: BackingChain, depth_warning: int = 30) -> list[tuple[int, str, Severity]]:
    return [(position, each.id, each.severity) for position, each in examine(chain, depth_warning=depth_warning)]


def only(chain: BackingChain) -> Finding:
    ((_, found),) = examine(chain)
    return found


def declared(*layers: tuple[Path, Format]) -> BackingChain:
    """The chain of a document that lists every layer and the end."""
    sources = [Source(FileLocation(str(path)), format) for path, format in layers]
    return Discoverer().discover(stack(sources, TERMINATOR))


@pytest.fixture
def image(qemu_img: QemuImg, tmp_path: Path) -> MakeImage:
    """Call it with name, capacity, format and options."""

    def make(name: str, capacity: str = "1M", format: str = "qcow2", *options: str) -> Path:
        path = tmp_path / name
        more = [word for option in options for word in ("-o", option)]
        qemu_img("create", "-q", "-f", format, *more, path, capacity)
        return path

    return make


def mend(qemu_img: QemuImg, found: Finding, **words: Path) -> None:
    """Run the fix of a finding, with its placeholders filled in."""
    assert found.fix is not None
    command = found.fix
    for word, path in words.items():
        command = command.replace(word, str(path))
    for step in command.split(" && "):
        program, *arguments = shlex.split(step)
        if program == "qemu-img":
            qemu_img(*arguments)
        else:
            subprocess.run([program, *arguments], check=True)


def refused(*command: str | Path) -> bool:
    """Whether a program of QEMU's could not do it; qemu-io says so and exits with 0."""
    done = subprocess.run(command, capture_output=True, check=False, text=True)
    return done.returncode != 0 or "failed" in done.stdout
