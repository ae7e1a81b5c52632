"""How a secret reaches QEMU: encrypted with a key that only this process and that QEMU know.

The key goes through a pipe QEMU reads once at its start; it is in no file and in no argument. Source: QEMU's ``secret`` object
(``qapi/crypto.json`` ``SecretProperties``, ``crypto/secret_common.c``): AES-256-CBC, PKCS#7 padding, base64. Needs the
``cryptography`` package (extra ``open``).
"""

import os
from base64 import b64encode
from typing import Any, Final

from diskchain.errors import MissingExtra

#: QEMU's ``secret`` object takes 32 bytes as a key, and 16 as an initialisation vector.
_KEY_BYTES: Final = 32
_IV_BYTES: Final = 16
_IV_BITS: Final = _IV_BYTES * 8
KEY_ID: Final = "masterKey0"


class MasterKey:
    """A random key of one QEMU process. Never shown; wiped, as far as Python can, by :meth:`wipe`."""

    __slots__ = ("_key",)

    def __init__(self) -> None:
        self._key = bytearray(os.urandom(_KEY_BYTES))

    def __repr__(self) -> str:
        return "MasterKey(…)"

    def __reduce__(self) -> str:
        raise TypeError("a master key is not to be copied or stored")

    def pipe(self) -> int:
        """The reading end of a pipe that holds the key, to be inherited by QEMU; the caller closes it."""
        reading, writing = os.pipe2(os.O_CLOEXEC)
        try:
            os.write(writing, self._key)
        finally:
            os.close(writing)
        return reading

    def object(self, id: str, value: bytes | bytearray | memoryview) -> dict[str, Any]:
        """The arguments of ``object-add`` for a secret. Raises MissingExtra."""
        try:
            from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
            from cryptography.hazmat.primitives.padding import PKCS7
        except ImportError:
            raise MissingExtra("cryptography", "open", "handing a secret to QEMU") from None
        vector = os.urandom(_IV_BYTES)
        padder = PKCS7(_IV_BITS).padder()
        encryptor = Cipher(algorithms.AES(bytes(self._key)), modes.CBC(vector)).encryptor()
        data = encryptor.update(padder.update(bytes(value)) + padder.finalize()) + encryptor.finalize()
        return {
            "qom-type": "secret",
            "id": id,
            "keyid": KEY_ID,
            "iv": b64encode(vector).decode(),
            "format": "base64",
            "data": b64encode(data).decode(),
        }

    def wipe(self) -> None:
        """Overwrite the key."""
        self._key[:] = bytes(len(self._key))
