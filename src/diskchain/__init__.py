"""Virtual-disk backing chains: read them, check them, complete them, change them safely.

What most callers need is here; each name is imported when it is first used, so that ``import diskchain`` costs nothing.
"""

import sys

TYPE_CHECKING = False  # what typing's is to type checkers; importing that is most of what a short command costs
if TYPE_CHECKING:
    from diskchain.actions.front_door import Report as Report
    from diskchain.actions.front_door import access as access
    from diskchain.actions.front_door import blockdev as blockdev
    from diskchain.actions.front_door import check as check
    from diskchain.actions.front_door import complete as complete
    from diskchain.actions.front_door import diff as diff
    from diskchain.actions.front_door import discover as discover
    from diskchain.actions.front_door import edit as edit
    from diskchain.actions.front_door import layer_map as layer_map
    from diskchain.actions.front_door import open_chain as open_chain
    from diskchain.actions.front_door import strip as strip
    from diskchain.actions.job_front_door import plan_commit as plan_commit
    from diskchain.actions.job_front_door import plan_copy as plan_copy
    from diskchain.actions.job_front_door import plan_pull as plan_pull
    from diskchain.actions.job_front_door import plan_rebase as plan_rebase
    from diskchain.actions.job_front_door import plan_relocate as plan_relocate
    from diskchain.actions.job_front_door import plan_snapshot as plan_snapshot
    from diskchain.actions.job_front_door import run as run
    from diskchain.actions.keys import KeyPlaces as KeyPlaces
    from diskchain.actions.open import Serving as Serving
    from diskchain.discover import BackingChain as BackingChain
    from diskchain.discover import Discoverer as Discoverer
    from diskchain.discover import Layer as Layer
    from diskchain.discover import Origin as Origin
    from diskchain.errors import DiskchainError as DiskchainError
    from diskchain.errors import ImageError as ImageError
    from diskchain.errors import LayerNotFound as LayerNotFound
    from diskchain.errors import MissingExtra as MissingExtra
    from diskchain.errors import NotStorage as NotStorage
    from diskchain.errors import ParseError as ParseError
    from diskchain.errors import PeerError as PeerError
    from diskchain.errors import PolicyRefusal as PolicyRefusal
    from diskchain.errors import ReferenceSyntaxError as ReferenceSyntaxError
    from diskchain.errors import SecretError as SecretError
    from diskchain.errors import SecretMissing as SecretMissing
    from diskchain.errors import SecretWrong as SecretWrong
    from diskchain.errors import StorageDenied as StorageDenied
    from diskchain.errors import StorageError as StorageError
    from diskchain.errors import StorageMissing as StorageMissing
    from diskchain.errors import StorageTimeout as StorageTimeout
    from diskchain.errors import UsageError as UsageError
    from diskchain.errors import XmlError as XmlError
    from diskchain.findings import Finding as Finding
    from diskchain.findings import Severity as Severity
    from diskchain.findings import Stops as Stops
    from diskchain.findings import Verdict as Verdict
    from diskchain.guest.disk import Disk as Disk
    from diskchain.jobs.events import JobPaused as JobPaused
    from diskchain.jobs.events import JobRefused as JobRefused
    from diskchain.jobs.events import JobStopped as JobStopped
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
    from diskchain.readers.policy import LIBVIRT as LIBVIRT
    from diskchain.readers.policy import STRICT as STRICT
    from diskchain.readers.policy import UPLOAD as UPLOAD
    from diskchain.readers.policy import OpenPolicy as OpenPolicy
    from diskchain.storage.auth import SecretReference as SecretReference
    from diskchain.storage.location import BlockLocation as BlockLocation
    from diskchain.storage.location import DirLocation as DirLocation
    from diskchain.storage.location import FileLocation as FileLocation
    from diskchain.storage.location import Location as Location
    from diskchain.storage.location import NetworkHost as NetworkHost
    from diskchain.storage.location import NetworkLocation as NetworkLocation
    from diskchain.storage.location import NvmeLocation as NvmeLocation
    from diskchain.storage.location import VhostUserLocation as VhostUserLocation
    from diskchain.storage.location import VhostVdpaLocation as VhostVdpaLocation
    from diskchain.storage.location import VolumeLocation as VolumeLocation
    from diskchain.storage.location import describe_location as describe_location
    from diskchain.storage.reference import format_reference as format_reference
    from diskchain.storage.reference import parse_reference as parse_reference
    from diskchain.storage.source import TERMINATOR as TERMINATOR
    from diskchain.storage.source import UNKNOWN as UNKNOWN
    from diskchain.storage.source import Source as Source
    from diskchain.storage.terms import Format as Format
    from diskchain.storage.terms import Protocol as Protocol
    from diskchain.storage.terms import StorageType as StorageType

__version__ = "0.1.0"

#: Where each public name lives. The imports above say the same to type checkers.
_HOMES = {
    "access": "actions.front_door",
    "blockdev": "actions.front_door",
    "check": "actions.front_door",
    "complete": "actions.front_door",
    "diff": "actions.front_door",
    "discover": "actions.front_door",
    "edit": "actions.front_door",
    "layer_map": "actions.front_door",
    "open_chain": "actions.front_door",
    "strip": "actions.front_door",
    "plan_commit": "actions.job_front_door",
    "plan_copy": "actions.job_front_door",
    "plan_pull": "actions.job_front_door",
    "plan_rebase": "actions.job_front_door",
    "plan_relocate": "actions.job_front_door",
    "plan_snapshot": "actions.job_front_door",
    "run": "actions.job_front_door",
    "Report": "actions.front_door",
    "LIBVIRT": "readers.policy",
    "STRICT": "readers.policy",
    "UPLOAD": "readers.policy",
    "DirLocation": "storage.location",
    "describe_location": "storage.location",
    "Location": "storage.location",
    "NetworkLocation": "storage.location",
    "NetworkHost": "storage.location",
    "NvmeLocation": "storage.location",
    "VhostUserLocation": "storage.location",
    "VhostVdpaLocation": "storage.location",
    "VolumeLocation": "storage.location",
    "SecretReference": "storage.auth",
    "parse_reference": "storage.reference",
    "format_reference": "storage.reference",
    "Stops": "findings",
    "Verdict": "findings",
    "KeyPlaces": "actions.keys",
    "Serving": "actions.open",
    "JobRefused": "jobs.events",
    "JobStopped": "jobs.events",
    "JobPaused": "jobs.events",
    "UsageError": "errors",
    "LayerNotFound": "errors",
    "MissingExtra": "errors",
    "SecretError": "errors",
    "SecretMissing": "errors",
    "SecretWrong": "errors",
    "ParseError": "errors",
    "XmlError": "errors",
    "ReferenceSyntaxError": "errors",
    "ImageError": "errors",
    "PolicyRefusal": "errors",
    "StorageError": "errors",
    "StorageMissing": "errors",
    "StorageDenied": "errors",
    "StorageTimeout": "errors",
    "NotStorage": "errors",
    "PeerError": "errors",
    "Protocol": "storage.terms",
    "StorageType": "storage.terms",
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


class _FrontDoor(type(sys)):  # type: ignore[misc]
    """This module. Two functions have the names of packages; importing ``diskchain.discover.walk`` must not put one in the other's place."""

    def __setattr__(self, name: str, value: object) -> None:
        if not (name in ("access", "discover") and isinstance(value, type(sys))):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _FrontDoor
