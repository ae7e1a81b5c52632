"""``--state``: where the journal of granted rights is."""

import argparse
from pathlib import Path

from diskchain.system.journal_file import state_directory


def add_state_argument(parser: argparse.ArgumentParser) -> None:
    """The option."""
    parser.add_argument(
        "--state",
        metavar="DIR",
        help="where the journal is (default: /var/lib/diskchain, for users their state directory)",
    )


def state_of(args: argparse.Namespace) -> Path:
    """The directory it means."""
    return state_directory() if args.state is None else Path(args.state)
