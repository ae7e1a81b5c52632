"""``--remote``: look at layers on other hosts, too, which means network traffic and so is off unless asked for. ``--timeout``.

Servers that want a login get the one a document names, its key found as for ``diskchain open``.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from diskchain.errors import UsageError
from diskchain.system.deadline import DEFAULT_DEADLINE

if TYPE_CHECKING:
    import argparse

    from diskchain.actions.remote import RemoteReader
    from diskchain.storage.location import Location


_LONGEST: Final = 1e6  # seconds


def add_remote_arguments(parser: "argparse.ArgumentParser") -> None:
    """``--remote``, and the patience with storage here and elsewhere."""
    parser.add_argument(
        "--remote",
        action="store_true",
        help="also read layers on other hosts: http, ssh and nbd directly, the rest through a qemu-storage-daemon",
    )
    parser.add_argument(
        "--secret",
        metavar="WHICH=PLACE",
        action="append",
        default=[],
        help="with --remote, where the key of a login is, as for diskchain open: vda[1]=file:/etc/keys/base",
    )
    parser.add_argument(
        "--secrets-from", metavar="URI", help="with --remote, ask this libvirt for the other keys (default: that of -c)"
    )
    parser.add_argument(
        "--tls-dir", metavar="DIR", help="with --remote, certificates for NBD over TLS (default: /etc/pki/qemu)"
    )
    add_timeout_argument(parser)


def add_timeout_argument(parser: "argparse.ArgumentParser") -> None:
    """``--timeout``, the patience with storage."""
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_seconds,
        default=DEFAULT_DEADLINE,
        help="for each answer of a file or a server (default: %(default)g)",
    )


def _seconds(text: str) -> float:
    """A time to wait. Raises ArgumentTypeError."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < _LONGEST:
        from argparse import ArgumentTypeError

        raise ArgumentTypeError(f"{text!r} is no number of seconds above 0")
    return seconds


@contextmanager
def reader_for(args: "argparse.Namespace") -> "Iterator[RemoteReader | None]":
    """What opens layers on other hosts: all of them with ``--remote``, else those that TARGET itself names. Raises UsageError."""
    remote = getattr(args, "remote", False)
    if args.secret and getattr(args, "remote", None) is False:
        raise UsageError("--secret goes with --remote: a key is only needed to log in to a server")
    only = None if remote else _named(args)
    if not remote and not only:
        yield None
        return
    from diskchain.actions.remote import open_reader
    from diskchain.cli.options.secrets import key_places

    with open_reader(key_places(args), args.timeout, only) as reader:
        yield reader


def _named(args: "argparse.Namespace") -> "frozenset[Location]":
    """The servers that a user named as TARGET: to ask those is what is wanted."""
    names = [args.target] if isinstance(args.target, str) else args.target or ()
    if args.connect is not None or all(":" not in name for name in names):
        return frozenset()
    from diskchain.actions.reference_target import servers

    return servers(names)
