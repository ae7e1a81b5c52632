"""Images on web servers, read in parts over http and https. Needs aiohttp (extra ``remote``).

Not through fsspec, which calls every failure a missing file: "not there" and "could not tell" are different findings. A server that
gives out whole files only is refused: an image may be larger than anybody's memory. Certificates are checked unless the source
says otherwise. Redirects are followed here, not by the library: what belongs to one server (cookies, a login, the permission not to
check its certificate) never goes to another, whatever the library's version does. Sources: RFC 9110, sections 14 (range requests) and
15.4 (redirects); RFC 6454, section 4 (an origin is scheme, host and port).
"""

import contextlib
import re
from typing import TYPE_CHECKING, Any, Final

from diskchain.errors import (
    LoginRefused,
    MissingExtra,
    StorageDenied,
    StorageError,
    StorageMissing,
    StorageTimeout,
)
from diskchain.image.window import HEAD
from diskchain.readers.credentials import Credentials
from diskchain.readers.remote import TIMEOUT, RemoteImage
from diskchain.storage.location import NetworkLocation, describe_location
from diskchain.storage.protocol_options import HttpOptions
from diskchain.storage.reference.writer import url
from diskchain.system.event_loop import wait_for

if TYPE_CHECKING:
    import aiohttp
    from yarl import URL

_OK, _PARTIAL, _UNAUTHORIZED, _RANGE_NOT_SATISFIABLE = 200, 206, 401, 416
#: 304 and 300 name no other place for a range request.
_REDIRECTS: Final = frozenset((301, 302, 303, 307, 308))
#: Redirects followed for one answer. curl's own limit is 30, browsers' 20; a mirror needs one or two.
_REDIRECTS_MAX: Final = 10
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

    ``credentials`` (RFC 7617, Basic) and cookies go to that server alone, also when it redirects: the image's ``moved_to`` then says
    where to. Raises MissingExtra, StorageMissing, StorageDenied, LoginRefused, StorageTimeout, or StorageError for anything else.
    """
    try:
        import aiohttp  # noqa: F401
    except ImportError:
        raise MissingExtra("aiohttp", "remote", "reading over http") from None
    options = location.options if isinstance(location.options, HttpOptions) else HttpOptions()
    own = _own_headers(options, credentials)
    reader = _Reader(url(location), options, own, describe_location(location), options.timeout or timeout)
    try:
        head, size = reader.open()
    except BaseException:
        reader.hang_up()
        raise
    return RemoteImage(reader.name, size, reader.fetch, reader.hang_up, head, moved_to=reader.moved_to)


def _own_headers(options: HttpOptions, credentials: Credentials | None) -> dict[str, str]:
    """What only the server of the location itself may get."""
    headers = {}
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
    """``own``: headers for the server of ``address`` alone. ``moved_to``: which other server gave the bytes, once it has."""

    def __init__(self, address: str, options: HttpOptions, own: dict[str, str], name: str, timeout: float) -> None:
        self.name = name
        self.moved_to: str | None = None
        self._address = address
        self._options = options
        self._own = own
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
            raise self._fault(f"no answer in {self._timeout:g} s", StorageTimeout) from error
        except aiohttp.ClientConnectorCertificateError as error:
            raise self._fault("the server's certificate is not to be trusted") from error
        except aiohttp.ClientConnectionError as error:
            raise self._fault("no connection, or a broken one") from error
        except OSError as error:
            raise StorageError(f"cannot be read over http: {error.strerror or error}", path=self.name) from error
        except (aiohttp.ClientError, ValueError) as error:  # their texts hold the query
            raise self._fault("cannot be read over http: an address or an answer is not valid") from error

    async def _get(self, offset: int, length: int) -> tuple[bytes, int]:
        from yarl import URL

        session = self._session or self._new_session()
        asked = {"Range": f"bytes={offset}-{offset + length - 1}"}
        first = address = URL(self._address, encoded=True)
        more: dict[str, Any] = {"ssl": False} if self._options.ssl_verify is False else {}
        asked |= self._own
        self.moved_to = None
        for _ in range(_REDIRECTS_MAX + 1):
            async with session.get(address, headers=asked, allow_redirects=False, **more) as answer:
                if answer.status not in _REDIRECTS:
                    return await self._part(answer, offset, length)
                address = self._next(address, answer.headers.get("Location", ""))
            if (
                address.origin() != first.origin()
            ):  # from here on nothing of ours goes along, not even back to the first
                asked, more = {"Range": asked["Range"]}, {}
                self.moved_to = str(address.with_query(None).with_fragment(None))
        raise self._fault(f"the server redirects more than {_REDIRECTS_MAX} times")

    async def _part(self, answer: "aiohttp.ClientResponse", offset: int, length: int) -> tuple[bytes, int]:
        size = self._size(answer, offset)
        wanted = min(length, max(size - offset, 0))
        data = bytearray()
        while len(data) < wanted and (piece := await answer.content.read(wanted - len(data))):
            data += piece
        return bytes(data), size

    def _next(self, address: "URL", target: str) -> "URL":
        """Where a redirect leads. A login in it is dropped. Raises StorageError for what is not http, ValueError for no URL."""
        from yarl import URL

        if not target:
            raise self._fault("the server redirects, and does not say where to")
        found = address.join(URL(target, encoded=True))
        if found.scheme not in ("http", "https") or not found.host:
            raise self._fault("the server redirects to what is not http or https")
        return found.with_user(None)

    def _fault(self, problem: str, kind: type[StorageError] = StorageError) -> StorageError:
        """An error that also says which server it is about, where that is not the one of the location."""
        return kind(problem, path=self.name, moved_to=self.moved_to)

    def _new_session(self) -> "aiohttp.ClientSession":
        import aiohttp

        self._session = aiohttp.ClientSession(
            headers={"Accept-Encoding": "identity"},  # ranges count the bytes of the file itself
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )
        return self._session

    def _size(self, answer: "aiohttp.ClientResponse", offset: int) -> int:
        """The size of the whole file, by an answer that is what was asked for. Raises StorageError for any other."""
        status = answer.status
        if status == _OK:
            if answer.content_length == 0:  # no part to give
                return 0
            raise self._fault("the server does not give out parts of a file")
        if status == _UNAUTHORIZED:
            given = "Authorization" in self._own and self.moved_to is None
            problem = "login refused: the server does not take this user name and password"
            raise self._fault(problem if given else "login refused: the server wants a user name", LoginRefused)
        if status not in (_PARTIAL, _RANGE_NOT_SATISFIABLE):
            raise self._fault(f"the server answers {status}", _STATUS.get(status, StorageError))
        if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
            raise self._fault("the server compresses what it was asked to send as it is")
        match = _CONTENT_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        size = int(match[2]) if match else 0
        empty = status == _RANGE_NOT_SATISFIABLE and size == 0 and match is not None
        if match is None or not (
            empty or (status == _PARTIAL and match[1] is not None and int(match[1]) == offset < size)
        ):
            raise self._fault("the server gives another part of the file than was asked for")
        return size
