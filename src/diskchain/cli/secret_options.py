"""The options that say where keys are, and the keys of an emission gathered with them."""

import argparse
import os
import resource
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

from diskchain.cli.node_targets import NodeTarget, layer_names
from diskchain.qemu.items import Emission, SecretItem
from diskchain.qemu.policy import NodePolicy
from diskchain.secrets.keys import Keys, parse_rule
from diskchain.secrets.places import PLACES
from diskchain.secrets.value import SecretValue
from diskchain.storage.source import layers


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
    return policy._replace(tls_directory=tls_directory(args))


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


@contextmanager
def _no_core_dumps() -> Iterator[None]:
    """Within, this process and those it starts leave no core, which would hold the keys. Source: setrlimit(2)."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)


@contextmanager
def gathered(
    emission: Emission, names: Sequence[tuple[str, ...]], keys: Keys, others: Iterable[NodeTarget] = ()
) -> Iterator[dict[str, SecretValue]]:
    """The value of every secret of ``emission`` by its id; wiped at the end.

    ``names``: of each layer; ``others``: disks that are not opened, whose keys may be named all the same. Raises UsageError for a
    ``--secret`` that fits nothing, SecretMissing for the first layer without, and what :meth:`Keys.find` raises.
    """
    found: dict[str, SecretValue] = {}
    want_all(emission, names, keys)
    pass_over(others, keys)
    keys.check_fit()
    try:
        for item in emission.items:
            if isinstance(item, SecretItem) and item.purpose != "cookie":
                found[item.id] = keys.get((*names[item.layer], item.id), item.reference)
        yield found
    finally:
        for value in found.values():
            value.wipe()


def want_all(emission: Emission, names: Sequence[tuple[str, ...]], keys: Keys) -> None:
    """Tell ``keys`` of every key that an emission wants; ``names``: of each layer."""
    for item in emission.items:
        if isinstance(item, SecretItem):
            called = names[item.layer]
            keys.want((*called, item.id) if item.purpose != "cookie" else (item.id,), item.reference)


def pass_over(disks: Iterable[NodeTarget], keys: Keys) -> None:
    """Let keys of disks that were not chosen be: a script may name all of them each time."""
    for disk in disks:
        known: list[str] = []
        if disk.source is not None:
            for layer, called in zip(layers(disk.source), layer_names(disk.name, disk.source), strict=True):
                references = (*(layer.encryption.secrets if layer.encryption else ()), layer.auth and layer.auth.secret)
                known += called
                known += [text for each in references if each is not None for text in (each.uuid, each.usage) if text]
        keys.pass_over(disk.name, known)
