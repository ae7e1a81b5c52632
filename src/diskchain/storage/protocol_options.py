"""What only one protocol has to say of a location: a class for each. Source: libvirt 11.3.0 ``<source>``. Knows no other module."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cookie:
    """One HTTP cookie. The value is a secret: it is not in the repr."""

    name: str
    value: str

    def __repr__(self) -> str:
        return f"Cookie(name={self.name!r}, value=…)"


@dataclass(frozen=True, slots=True)
class HttpOptions:
    """http, https, ftp, ftps. ``readahead`` in bytes, ``timeout`` in seconds; 0 and None both mean the default.

    A query may sign the URL, which is a login: it is not in the repr.
    """

    query: str | None = None
    ssl_verify: bool | None = None
    cookies: tuple[Cookie, ...] = ()
    readahead: int | None = None
    timeout: int | None = None

    def __repr__(self) -> str:
        query = "None" if self.query is None else "…"
        return (
            f"HttpOptions(query={query}, ssl_verify={self.ssl_verify!r}, cookies={self.cookies!r},"
            f" readahead={self.readahead!r}, timeout={self.timeout!r})"
        )


@dataclass(frozen=True, slots=True)
class NbdOptions:
    """nbd. ``reconnect_delay`` in seconds; ``tls_hostname`` overrides the name checked against the certificate."""

    reconnect_delay: int | None = None
    tls_hostname: str | None = None


@dataclass(frozen=True, slots=True)
class SshOptions:
    """ssh. Either a ``keyfile`` or an ``agentsock`` goes with ``username``.

    ``check_host_key`` False comes from a ``json:`` reference only; libvirt's XML cannot say it.
    """

    known_hosts: str | None = None
    username: str | None = None
    keyfile: str | None = None
    agentsock: str | None = None
    check_host_key: bool = True


@dataclass(frozen=True, slots=True)
class NfsOptions:
    """nfs. Names, or ``+N`` for numeric ids."""

    user: str | None = None
    group: str | None = None


@dataclass(frozen=True, slots=True)
class IscsiOptions:
    """iscsi. The initiator's IQN."""

    initiator: str | None = None


@dataclass(frozen=True, slots=True)
class RbdOptions:
    """rbd. Who logs in, as a reference says it (``id=``); libvirt's XML says it in ``<auth>``."""

    user: str | None = None


ProtocolOptions = HttpOptions | NbdOptions | SshOptions | NfsOptions | IscsiOptions | RbdOptions
