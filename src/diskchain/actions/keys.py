"""Keys for the layers of a chain: where they are looked for, gathered, and wiped."""

import resource
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from diskchain.actions.node_policy import NodeDisk
from diskchain.actions.numbering import layer_names
from diskchain.qemu.emission import Emission, SecretItem
from diskchain.qemu.policy import TLS_DIRECTORY
from diskchain.secrets.keys import Keys, parse_rule
from diskchain.secrets.value import SecretValue
from diskchain.storage.source import layers


@dataclass(frozen=True, slots=True)
class KeyPlaces:
    """Where keys and certificates are.

    ``rules``: ``WHICH=PLACE``, of which the first that fits counts. ``libvirt``: the URI of the libvirt that is asked last.
    ``tls_directory``: certificates for NBD over TLS.
    """

    rules: tuple[str, ...] = ()
    libvirt: str | None = None
    tls_directory: str = TLS_DIRECTORY


NO_KEYS: Final = KeyPlaces()


@contextmanager
def open_keys(places: KeyPlaces) -> Iterator[Keys]:
    """The keys in ``places``, in no environment any more. Raises UsageError for a malformed rule, PeerError."""
    rules = [parse_rule(text) for text in places.rules]
    with ExitStack() as exits:
        exits.enter_context(_no_core_dumps())
        libvirt = None
        if places.libvirt is not None:
            from diskchain.hypervisor.secrets import LibvirtSecrets

            libvirt = exits.enter_context(LibvirtSecrets(places.libvirt))
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
    emission: Emission, names: Sequence[tuple[str, ...]], keys: Keys, others: Iterable[NodeDisk] = ()
) -> Iterator[dict[str, SecretValue]]:
    """The value of every secret of ``emission`` by its id; wiped at the end.

    ``names``: of each layer; ``others``: disks that are not opened, whose keys may be named all the same. Raises UsageError for a
    rule that fits nothing, SecretMissing for the first layer without, and what :meth:`Keys.find` raises.
    """
    found: dict[str, SecretValue] = {}
    want_all(emission, names, keys)
    pass_over(others, keys)
    keys.check_fit()
    try:
        for item in emission.items:
            if isinstance(item, SecretItem) and item.purpose not in ("cookie", "tls"):
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
            keys.want((*called, item.id) if item.purpose not in ("cookie", "tls") else (item.id,), item.reference)


def pass_over(disks: Iterable[NodeDisk], keys: Keys) -> None:
    """Let keys of disks that were not chosen be: a script may name all of them each time."""
    for disk in disks:
        known: list[str] = []
        if disk.source is not None:
            for layer, called in zip(layers(disk.source), layer_names(disk.name, disk.source), strict=True):
                auth = None if layer.auth is None else layer.auth.secret
                references = (*(layer.encryption.secrets if layer.encryption else ()), auth)
                known += called
                known += [text for each in references if each is not None for text in (each.uuid, each.usage) if text]
        keys.pass_over(disk.name, known)
