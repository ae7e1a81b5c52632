"""A minimal NBD client: fixed newstyle handshake, NBD_OPT_GO, reads with simple replies; no TLS, which QEMU does for us.

Ours because there is no package to depend on: libnbd's Python binding is not on PyPI (what is called ``nbd`` there is something
else), Debian has it for its own interpreter alone, and the clients inside other projects are private to them. Source: the NBD
project's ``proto.md``. The server may be hostile: every answer is bounded in size and in time.
"""

import socket
import struct
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from diskchain.errors import StorageDenied, StorageError, StorageMissing, StorageTimeout
from diskchain.readers.remote import TIMEOUT, RemoteImage

_NBDMAGIC: Final = b"NBDMAGIC"
_IHAVEOPT: Final = b"IHAVEOPT"
_FIXED_NEWSTYLE, _NO_ZEROES = 1, 2
_OPT_GO: Final = 7
_REPLY_MAGIC: Final = 0x3E889045565A9
_REP_ACK, _REP_INFO = 1, 3
_REP_ERROR: Final = 1 << 31
_INFO_EXPORT, _INFO_BLOCK_SIZE = 0, 3
_REQUEST_MAGIC: Final = 0x25609513
_SIMPLE_REPLY_MAGIC: Final = 0x67446698
_CMD_READ, _CMD_DISC = 0, 2
_EPERM: Final = 1
#: NBD_REP_ERR_UNSUP, _POLICY, _TLS_REQD, _UNKNOWN, without the bit that makes them errors.
_REFUSALS: Final[dict[int, tuple[type[StorageError], str]]] = {
    1: (StorageError, "the server is too old for NBD_OPT_GO"),
    2: (StorageDenied, "the server's policy refuses the export"),
    5: (StorageDenied, "the server wants TLS"),
    6: (StorageMissing, "the server has no such export"),
}

#: Longest name of an export, and more than any other answer to an option needs. In bytes.
_STRING_MAX: Final = 4096
_REPLIES_MAX: Final = 64
#: Largest block size the protocol lets a server ask for as its smallest, in bytes.
_MIN_BLOCK_MAX: Final = 1 << 16

_OPTION = struct.Struct(">8sII")
_OPTION_REPLY = struct.Struct(">QIII")
_INFO = struct.Struct(">H")
_INFO_OF_EXPORT = struct.Struct(">HQH")
_INFO_OF_BLOCKS = struct.Struct(">HIII")
_REQUEST = struct.Struct(">IHHQQI")
_SIMPLE_REPLY = struct.Struct(">IIQ")

#: Host and port, or the path of a unix socket.
Address = tuple[str, int] | str


def open_nbd(
    address: Address, export: str = "", *, name: str, timeout: float = TIMEOUT, then: Callable[[], None] | None = None
) -> RemoteImage:
    """Open an export for reading. ``name`` is what errors call it; ``timeout`` in seconds, for each answer.

    ``then`` is called once, after the connection has been closed, also when the export cannot be opened.

    Raises StorageMissing when there is no such export, StorageDenied, StorageTimeout, or StorageError for anything else.
    """
    with ExitStack() as exits:
        if then is not None:
            exits.callback(then)
        connection = _Connection(address, name, timeout)
        exits.callback(connection.hang_up)
        size = connection.negotiate(export)
        return RemoteImage(name, size, connection.read, exits.pop_all().close)
    raise AssertionError("an ExitStack without suppressing callbacks")


def _unix(path: str, timeout: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(timeout)
        connection.connect(path)
    except BaseException:
        connection.close()
        raise
    return connection


class _Connection:
    def __init__(self, address: Address, name: str, timeout: float) -> None:
        self._name, self._timeout = name, timeout
        self._size, self._block = 0, 1
        try:
            self._socket = (
                socket.create_connection(address, timeout) if isinstance(address, tuple) else _unix(address, timeout)
            )
        except (OSError, ValueError) as error:
            raise self._failed(error) from error

    def negotiate(self, export: str) -> int:
        """Choose the export; returns its size in bytes."""
        raw = export.encode("utf-8", "surrogateescape")
        if len(raw) > _STRING_MAX:
            raise StorageMissing("no export has so long a name", path=self._name)
        deadline = time.monotonic() + self._timeout
        magic, version, flags = struct.unpack(">8s8sH", self._receive(18, deadline))
        if magic != _NBDMAGIC or version != _IHAVEOPT or not flags & _FIXED_NEWSTYLE:
            raise self._nonsense()
        data = struct.pack(">I", len(raw)) + raw + struct.pack(">HH", 1, _INFO_BLOCK_SIZE)
        wanted = struct.pack(">I", flags & (_FIXED_NEWSTYLE | _NO_ZEROES))
        self._send(wanted + _OPTION.pack(_IHAVEOPT, _OPT_GO, len(data)) + data, deadline)
        size: int | None = None
        for _ in range(_REPLIES_MAX):
            magic, option, kind, length = _OPTION_REPLY.unpack(self._receive(_OPTION_REPLY.size, deadline))
            if magic != _REPLY_MAGIC or option != _OPT_GO or length > 2 * _STRING_MAX:
                raise self._nonsense()
            answer = self._receive(length, deadline)
            if kind & _REP_ERROR:
                error, problem = _REFUSALS.get(kind & ~_REP_ERROR, (StorageError, "the server refuses the export"))
                raise error(problem, path=self._name)
            if kind == _REP_ACK and size is not None:
                self._size = size
                return size
            about = answer[:2] if kind == _REP_INFO else b""
            if about == _INFO.pack(_INFO_EXPORT) and length == _INFO_OF_EXPORT.size:
                _, size, _ = _INFO_OF_EXPORT.unpack(answer)
            elif about == _INFO.pack(_INFO_BLOCK_SIZE) and length == _INFO_OF_BLOCKS.size:
                self._block = min(max(_INFO_OF_BLOCKS.unpack(answer)[1], 1), _MIN_BLOCK_MAX)
        raise self._nonsense()

    def read(self, offset: int, length: int) -> bytes:
        """Bytes inside the export; asks for whole blocks where the server wants that."""
        start = offset // self._block * self._block
        end = min(-(-(offset + length) // self._block) * self._block, self._size)
        deadline = time.monotonic() + self._timeout
        self._send(_REQUEST.pack(_REQUEST_MAGIC, 0, _CMD_READ, start, start, end - start), deadline)
        magic, error, handle = _SIMPLE_REPLY.unpack(self._receive(_SIMPLE_REPLY.size, deadline))
        if magic != _SIMPLE_REPLY_MAGIC or handle != start:
            raise self._nonsense()
        if error:
            problem = f"the server cannot read {length} bytes at {offset}: error {error}"
            raise (StorageDenied if error == _EPERM else StorageError)(problem, path=self._name)
        return self._receive(end - start, deadline)[offset - start : offset - start + length]

    def hang_up(self) -> None:
        """Say good-bye, if anybody still listens."""
        try:
            self._socket.settimeout(self._timeout)
            self._socket.sendall(_REQUEST.pack(_REQUEST_MAGIC, 0, _CMD_DISC, 0, 0, 0))
        except OSError:
            pass
        finally:
            self._socket.close()

    def _send(self, data: bytes, deadline: float) -> None:
        try:
            self._socket.settimeout(max(deadline - time.monotonic(), 1e-3))
            self._socket.sendall(data)
        except OSError as error:
            raise self._failed(error) from error

    def _receive(self, length: int, deadline: float) -> bytes:
        whole = bytearray()
        while len(whole) < length:
            try:
                self._socket.settimeout(max(deadline - time.monotonic(), 1e-3))
                piece = self._socket.recv(min(length - len(whole), 1 << 20))
            except OSError as error:
                raise self._failed(error) from error
            if not piece:
                raise StorageError("the server hung up", path=self._name)
            whole += piece
        return bytes(whole)

    def _failed(self, error: Exception) -> StorageError:
        if isinstance(error, TimeoutError):
            return StorageTimeout(f"no answer in {self._timeout:g} s", path=self._name)
        if isinstance(error, PermissionError):
            return StorageDenied("permission denied", path=self._name)
        return StorageError(f"no connection: {getattr(error, 'strerror', None) or error}", path=self._name)

    def _nonsense(self) -> StorageError:
        return StorageError("the server does not speak NBD as we do", path=self._name)
