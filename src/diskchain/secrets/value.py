"""A key or passphrase, as a value that never shows itself. Knows no other module."""

from types import TracebackType
from typing import NoReturn, Self


class SecretValue:
    """Bytes that are in no repr, no format, no pickle, and compare equal to nothing but themselves.

    :meth:`wipe` overwrites them, as does leaving the context; copies that libraries made are beyond us.
    """

    __slots__ = ("_bytes",)

    def __init__(self, value: bytes | bytearray) -> None:
        self._bytes = bytearray(value)

    def reveal(self) -> memoryview:
        """The bytes themselves. Release the view before :meth:`wipe`."""
        return memoryview(self._bytes)

    def wipe(self) -> None:
        """Overwrite the bytes with zeroes. Harmless when repeated."""
        self._bytes[:] = bytes(len(self._bytes))

    def __len__(self) -> int:
        return len(self._bytes)

    def __repr__(self) -> str:
        return "SecretValue(…)"

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not to be copied or stored")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wipe()

    def __del__(self) -> None:
        self.wipe()
