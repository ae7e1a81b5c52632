"""Virtual-disk backing chains: read them, check them, complete them, change them safely.

What most callers need is here; each name is imported when it is first used, so that ``import diskchain`` costs nothing.
"""

TYPE_CHECKING = False  # what typing's is to type checkers; importing that is most of what a short command costs
if TYPE_CHECKING:
    from diskchain.discover import BackingChain as BackingChain
    from diskchain.discover import Discoverer as Discoverer
    from diskchain.discover import Layer as Layer
    from diskchain.discover import Origin as Origin
    from diskchain.errors import DiskchainError as DiskchainError
    from diskchain.findings import Finding as Finding
    from diskchain.findings import Severity as Severity
    from diskchain.guest.disk import Disk as Disk
    from diskchain.libvirtxml.codec import format_backing_store as format_backing_store
    from diskchain.libvirtxml.codec import format_data_store as format_data_store
    from diskchain.libvirtxml.codec import format_disk as format_disk
    from diskchain.libvirtxml.codec import format_source as format_source
    from diskchain.libvirtxml.codec import parse_backing_store as parse_backing_store
    from diskchain.libvirtxml.codec import parse_disk as parse_disk
    from diskchain.libvirtxml.codec import parse_source as parse_source
    from diskchain.libvirtxml.documents.backup import Backup as Backup
    from diskchain.libvirtxml.documents.backup import format_backup as format_backup
    from diskchain.libvirtxml.documents.backup import parse_backup as parse_backup
    from diskchain.libvirtxml.documents.domain import Domain as Domain
    from diskchain.libvirtxml.documents.domain import format_domain as format_domain
    from diskchain.libvirtxml.documents.domain import parse_domain as parse_domain
    from diskchain.libvirtxml.documents.domain import post_parse_domain as post_parse_domain
    from diskchain.libvirtxml.documents.snapshot import Snapshot as Snapshot
    from diskchain.libvirtxml.documents.snapshot import format_snapshot as format_snapshot
    from diskchain.libvirtxml.documents.snapshot import parse_snapshot as parse_snapshot
    from diskchain.libvirtxml.documents.snapshot import post_parse_snapshot as post_parse_snapshot
    from diskchain.libvirtxml.documents.status import DomainStatus as DomainStatus
    from diskchain.libvirtxml.documents.status import format_status as format_status
    from diskchain.libvirtxml.documents.status import parse_status as parse_status
    from diskchain.libvirtxml.postparse import Profile as Profile
    from diskchain.libvirtxml.postparse import post_parse as post_parse
    from diskchain.libvirtxml.postparse import post_parse_source as post_parse_source
    from diskchain.libvirtxml.view import View as View
    from diskchain.readers.policy import OpenPolicy as OpenPolicy
    from diskchain.storage.location import BlockLocation as BlockLocation
    from diskchain.storage.location import FileLocation as FileLocation
    from diskchain.storage.source import TERMINATOR as TERMINATOR
    from diskchain.storage.source import UNKNOWN as UNKNOWN
    from diskchain.storage.source import Source as Source
    from diskchain.storage.terms import Format as Format

__version__ = "0.1.0"

#: Where each public name lives. The imports above say the same to type checkers.
_HOMES = {
    "BackingChain": "discover",
    "Discoverer": "discover",
    "Layer": "discover",
    "Origin": "discover",
    "DiskchainError": "errors",
    "Finding": "findings",
    "Severity": "findings",
    "Disk": "guest.disk",
    "Backup": "libvirtxml.documents.backup",
    "format_backup": "libvirtxml.documents.backup",
    "parse_backup": "libvirtxml.documents.backup",
    "format_backing_store": "libvirtxml.codec",
    "format_data_store": "libvirtxml.codec",
    "format_disk": "libvirtxml.codec",
    "format_source": "libvirtxml.codec",
    "parse_backing_store": "libvirtxml.codec",
    "parse_disk": "libvirtxml.codec",
    "parse_source": "libvirtxml.codec",
    "Domain": "libvirtxml.documents.domain",
    "format_domain": "libvirtxml.documents.domain",
    "parse_domain": "libvirtxml.documents.domain",
    "post_parse_domain": "libvirtxml.documents.domain",
    "Profile": "libvirtxml.postparse",
    "post_parse": "libvirtxml.postparse",
    "post_parse_source": "libvirtxml.postparse",
    "Snapshot": "libvirtxml.documents.snapshot",
    "format_snapshot": "libvirtxml.documents.snapshot",
    "parse_snapshot": "libvirtxml.documents.snapshot",
    "post_parse_snapshot": "libvirtxml.documents.snapshot",
    "DomainStatus": "libvirtxml.documents.status",
    "format_status": "libvirtxml.documents.status",
    "parse_status": "libvirtxml.documents.status",
    "View": "libvirtxml.view",
    "OpenPolicy": "readers.policy",
    "BlockLocation": "storage.location",
    "FileLocation": "storage.location",
    "TERMINATOR": "storage.source",
    "UNKNOWN": "storage.source",
    "Source": "storage.source",
    "Format": "storage.terms",
}

__all__ = [*_HOMES, "__version__"]  # noqa: PLE0604 - they are strings


def __getattr__(name: str) -> object:
    from importlib import import_module

    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'diskchain' has no attribute {name!r}")
    return getattr(import_module(f"diskchain.{home}"), name)


def __dir__() -> list[str]:
    return __all__
