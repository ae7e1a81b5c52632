"""Keys for the layers of a chain, gathered and wiped."""

import resource
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

from diskchain.actions.blockdev import NodeTarget
from diskchain.actions.numbering import layer_names
from diskchain.qemu.emission import Emission, SecretItem
from diskchain.secrets.keys import Keys
from diskchain.secrets.value import SecretValue
from diskchain.storage.source import layers


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
                auth = None if layer.auth is None else layer.auth.secret
                references = (*(layer.encryption.secrets if layer.encryption else ()), auth)
                known += called
                known += [text for each in references if each is not None for text in (each.uuid, each.usage) if text]
        keys.pass_over(disk.name, known)
