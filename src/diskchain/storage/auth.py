"""How a source logs in to its server. Names a secret, never holds one. Source: libvirt ``<auth>``."""

from dataclasses import dataclass
from enum import StrEnum


class AuthType(StrEnum):
    """``<auth type=…>``: CHAP for iSCSI, ceph for RBD, none for everything that logs in with a password."""

    NONE = "none"
    CHAP = "chap"
    CEPH = "ceph"


@dataclass(frozen=True, slots=True)
class SecretReference:
    """Names a libvirt secret by ``uuid`` or by ``usage`` (exactly one), and says what kind it is (``usage_type``)."""

    usage_type: str | None = None
    uuid: str | None = None
    usage: str | None = None


@dataclass(frozen=True, slots=True)
class Auth:
    """A user name and the secret that goes with it. ``type`` is None when the XML leaves it to the secret's type."""

    username: str
    secret: SecretReference
    type: AuthType | None = None
