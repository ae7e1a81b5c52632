"""Ask a libvirt daemon whether a secret is there and would do: its kind, and whether it has a value. No value is kept.

Needs libvirt-python (extra ``libvirt``). libvirt tells of a value only over a connection that may write, and never of that of a private
secret; then the file in which the daemon keeps it is looked for. Source: libvirt ``virsecret.c`` (``virSecretGetSecretString``) and
``virsecretobj.c``; tried with libvirt 9.0.
"""

import os
from collections.abc import Callable
from contextlib import ExitStack, suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Self

from diskchain.errors import MissingExtra, PeerError
from diskchain.storage.auth import SecretReference
from diskchain.storage.reference import redacted

if TYPE_CHECKING:
    import libvirt

#: libvirt's ``VIR_SECRET_USAGE_TYPE_…`` by what ``<usage type=…>`` says.
_USAGE_TYPES: Final = {"volume": "VOLUME", "ceph": "CEPH", "iscsi": "ISCSI"}
#: Where libvirtd of the system keeps the values that outlive it.
_VALUES: Final = "/etc/libvirt/secrets"


class SecretState(StrEnum):
    """What libvirt would find when it needs the secret."""

    THERE = "there"
    MISSING = "missing"
    OTHER_TYPE = "of another type"
    NO_VALUE = "without a value"
    UNKNOWN = "cannot be told"


class SecretStates:
    """The secrets of the libvirt at ``uri``. Connects when first asked. A context manager.

    ``root``: the directory that a daemon of the system sees as ``/``, empty for ours; None: its files are not to be seen here.
    """

    def __init__(self, uri: str, root: str | None = None) -> None:
        self.uri = redacted(uri)  # for people; a URI may hold a password
        self._address = uri
        self._root = root
        self._exits = ExitStack()
        self._connection: libvirt.virConnect | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._exits.close()
        self._connection = None

    def state(self, reference: SecretReference, usage_type: str) -> SecretState:
        """Whether a start finds it as a secret of ``usage_type``: volume, ceph or iscsi. Raises MissingExtra, PeerError."""
        try:
            import libvirt
        except ImportError:
            raise MissingExtra("libvirt-python", "libvirt", "asking libvirt for a secret") from None
        type = getattr(libvirt, f"VIR_SECRET_USAGE_TYPE_{_USAGE_TYPES[usage_type]}")
        try:
            connection = self._connected(libvirt)
            if reference.uuid is not None:
                secret = connection.secretLookupByUUIDString(reference.uuid)
            else:
                secret = connection.secretLookupByUsage(type, reference.usage or "")
            if secret.usageType() not in (type, libvirt.VIR_SECRET_USAGE_TYPE_NONE):
                return SecretState.OTHER_TYPE
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_SECRET:
                return SecretState.MISSING
            raise PeerError(f"{self.uri}: {str(error).replace(self._address, self.uri)}") from None
        return self._value_of(secret, libvirt)

    def _connected(self, libvirt: Any) -> Any:
        """A connection that may write, else one that may read."""
        if self._connection is None:
            libvirt.registerErrorHandler(lambda _context, _error: None, None)
            opened: Callable[[str], Any] = libvirt.open
            try:
                self._connection = opened(self._address)
            except libvirt.libvirtError:
                self._connection = libvirt.openReadOnly(self._address)
            self._exits.callback(self._connection.close)
        return self._connection

    def _value_of(self, secret: Any, libvirt: Any) -> SecretState:
        try:
            secret.value(0)
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_SECRET:
                return SecretState.NO_VALUE
            return self._kept(secret.UUIDString())
        return SecretState.THERE

    def _kept(self, uuid: str) -> SecretState:
        """By the file in which a daemon keeps a value; one that is not there says nothing: the value may be in memory alone."""
        if self._root is not None:
            with suppress(OSError):
                os.lstat(f"{self._root}{_VALUES}/{uuid}.base64")
                return SecretState.THERE
        return SecretState.UNKNOWN
