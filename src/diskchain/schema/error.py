"""``diskchain/error/1``: what stands on standard output instead of a document when a verb with ``--json`` ends in an error."""

import re
from typing import Literal

import msgspec

from diskchain.errors import DiskchainError
from diskchain.storage.reference import redacted

ERROR_SCHEMA = "diskchain/error/1"


class ErrorDocument(msgspec.Struct, frozen=True, kw_only=True, rename="kebab"):
    """Why there is no other document. ``message`` is what stands on standard error.

    ``error``: which error, a stable word (``storage-missing``); ``bug`` is a mistake of diskchain's own. ``fault``: whose it is. ``exit-code`` and ``outcome`` say the same, as a
    number and as a word. ``path``: the file or document it is about; ``line`` counts from 1 in it. ``offset``: bytes from its start.
    ``format``: of the image. ``layer``: whose key it is about, or the layer that was not found. ``reference`` and ``rule``: what an image
    names, without passwords, and the rule that keeps us from opening it. ``allowed``: the accepted values.
    """

    schema: str = ERROR_SCHEMA
    message: str
    error: str
    fault: Literal["caller", "image", "host", "peer", "diskchain"]
    exit_code: int
    outcome: str
    verb: str | None = None
    path: str | None = None
    line: int | None = None
    offset: int | None = None
    format: str | None = None
    layer: str | None = None
    reference: str | None = None
    rule: str | None = None
    allowed: tuple[str, ...] = ()


def error_document(
    error: DiskchainError,
    *,
    exit_code: int,
    outcome: str,
    verb: str | None = None,
) -> ErrorDocument:
    """The JSON form of an error that ends ``verb`` with ``exit_code``. Facts that the error does not carry are null."""
    reference: str | None = getattr(error, "reference", None)
    return ErrorDocument(
        message=str(error),
        error=_word(type(error)),
        fault=error.fault,
        exit_code=exit_code,
        outcome=outcome,
        verb=verb,
        path=getattr(error, "path", getattr(error, "origin", None)),
        line=getattr(error, "line", None),
        offset=getattr(error, "offset", None),
        format=getattr(error, "format", None),
        layer=getattr(error, "layer", getattr(error, "name", None)),
        reference=redacted(reference) if reference is not None else None,
        rule=getattr(error, "rule", None),
        allowed=getattr(error, "allowed", ()),
    )


def unexpected_document(
    message: str, *, bug: bool, exit_code: int, outcome: str, path: str | None = None, verb: str | None = None
) -> ErrorDocument:
    """The JSON form of an exception that is none of our errors: the operating system's, or a ``bug``."""
    return ErrorDocument(
        message=message,
        error="bug" if bug else "storage-error",
        fault="diskchain" if bug else "host",
        exit_code=exit_code,
        outcome=outcome,
        verb=verb,
        path=path,
    )


def _word(kind: type[DiskchainError]) -> str:
    """``storage-missing``: the nearest class of the error tree, which what is derived from it elsewhere belongs to."""
    name = next(each.__name__ for each in kind.__mro__ if each.__module__ == DiskchainError.__module__)
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()
