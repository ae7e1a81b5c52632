"""The options that say where keys are, and the keys of an emission gathered with them."""

import argparse
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from diskchain.actions.keys import _no_core_dumps
from diskchain.qemu.policy import NodePolicy
from diskchain.secrets.keys import Keys, parse_rule
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


def tls_directory(args: argparse.Namespace) -> str:
    """Where the certificates are that the arguments name, or else libvirt's."""
    return os.path.abspath(args.tls_dir) if args.tls_dir else NodePolicy().tls_directory


def with_tls(policy: NodePolicy, args: argparse.Namespace) -> NodePolicy:
    """``policy`` with the certificates the arguments name."""
    return replace(policy, tls_directory=tls_directory(args))


@contextmanager
def keys_of(args: argparse.Namespace) -> Iterator[Keys]:
    """The keys the arguments give access to, in no environment any more. Raises UsageError for a malformed ``--secret``."""
    rules = [parse_rule(text) for text in args.secret]
    uri = args.secrets_from or args.connect
    with ExitStack() as exits:
        exits.enter_context(_no_core_dumps())
        libvirt = None
        if uri is not None:
            from diskchain.hypervisor.secrets import LibvirtSecrets

            libvirt = exits.enter_context(LibvirtSecrets(uri))
        keys = Keys(rules, libvirt)
        exits.callback(keys.wipe)
        keys.leave_environment()
        yield keys
