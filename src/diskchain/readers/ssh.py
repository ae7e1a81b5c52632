"""Images on ssh servers, read over SFTP. Needs asyncssh (extra ``remote``).

Not through fsspec, whose file systems for ssh take any host key. Here a key has to be in known_hosts, unless the source says that
nobody cares.
"""

import contextlib
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar, cast

from diskchain.errors import (
    LoginRefused,
    MissingExtra,
    StorageDenied,
    StorageError,
    StorageMissing,
    StorageTimeout,
    printable,
)
from diskchain.readers.credentials import Credentials
from diskchain.readers.remote import TIMEOUT, RemoteImage
from diskchain.storage.location import NetworkLocation, describe_location, without_brackets
from diskchain.storage.protocol_options import SshOptions
from diskchain.storage.terms import DEFAULT_PORTS, Protocol, Transport
from diskchain.system.event_loop import wait_for

if TYPE_CHECKING:
    import asyncssh

T = TypeVar("T")


def open_ssh(
    location: NetworkLocation, *, timeout: float = TIMEOUT, credentials: Credentials | None = None
) -> RemoteImage:
    """Open the image at an ssh location. ``timeout`` in seconds, for each answer.

    Logs in with the key file, the agent or the default keys, as the source says, and with the password of ``credentials``;
    never asks. Raises MissingExtra, StorageMissing, StorageDenied, LoginRefused, StorageTimeout, or StorageError for anything else.
    """
    try:
        import asyncssh  # noqa: F401
    except ImportError:
        raise MissingExtra("asyncssh", "remote", "reading over ssh") from None
    session = _Session(location, describe_location(location), timeout, credentials)
    try:
        size = session.open()
    except BaseException:
        session.hang_up()
        raise
    return RemoteImage(session.name, size, session.fetch, session.hang_up)


class _Session:
    def __init__(self, location: NetworkLocation, name: str, timeout: float, credentials: Credentials | None) -> None:
        self.name = name
        self._location = location
        self._credentials = credentials
        self._timeout = timeout
        self._connection: asyncssh.SSHClientConnection | None = None
        self._file: asyncssh.SFTPClientFile | None = None

    def open(self) -> int:
        """Connect and open; returns the size in bytes."""
        size = self._run(self._open())
        if size is None:
            raise StorageError("the server does not say how large it is", path=self.name)
        return size

    def fetch(self, offset: int, length: int) -> bytes:
        """Bytes of the file."""
        assert self._file is not None  # noqa: S101 (opened before anybody can ask)
        return cast("bytes", self._run(self._file.read(length, offset)))

    def hang_up(self) -> None:
        """Drop the connection."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(TimeoutError):
                wait_for(_drop(connection), self._timeout, whatever=True)

    async def _open(self) -> int | None:
        import asyncssh

        self._connection = await asyncssh.connect(**self._arguments())
        client = await self._connection.start_sftp_client()
        # libvirt keeps the slash of an absolute path; a relative one starts at the user's home.
        self._file = await client.open(self._location.name or "", "rb")
        size: int | None = (await self._file.stat()).size
        return size

    def _arguments(self) -> dict[str, Any]:
        location = self._location
        options = location.options if isinstance(location.options, SshOptions) else SshOptions()
        host = without_brackets(location.hosts[0]) if len(location.hosts) == 1 else None
        if host is None or host.transport is not Transport.TCP or not host.name:
            raise StorageError("ssh takes exactly one TCP host", path=self.name)
        arguments: dict[str, Any] = {
            "host": host.name,
            "port": host.port or DEFAULT_PORTS[Protocol.SSH],
            "connect_timeout": self._timeout,
            "login_timeout": self._timeout,
            "password_auth": False,
            "kbdint_auth": False,
            "config": None,
        }
        if options.username:
            arguments["username"] = options.username
        if self._credentials is not None:
            arguments["username"] = self._credentials.user
            if self._credentials.password is not None:
                with self._credentials.password.reveal() as password:
                    arguments |= {"password": bytes(password).decode("utf-8", "surrogateescape"), "password_auth": True}
        if options.keyfile:
            arguments |= {"client_keys": [options.keyfile], "agent_path": None}
        if options.agentsock:
            arguments["agent_path"] = options.agentsock
        if not options.check_host_key:
            arguments["known_hosts"] = None
        elif options.known_hosts:
            arguments["known_hosts"] = options.known_hosts
        return arguments

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        import asyncssh

        try:
            return wait_for(work, self._timeout)
        except TimeoutError as error:
            raise StorageTimeout(f"no answer in {self._timeout:g} s", path=self.name) from error
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath) as error:
            raise StorageMissing("the server has no such file", path=self.name) from error
        except asyncssh.HostKeyNotVerifiable as error:
            raise StorageDenied("the server's host key is not known here", path=self.name) from error
        except asyncssh.PermissionDenied as error:
            raise LoginRefused(
                "login refused: the server takes no key and no password of ours", path=self.name
            ) from error
        except asyncssh.SFTPPermissionDenied as error:
            raise StorageDenied("permission denied", path=self.name) from error
        except asyncssh.KeyImportError as error:
            raise StorageError("the key file is no private key, or wants a passphrase", path=self.name) from error
        except FileNotFoundError as error:
            raise StorageError("the key file, or the file of known hosts, is not there", path=self.name) from error
        except (asyncssh.Error, OSError, ValueError) as error:
            raise StorageError(f"cannot be read over ssh: {_reason(error)}", path=self.name) from error


def _reason(error: "asyncssh.Error | OSError | ValueError") -> str:
    """Why, in one line: as the host, the library or the server puts it."""
    if isinstance(error, ValueError):
        return "its address, or a key file, is not valid"
    reason = error.strerror if isinstance(error, OSError) else error.reason
    return printable(reason or "the connection broke")


async def _drop(connection: "asyncssh.SSHClientConnection") -> None:
    connection.abort()
    await connection.wait_closed()
