"""Virtual-disk backing chains: read them, check them, complete them, change them safely.

What most callers need is here; each name is imported when it is first used, so that ``import diskchain`` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diskchain.discover import BackingChain as BackingChain
    from diskchain.discover import Discoverer as Discoverer
    from diskchain.discover import Layer as Layer
    from diskchain.discover import Origin as Origin
    from diskchain.errors import DiskchainError as DiskchainError
    from diskchain.findings import Finding as Finding
    from diskchain.findings import Severity as Severity
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
    "OpenPolicy": "readers.policy",
    "BlockLocation": "storage.location",
    "FileLocation": "storage.location",
    "TERMINATOR": "storage.source",
    "UNKNOWN": "storage.source",
    "Source": "storage.source",
    "Format": "storage.terms",
}

__all__ = [*_HOMES, "__version__"]  # noqa: PLE0604 - they are strings


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'diskchain' has no attribute {name!r}")
    return getattr(import_module(f"diskchain.{home}"), name)


def __dir__() -> list[str]:
    return __all__
