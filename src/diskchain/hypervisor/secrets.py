"""Ask a libvirt daemon for the values of its secrets. Needs libvirt-python (extra ``libvirt``) and a connection that may write.

libvirt gives values to connections that may write only, and never those of private secrets.
"""

from typing import TYPE_CHECKING, Any, Final, Self

from diskchain.errors import MissingExtra, PeerError
from diskchain.secrets.value import SecretValue
from diskchain.storage.auth import SecretReference
from diskchain.storage.reference import redacted

if TYPE_CHECKING:
    import libvirt

#: ``<secret type=…>`` of a reference to libvirt's ``VIR_SECRET_USAGE_TYPE_…``.
_USAGE_TYPES: Final = {"passphrase": "VOLUME", "volume": "VOLUME", "ceph": "CEPH", "iscsi": "ISCSI", "tls": "TLS"}


class LibvirtSecrets:
    """The secrets of the libvirt at ``uri``; call it with a reference. Connects when first asked. A context manager."""

    def __init__(self, uri: str) -> None:
        self.uri = redacted(uri)  # for people; a URI may hold a password
        self._address = uri
        self._connection: libvirt.virConnect | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __call__(self, reference: SecretReference) -> SecretValue | None:
        """The value; None when libvirt has no such secret, or a secret without a value.

        Raises MissingExtra, or PeerError when libvirt cannot be reached or keeps the value to itself.
        """
        try:
            import libvirt
        except ImportError:
            raise MissingExtra("libvirt-python", "libvirt", "asking libvirt for a secret") from None
        try:
            secret = self._look_up(libvirt, reference)
            return SecretValue(secret.value(0))
        except libvirt.libvirtError as error:
            if error.get_error_code() == libvirt.VIR_ERR_NO_SECRET:
                return None
            raise PeerError(f"{self.uri}: {str(error).replace(self._address, self.uri)}") from None

    def _look_up(self, libvirt: Any, reference: SecretReference) -> Any:
        if self._connection is None:
            libvirt.registerErrorHandler(lambda _context, _error: None, None)
            self._connection = libvirt.open(self._address)
        if reference.uuid is not None:
            return self._connection.secretLookupByUUIDString(reference.uuid)
        kind = _USAGE_TYPES.get(reference.usage_type or "passphrase", "VOLUME")
        type = getattr(libvirt, f"VIR_SECRET_USAGE_TYPE_{kind}")
        return self._connection.secretLookupByUsage(type, reference.usage)
