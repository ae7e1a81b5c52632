"""``diskchain complete --json``: schema ``diskchain/complete/1``."""

from collections.abc import Iterable

import msgspec

from diskchain.findings import Finding
from diskchain.schema.base import FindingDocument, finding_document

COMPLETE_SCHEMA = "diskchain/complete/1"


class CompleteDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What ``diskchain complete --json`` prints.

    ``written``: the file that holds the completed document, null where it is in ``text``, which is null where it was written. ``text`` is
    UTF-8; bytes that are not, as in a document in another encoding, are lone surrogates, so that Python's ``os.fsencode`` gives back every
    byte. ``changed``: whether the document is another than it was.
    """

    schema: str = COMPLETE_SCHEMA
    target: str
    changed: bool
    written: str | None
    text: str | None
    findings: tuple[FindingDocument, ...]

    @property
    def xml(self) -> bytes | None:
        """The document itself, byte for byte; None where it was written to a file."""
        return None if self.text is None else self.text.encode("utf-8", "surrogateescape")


def complete_document(
    target: str, xml: bytes, findings: Iterable[Finding], *, changed: bool, written: str | None = None
) -> CompleteDocument:
    """The JSON form of a completed, or stripped, document. ``written``: the file it was written to, None for none."""
    return CompleteDocument(
        target=target,
        changed=changed,
        written=written,
        text=xml.decode("utf-8", "surrogateescape") if written is None else None,
        findings=tuple(map(finding_document, findings)),
    )
