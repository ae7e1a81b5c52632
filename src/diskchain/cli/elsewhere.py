"""``--remote``: look at layers on other hosts, too, which means network traffic and so is off unless asked for. ``--timeout``."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from diskchain.discover import Discoverer
from diskchain.discover.patience import PatientDiscoverer
from diskchain.readers.patience import PATIENCE
from diskchain.readers.policy import OpenPolicy

if TYPE_CHECKING:
    import argparse

    from diskchain.readers.opening import Image
    from diskchain.storage.location import NetworkLocation


_LONGEST: Final = 1e6  # seconds


def add_remote_arguments(parser: "argparse.ArgumentParser") -> None:
    """``--remote``, and the patience with storage here and elsewhere."""
    parser.add_argument(
        "--remote",
        action="store_true",
        help="also read layers on other hosts: http, ssh and nbd directly, the rest through a qemu-storage-daemon",
    )
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=_seconds,
        default=PATIENCE,
        help="for each answer of a file or a server (default: %(default)g)",
    )


def _seconds(text: str) -> float:
    """A time to wait. Raises ValueError."""
    seconds = float(text)
    if not 0 < seconds < _LONGEST:
        raise ValueError
    return seconds


@contextmanager
def discoverer_for(args: "argparse.Namespace", policy: OpenPolicy) -> Iterator[Discoverer]:
    """A discoverer that goes as far as the arguments of :func:`add_remote_arguments` allow; what it started ends with the block."""
    if not args.remote:
        yield PatientDiscoverer(policy, seconds=args.timeout)
        return
    from diskchain.qemu.bridge import Bridge
    from diskchain.readers.opening import open_location

    with Bridge() as bridge:

        def elsewhere(location: "NetworkLocation") -> "Image":
            return open_location(location, timeout=args.timeout, bridge=bridge)

        yield PatientDiscoverer(policy, elsewhere, seconds=args.timeout)
