"""``--db``, ``--search`` and ``-c``: which catalogue is asked."""

import argparse

from diskchain.cli.options.state import add_state_argument, state_of
from diskchain.errors import UsageError


def add_database_argument(parser: argparse.ArgumentParser) -> None:
    """``--db`` and ``--state``."""
    parser.add_argument(
        "--db",
        metavar="URL",
        help="the catalogue: sqlite:///PATH or postgresql://HOST/NAME (default: catalogue.db in the state directory)",
    )
    add_state_argument(parser)


def add_catalogue_arguments(parser: argparse.ArgumentParser) -> None:
    """The catalogue, or what is scanned on the spot instead."""
    add_database_argument(parser)
    parser.add_argument(
        "--search", metavar="DIR", action="append", default=[], help="no catalogue: scan DIR now (may be repeated)"
    )
    parser.add_argument(
        "-c", "--connect", metavar="URI", help="with --search, scan the domains of this connection, too"
    )


def url_of(args: argparse.Namespace) -> str:
    """The URL of the catalogue."""
    from diskchain.actions.catalogue import default_url

    return args.db or default_url(state_of(args))


def check_places(args: argparse.Namespace) -> None:
    """Raises UsageError for options that do not go together."""
    if args.search and args.db:
        raise UsageError("--search scans now and asks no catalogue: leave out --db")
    if args.connect and not args.search:
        raise UsageError("-c goes with --search; into a catalogue it comes by diskchain scan DIR -c URI --db URL")
