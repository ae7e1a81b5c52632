"""The options that say where keys are, and the keys of an emission gathered with them."""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from diskchain.qemu.items import Emission, SecretItem
from diskchain.secrets.keys import Keys, parse_rule
from diskchain.secrets.places import PLACES
from diskchain.secrets.value import SecretValue


def add_secret_arguments(parser: argparse.ArgumentParser) -> None:
    """``--secret`` and ``--secrets-from``."""
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


@contextmanager
def keys_of(args: argparse.Namespace) -> Iterator[Keys]:
    """The keys the arguments give access to. Raises UsageError for a malformed ``--secret``."""
    rules = [parse_rule(text) for text in args.secret]
    uri = args.secrets_from or args.connect
    with ExitStack() as exits:
        libvirt = None
        if uri is not None:
            from diskchain.hypervisor.secrets import LibvirtSecrets

            libvirt = exits.enter_context(LibvirtSecrets(uri))
        yield Keys(rules, libvirt)


@contextmanager
def gathered(emission: Emission, names: Sequence[tuple[str, ...]], keys: Keys) -> Iterator[dict[str, SecretValue]]:
    """The value of every secret of ``emission`` by its id; wiped at the end.

    ``names``: of each layer. Raises SecretMissing for the first layer without, and what :meth:`Keys.find` raises.
    """
    found: dict[str, SecretValue] = {}
    try:
        for item in emission.items:
            if isinstance(item, SecretItem) and item.purpose != "cookie":
                found[item.id] = keys.get((*names[item.layer], item.id), item.reference)
        yield found
    finally:
        for value in found.values():
            value.wipe()
