"""``diskchain edit --json`` and ``diskchain set-secret --json``: schema ``diskchain/edit/1``."""

from collections.abc import Iterable

import msgspec

from diskchain.findings import Finding
from diskchain.schema.base import FindingDocument, finding_document

EDIT_SCHEMA = "diskchain/edit/1"


class EditDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What ``diskchain edit --json`` and ``diskchain set-secret --json`` print.

    ``layer``: the layer as it was named. ``written``: the file that holds the changed document, null where it is in ``text``, which is
    null where it was written. ``text`` is UTF-8; bytes that are not are lone surrogates, so that Python's ``os.fsencode`` gives back every
    byte. ``changed``: whether the document is another than it was.
    """

    schema: str = EDIT_SCHEMA
    target: str
    layer: str
    changed: bool
    written: str | None
    text: str | None
    findings: tuple[FindingDocument, ...]

    @property
    def xml(self) -> bytes | None:
        """The document itself, byte for byte; None where it was written to a file."""
        return None if self.text is None else self.text.encode("utf-8", "surrogateescape")


def edit_document(
    target: str, layer: str, xml: bytes, findings: Iterable[Finding], *, changed: bool, written: str | None = None
) -> EditDocument:
    """The JSON form of an edited document. ``written``: the file it was written to, None for none."""
    return EditDocument(
        target=target,
        layer=layer,
        changed=changed,
        written=written,
        text=xml.decode("utf-8", "surrogateescape") if written is None else None,
        findings=tuple(map(finding_document, findings)),
    )
