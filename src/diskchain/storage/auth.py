"""How a source logs in to its server. Names a secret, never holds one. Source: libvirt ``<auth>``."""

from typing import NamedTuple

from diskchain.storage.terms import AuthType


class SecretReference(NamedTuple):
    """Names a libvirt secret by ``uuid`` or by ``usage`` (exactly one), and says what kind it is (``usage_type``)."""

    usage_type: str | None = None
    uuid: str | None = None
    usage: str | None = None


class Auth(NamedTuple):
    """A user name and the secret that goes with it. ``type`` is None when the XML leaves it to the secret's type."""

    username: str
    secret: SecretReference
    type: AuthType | None = None
