"""Run `access`, `grant` and `revert` as the command line does, in this process."""

import argparse
import contextlib
import io
import sys
from importlib import import_module
from pathlib import Path
from typing import NamedTuple, cast

from diskchain.cli.verbs import Command
from diskchain.errors import DiskchainError
from diskchain.report.exit_codes import OF_FAULT


class Outcome(NamedTuple):
    """What a verb printed, and its exit code."""

    code: int
    out: str
    err: str


def verb(name: str, *words: str | Path) -> Outcome:
    """Run a verb. An error of ours becomes one line and its exit code; any other is a failure of the test."""
    module = cast("Command", import_module(f"diskchain.cli.commands.{name}"))
    parser = argparse.ArgumentParser(prog=f"diskchain {name}")
    module.add_arguments(parser)
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = module.run(parser.parse_args([str(word) for word in words]))
        except DiskchainError as error:
            sys.stderr.write(f"diskchain: {error}\n")
            code = OF_FAULT[error.fault]
        except SystemExit as left:
            code = int(left.code or 0)
    return Outcome(code, out.getvalue(), err.getvalue())
