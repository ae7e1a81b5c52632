"""``--remote``: look at layers on other hosts, too, which means network traffic and so is off unless asked for."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from diskchain.discover import Discoverer
from diskchain.readers.policy import OpenPolicy

if TYPE_CHECKING:
    from diskchain.readers.opening import Image
    from diskchain.storage.location import NetworkLocation


def add_remote_arguments(parser: argparse.ArgumentParser) -> None:
    """``--remote`` and its patience."""
    parser.add_argument(
        "--remote",
        action="store_true",
        help="also read layers on other hosts: http, ssh and nbd directly, the rest through a qemu-storage-daemon",
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=float,
        default=10.0,
        help="for each answer of a server (default: %(default)g)",
    )


@contextmanager
def discoverer_for(args: argparse.Namespace, policy: OpenPolicy) -> Iterator[Discoverer]:
    """A discoverer that goes as far as the arguments of :func:`add_remote_arguments` allow; what it started ends with the block."""
    if not args.remote:
        yield Discoverer(policy)
        return
    from diskchain.qemu.bridge import Bridge
    from diskchain.readers.opening import open_location

    with Bridge() as bridge:

        def elsewhere(location: "NetworkLocation") -> "Image":
            return open_location(location, timeout=args.timeout, bridge=bridge)

        yield Discoverer(policy, elsewhere)
