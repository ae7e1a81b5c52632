"""The options that say where keys and certificates are."""

import argparse
import os

from diskchain.actions.keys import KeyPlaces
from diskchain.secrets.places import PLACES


def add_secret_arguments(parser: argparse.ArgumentParser) -> None:
    """``--secret``, ``--secrets-from`` and ``--tls-dir``."""
    parser.add_argument(
        "--secret",
        metavar="WHICH=PLACE",
        action="append",
        default=[],
        help="where a key is. WHICH: a layer (vda[1], its path) or a libvirt secret (its uuid or usage). "
        f"PLACE: {PLACES}",
    )
    parser.add_argument(
        "--secrets-from", metavar="URI", help="ask this libvirt for the other keys (default: that of -c)"
    )
    parser.add_argument("--tls-dir", metavar="DIR", help="certificates for NBD over TLS (default: /etc/pki/qemu)")


def key_places(args: argparse.Namespace) -> KeyPlaces:
    """The places that the arguments name."""
    places = KeyPlaces(tuple(args.secret), args.secrets_from or args.connect)
    if not args.tls_dir:
        return places
    return KeyPlaces(places.rules, places.libvirt, os.path.abspath(args.tls_dir))
