"""Ask a libvirt daemon for its domains and their XML. Read-only. Needs libvirt-python (extra ``libvirt``)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from diskchain.behaviours import from_number
from diskchain.errors import MissingExtra, PeerError, UsageError
from diskchain.hypervisor.daemon import Daemon, daemon_behind
from diskchain.storage.reference import redacted
from diskchain.system.unix_peer import unix_peers
from diskchain.versions import Version, Versions

if TYPE_CHECKING:
    import libvirt


@dataclass(frozen=True, slots=True)
class DomainDocument:
    """One domain as its connection describes it. ``live`` is None when it does not run, ``inactive`` when it is transient."""

    name: str
    uuid: str
    live: bytes | None
    inactive: bytes | None

    @property
    def current(self) -> bytes:
        """What the guest has now if it runs, else what it will have."""
        return self.live or self.inactive or b""


@dataclass(frozen=True, slots=True)
class DomainRecord:
    """What libvirt keeps beside a domain. ``kind``: ``snapshot`` or ``checkpoint``."""

    kind: str
    name: str
    document: bytes


class Connection:
    """A read-only connection to ``uri``. Use as a context manager.

    Raises MissingExtra without libvirt-python, PeerError when libvirt cannot be reached or refuses.
    """

    def __init__(self, uri: str) -> None:
        try:
            import libvirt
        except ImportError:
            raise MissingExtra("libvirt-python", "libvirt", "talking to libvirt") from None
        self._libvirt = libvirt
        self.uri = redacted(uri)  # for people; a URI may hold a password
        self._host = urlsplit(uri).hostname
        libvirt.registerErrorHandler(lambda _context, _error: None, None)
        before = unix_peers()
        try:
            self._connection = libvirt.openReadOnly(uri)
        except libvirt.libvirtError as error:
            said = str(error).replace(uri, self.uri)
            raise PeerError(f"cannot connect to {self.uri}: {said}") from None
        self._peers = [peer for descriptor, peer in unix_peers().items() if before.get(descriptor) != peer]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def host(self) -> str | None:
        """The other host this connection leads to, whose files are not ours; None for this host."""
        return None if self._host in (None, "localhost", "127.0.0.1", "::1") else self._host

    def daemon(self) -> Daemon:
        """What is known of the daemon behind this connection."""
        return daemon_behind(self._peers)

    @property
    def versions(self) -> Versions:
        """Of the libvirt that was reached, and of its QEMU; None for one that does not say."""
        libvirt = self._libvirt
        told: list[Version | None] = []
        for ask in (self._connection.getLibVersion, self._connection.getVersion):
            try:
                number = ask()
            except libvirt.libvirtError:
                number = 0
            told.append(from_number(number) if number else None)
        return Versions(*told) if self._connection.getType() == "QEMU" else Versions(told[0])

    def close(self) -> None:
        """Hang up."""
        self._connection.close()

    def domain(self, name: str) -> DomainDocument:
        """The domain of that name or UUID. Raises UsageError when there is none."""
        libvirt = self._libvirt
        for look_up in (self._connection.lookupByName, self._connection.lookupByUUIDString):
            try:
                return self._document(look_up(name))
            except libvirt.libvirtError as error:
                if error.get_error_code() not in (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_INVALID_ARG):
                    raise PeerError(f"{self.uri}: {error}") from error
        raise UsageError(f"{self.uri} has no domain called {name!r}")

    def base_label(self, model: str) -> str | None:
        """The label of that security model that a domain gets when its configuration names none; None when unknown."""
        from lxml import etree

        try:
            capabilities = etree.fromstring(self._connection.getCapabilities().encode())
        except (self._libvirt.libvirtError, etree.XMLSyntaxError):
            return None
        for security in capabilities.iterfind("host/secmodel"):
            if security.findtext("model") == model:
                return security.findtext("baselabel")
        return None

    def domains(self) -> list[DomainDocument]:
        """Every domain of the connection. One that disappears meanwhile is left out."""
        libvirt = self._libvirt
        try:
            found = self._connection.listAllDomains()
        except libvirt.libvirtError as error:
            raise PeerError(f"{self.uri}: {error}") from error
        documents = []
        for domain in found:
            try:
                documents.append(self._document(domain))
            except libvirt.libvirtError as error:
                if error.get_error_code() != libvirt.VIR_ERR_NO_DOMAIN:
                    raise PeerError(f"{self.uri}: {error}") from error
        return documents

    def records(self, uuid: str) -> list[DomainRecord]:
        """The snapshots and checkpoints of a domain. Raises PeerError; of a domain that is gone there are none."""
        libvirt = self._libvirt
        try:
            domain = self._connection.lookupByUUIDString(uuid)
            found = [("snapshot", each) for each in domain.listAllSnapshots()]
            found += [("checkpoint", each) for each in domain.listAllCheckpoints()]
            return [DomainRecord(kind, each.getName(), each.getXMLDesc().encode()) for kind, each in found]
        except libvirt.libvirtError as error:
            if error.get_error_code() in (libvirt.VIR_ERR_NO_DOMAIN, libvirt.VIR_ERR_NO_SUPPORT):
                return []
            raise PeerError(f"{self.uri}: {error}") from error

    def snapshots(self) -> list[tuple[str, str, bytes]]:
        """Every snapshot that libvirt knows of: the domain's name, its own, and its document. One that disappears meanwhile is left out."""
        libvirt = self._libvirt
        found: list[tuple[str, str, bytes]] = []
        try:
            domains = self._connection.listAllDomains()
        except libvirt.libvirtError as error:
            raise PeerError(f"{self.uri}: {error}") from error
        for domain in domains:
            try:
                found += [
                    (domain.name(), each.getName(), each.getXMLDesc().encode()) for each in domain.listAllSnapshots()
                ]
            except libvirt.libvirtError:
                continue  # gone, or of a hypervisor without snapshots
        return found

    def _document(self, domain: "libvirt.virDomain") -> DomainDocument:
        inactive_flag = self._libvirt.VIR_DOMAIN_XML_INACTIVE
        live = domain.XMLDesc(0).encode() if domain.isActive() else None
        inactive = domain.XMLDesc(inactive_flag).encode() if domain.isPersistent() else None
        return DomainDocument(domain.name(), domain.UUIDString(), live, inactive)
