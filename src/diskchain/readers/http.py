"""Images on web servers, read in parts over http and https. Needs aiohttp (extra ``remote``).

Not through fsspec, which calls every failure a missing file: "not there" and "could not tell" are different findings. A server that
gives out whole files only is refused: an image may be larger than anybody's memory. Certificates are checked unless the source
says otherwise. Source: RFC 9110, section 14 (range requests).
"""

import contextlib
import re
from typing import TYPE_CHECKING, Any, Final

from diskchain.errors import LoginRefused, MissingExtra, StorageDenied, StorageError, StorageMissing, StorageTimeout
from diskchain.image.window import HEAD
from diskchain.readers.credentials import Credentials
from diskchain.readers.remote import TIMEOUT, RemoteImage
from diskchain.storage.location import NetworkLocation, describe_location
from diskchain.storage.protocol_options import HttpOptions
from diskchain.storage.reference.writer import url
from diskchain.system.event_loop import wait_for

if TYPE_CHECKING:
    import aiohttp

_OK, _PARTIAL, _UNAUTHORIZED, _RANGE_NOT_SATISFIABLE = 200, 206, 401, 416
_STATUS: Final[dict[int, type[StorageError]]] = {
    403: StorageDenied,
    404: StorageMissing,
    407: StorageDenied,
    410: StorageMissing,
}
#: ``Content-Range: bytes 0-4095/8192``; of an empty file, ``bytes */0``.
_CONTENT_RANGE: Final = re.compile(r"bytes (?:(\d{1,19})-\d{1,19}|\*)/(\d{1,19})")


def open_http(
    location: NetworkLocation, *, timeout: float = TIMEOUT, credentials: Credentials | None = None
) -> RemoteImage:
    """Open the image at an http or https location. ``timeout`` in seconds, for each answer.

    ``credentials`` go to that server alone, also when it sends us elsewhere (RFC 7617, Basic). Raises MissingExtra,
    StorageMissing, StorageDenied, LoginRefused, StorageTimeout, or StorageError for anything else.
    """
    try:
        import aiohttp  # noqa: F401
    except ImportError:
        raise MissingExtra("aiohttp", "remote", "reading over http") from None
    options = location.options if isinstance(location.options, HttpOptions) else HttpOptions()
    headers = _headers(options, credentials)
    reader = _Reader(url(location), options, headers, describe_location(location), options.timeout or timeout)
    try:
        head, size = reader.open()
    except BaseException:
        reader.hang_up()
        raise
    return RemoteImage(reader.name, size, reader.fetch, reader.hang_up, head)


def _headers(options: HttpOptions, credentials: Credentials | None) -> dict[str, str]:
    headers = {"Accept-Encoding": "identity"}  # ranges count the bytes of the file itself
    if options.cookies:
        headers["Cookie"] = "; ".join(f"{cookie.name}={cookie.value}" for cookie in options.cookies)
    if credentials is not None:
        from base64 import b64encode

        pair = bytearray(credentials.user.encode("utf-8", "surrogateescape") + b":")
        if credentials.password is not None:
            with credentials.password.reveal() as password:
                pair += password
        headers["Authorization"] = "Basic " + b64encode(pair).decode()
        pair[:] = bytes(len(pair))
    return headers


class _Reader:
    def __init__(self, address: str, options: HttpOptions, headers: dict[str, str], name: str, timeout: float) -> None:
        self.name = name
        self._address = address
        self._options = options
        self._headers = headers
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None

    def open(self) -> tuple[bytes, int]:
        """The first bytes, and the size of the whole file, in one request."""
        return self._run(0, HEAD)

    def fetch(self, offset: int, length: int) -> bytes:
        """Bytes of the file."""
        return self._run(offset, length)[0]

    def hang_up(self) -> None:
        """Close the connections."""
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(TimeoutError):
                wait_for(session.close(), self._timeout, whatever=True)

    def _run(self, offset: int, length: int) -> tuple[bytes, int]:
        import aiohttp

        try:
            return wait_for(self._get(offset, length), self._timeout)
        except TimeoutError as error:
            raise StorageTimeout(f"no answer in {self._timeout:g} s", path=self.name) from error
        except aiohttp.ClientConnectorCertificateError as error:
            raise StorageError("the server's certificate is not to be trusted", path=self.name) from error
        except aiohttp.ClientConnectionError as error:
            raise StorageError("no connection, or a broken one", path=self.name) from error
        except (aiohttp.ClientError, ValueError) as error:  # their texts hold the query
            raise StorageError(f"cannot be read over http: {type(error).__name__}", path=self.name) from error

    async def _get(self, offset: int, length: int) -> tuple[bytes, int]:
        from yarl import URL

        session = self._session or self._new_session()
        asked = {"Range": f"bytes={offset}-{offset + length - 1}"}
        more: dict[str, Any] = {"ssl": False} if self._options.ssl_verify is False else {}
        async with session.get(URL(self._address, encoded=True), headers=asked, **more) as answer:
            size = self._size(answer, offset)
            wanted = min(length, max(size - offset, 0))
            data = bytearray()
            while len(data) < wanted and (piece := await answer.content.read(wanted - len(data))):
                data += piece
            return bytes(data), size

    def _new_session(self) -> "aiohttp.ClientSession":
        import aiohttp

        self._session = aiohttp.ClientSession(
            headers=self._headers, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        )
        return self._session

    def _size(self, answer: "aiohttp.ClientResponse", offset: int) -> int:
        """The size of the whole file, by an answer that is what was asked for. Raises StorageError for any other."""
        status = answer.status
        if status == _OK:
            if answer.content_length == 0:  # no part to give
                return 0
            raise StorageError("the server does not give out parts of a file", path=self.name)
        if status == _UNAUTHORIZED:
            given = "Authorization" in self._headers
            problem = "login refused: the server does not take this user name and password"
            raise LoginRefused(problem if given else "login refused: the server wants a user name", path=self.name)
        if status not in (_PARTIAL, _RANGE_NOT_SATISFIABLE):
            raise _STATUS.get(status, StorageError)(f"the server answers {status}", path=self.name)
        if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise StorageError("the server compresses what it was asked to send as it is", path=self.name)
        match = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        size = int(match[2]) if match else 0
        empty = status == _RANGE_NOT_SATISFIABLE and size == 0 and match is not None
        if match is None or not (
            empty or (status == _PARTIAL and match[1] is not None and int(match[1]) == offset < size)
        ):
            raise StorageError("the server gives another part of the file than was asked for", path=self.name)
        return size
