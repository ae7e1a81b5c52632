"""``diskchain secrets --json``: schema ``diskchain/secrets/1``. No key is ever in it."""

from collections.abc import Iterable
from typing import Protocol

import msgspec

SECRETS_SCHEMA = "diskchain/secrets/1"


class KeyDocument(msgspec.Struct, frozen=True):
    """One layer that needs a key, or one login.

    ``kind``: ``luks``, ``luks2``, ``qcow2-luks``, ``legacy aes`` …, or ``login to`` a protocol. ``cipher``, ``slots`` (``1 of 8``): ``?``
    where nobody could look, empty where there are none. ``secret``: the libvirt secret that is named. ``found``: where the key is, or
    ``no``. ``opens``: ``yes``, ``no``, or ``-`` where it was not tried. Either may say ``could not tell`` and why.
    """

    layer: str
    kind: str
    cipher: str
    slots: str
    secret: str
    found: str
    opens: str


class SecretsDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What ``diskchain secrets --json`` prints."""

    schema: str = SECRETS_SCHEMA
    target: str
    layers: tuple[KeyDocument, ...]


class KeyRow(Protocol):
    """What is known of one layer's key, in the words of :class:`KeyDocument`."""

    @property
    def layer(self) -> str: ...  # noqa: D102  # all of them: see KeyDocument
    @property
    def kind(self) -> str: ...  # noqa: D102
    @property
    def cipher(self) -> str: ...  # noqa: D102
    @property
    def slots(self) -> str: ...  # noqa: D102
    @property
    def secret(self) -> str: ...  # noqa: D102
    @property
    def found(self) -> str: ...  # noqa: D102
    @property
    def opens(self) -> str: ...  # noqa: D102


def secrets_document(target: str, rows: Iterable[KeyRow]) -> SecretsDocument:
    """The JSON form of a target's keys."""
    return SecretsDocument(
        target=target,
        layers=tuple(
            KeyDocument(row.layer, row.kind, row.cipher, row.slots, row.secret, row.found, row.opens) for row in rows
        ),
    )
