"""Run what is printed, as somebody would who copies it from the terminal; chains and their cures without a command line."""

import os
import subprocess
import sys
from pathlib import Path

from diskchain.actions.cures import Cures
from diskchain.actions.target import Target
from diskchain.checks.annotate import annotated
from diskchain.checks.closer import closer
from diskchain.checks.consistency import examine
from diskchain.checks.declared import declared_findings
from diskchain.discover import BackingChain, Discoverer
from diskchain.findings import Finding
from diskchain.readers.policy import LIBVIRT, OpenPolicy
from diskchain.storage.location import FileLocation
from diskchain.storage.source import Source
from diskchain.storage.terms import Format


def run(command: str | None, code: int = 0, **words: object) -> None:
    """``words``: what to fill in for capitals in the command. ``code``: how it exits."""
    assert command is not None
    for word, instead in words.items():
        assert word in command
        command = command.replace(word, str(instead))
    where = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command], check=False, capture_output=True, text=True, env={**os.environ, "PATH": where}
    )
    assert done.returncode == code, done.stderr


def cured(
    top: Path | Source,
    format: Format | None = Format.QCOW2,
    *,
    search: list[Path] | None = None,
    policy: OpenPolicy = LIBVIRT,
) -> BackingChain:
    """The chain of an image or a source, examined, with cures."""
    source = top if isinstance(top, Source) else Source(FileLocation(str(top)), format)
    chain = Discoverer(policy, closer=closer).discover(source)
    examined = annotated(annotated(chain, examine(chain)), declared_findings(chain, Discoverer(policy).discover))
    cures = Cures(policy=policy, search=[str(each) for each in search or []])
    return cures.of(Target("vda", source), examined)


def one(chain: BackingChain, id: str) -> Finding:
    """The only finding of a kind."""
    (found,) = [each for each in chain.findings if each.id == id]
    return found


def offered(chain: BackingChain) -> list[str]:
    """The files that could be a missing one, in the order they are said."""
    return [each.file or "" for each in chain.findings if each.id == "candidate"]
