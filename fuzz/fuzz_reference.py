"""Any text as a backing string: it is read or refused with a ReferenceSyntaxError, shown without secrets, and written back.

Input: the string, in UTF-8; bytes that are none become surrogate escapes, as in an image header.
"""

from diskchain.errors import ReferenceSyntaxError, UsageError
from diskchain.storage.reference import (
    format_reference,
    parse_reference,
    redacted,
)
from diskchain.storage.reference.value import Reference
from diskchain.storage.source import Source


def run_one(data: bytes) -> None:
    """Reads the string both ways. Raises whatever should not be raised, or AssertionError where reading back differs."""
    text = data.decode("utf-8", "surrogateescape")
    redacted(text)
    for dialect in ("libvirt", "qemu"):
        try:
            reference = parse_reference(text, dialect)
        except ReferenceSyntaxError:
            continue
        repr(reference)
        try:
            written = _written(reference)
        except UsageError:
            continue
        if dialect == "qemu":
            again = parse_reference(written, dialect)
            assert _written(again) == written, "what was written reads as something else"


def _written(reference: Reference) -> str:
    return format_reference(Source(reference.location, reference.format, slice=reference.slice), reference.unknown)
