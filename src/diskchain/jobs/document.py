"""Writes what a job means for a document: a file, or the persistent definition of a domain; and takes it back.

Nothing is written over what somebody else has changed since the job was planned. The new bytes of a file have a name of their own beside it
until they take its place; it follows from them, so that what a kill leaves there is found and removed.
"""

import hashlib

from diskchain.errors import StorageError, UsageError
from diskchain.jobs.plan import DocumentChange
from diskchain.system.atomic_write import remove_beside, replace_file, state_of


def write(change: DocumentChange) -> str | None:
    """Have the document be the new one. Returns why it is not, None when it is. Raises StorageError, PeerError."""
    return _write(change.origin, change.uri, change.old, change.new)


def take_back(change: DocumentChange) -> str | None:
    """Have the document be the old one again. Returns why it is not, None when it is. Raises StorageError, PeerError."""
    return _write(change.origin, change.uri, change.new, change.old)


def _write(origin: str, uri: str | None, old: bytes, new: bytes) -> str | None:
    if uri is not None:
        from diskchain.hypervisor.define import replace_definition

        return replace_definition(uri, origin, old, new)
    for content in (old, new):
        remove_beside(origin, _beside(content))
    seen = state_of(origin)
    try:
        with open(origin, "rb") as file:
            now = file.read()
    except OSError as error:
        raise StorageError(error.strerror or "cannot be read", path=origin) from error
    if now == new:
        return None
    if now != old:
        return f"{origin} was changed since the job was planned, so it was not written"
    try:
        replace_file(origin, new, seen, beside=_beside(new))
    except UsageError as error:
        return str(error)
    return None


def _beside(content: bytes) -> str:
    return f".diskchain-{hashlib.sha256(content).hexdigest()[:32]}"
