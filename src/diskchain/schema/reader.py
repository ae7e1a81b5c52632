"""A document's text → its typed value, for every document that diskchain writes.

A reader may rely on this: within a version keys are only added, so keys that are not known are passed over, and a document of an earlier
diskchain, which lacks some, gets their defaults. Exact for every text a document was written from, bytes that are not UTF-8 among them
(one cannot be had back: half a character that JSON joins with the other half).
"""

import json
import re
from typing import Any, Final, NoReturn, TypeVar

import msgspec

from diskchain.errors import JsonError, NewerSchema, OtherSchema, UnknownSchema
from diskchain.schema.access import ACCESS_SCHEMA, AccessDocument
from diskchain.schema.blockdev import BLOCKDEV_SCHEMA, BlockdevDocument
from diskchain.schema.catalogue import (
    DEPENDENTS_SCHEMA,
    STATUS_SCHEMA,
    UNREFERENCED_SCHEMA,
    WHAT_IF_SCHEMA,
    DependentsDocument,
    StatusDocument,
    UnreferencedDocument,
    WhatIfDocument,
)
from diskchain.schema.chain import CHAIN_SCHEMA, ChainDocument
from diskchain.schema.check import CHECK_SCHEMA, CheckDocument
from diskchain.schema.complete import COMPLETE_SCHEMA, CompleteDocument
from diskchain.schema.cost import COST_SCHEMA, CostDocument
from diskchain.schema.diff import DIFF_SCHEMA, DiffDocument
from diskchain.schema.edit import EDIT_SCHEMA, EditDocument
from diskchain.schema.error import ERROR_SCHEMA, ErrorDocument
from diskchain.schema.explain import EXPLAIN_SCHEMA, ExplainDocument
from diskchain.schema.forest import FOREST_SCHEMA, ForestDocument
from diskchain.schema.grant import GRANT_SCHEMA, GrantDocument
from diskchain.schema.info import INFO_SCHEMA, InfoDocument
from diskchain.schema.job import (
    ADOPT_SCHEMA,
    JOB_EVENT_SCHEMA,
    JOB_PLAN_SCHEMA,
    JOBS_SCHEMA,
    AdoptDocument,
    JobEventDocument,
    JobPlanDocument,
    JobsDocument,
)
from diskchain.schema.map import MAP_SCHEMA, MapDocument
from diskchain.schema.open import OPEN_SCHEMA, OpenDocument
from diskchain.schema.revert import REVERT_SCHEMA, RevertDocument
from diskchain.schema.scan import SCAN_SCHEMA, ScanLine
from diskchain.schema.secrets import SECRETS_SCHEMA, SecretsDocument

Document = (
    AccessDocument
    | AdoptDocument
    | BlockdevDocument
    | ChainDocument
    | CheckDocument
    | CompleteDocument
    | DependentsDocument
    | CostDocument
    | DiffDocument
    | EditDocument
    | ErrorDocument
    | ExplainDocument
    | ForestDocument
    | GrantDocument
    | InfoDocument
    | OpenDocument
    | MapDocument
    | JobEventDocument
    | JobPlanDocument
    | JobsDocument
    | RevertDocument
    | ScanLine
    | SecretsDocument
    | StatusDocument
    | UnreferencedDocument
    | WhatIfDocument
)

#: Every document by its schema.
DOCUMENTS: Final[dict[str, type[Document]]] = {
    ACCESS_SCHEMA: AccessDocument,
    ADOPT_SCHEMA: AdoptDocument,
    BLOCKDEV_SCHEMA: BlockdevDocument,
    CHAIN_SCHEMA: ChainDocument,
    CHECK_SCHEMA: CheckDocument,
    COMPLETE_SCHEMA: CompleteDocument,
    DEPENDENTS_SCHEMA: DependentsDocument,
    COST_SCHEMA: CostDocument,
    DIFF_SCHEMA: DiffDocument,
    EDIT_SCHEMA: EditDocument,
    ERROR_SCHEMA: ErrorDocument,
    EXPLAIN_SCHEMA: ExplainDocument,
    FOREST_SCHEMA: ForestDocument,
    GRANT_SCHEMA: GrantDocument,
    INFO_SCHEMA: InfoDocument,
    OPEN_SCHEMA: OpenDocument,
    MAP_SCHEMA: MapDocument,
    JOB_EVENT_SCHEMA: JobEventDocument,
    JOB_PLAN_SCHEMA: JobPlanDocument,
    JOBS_SCHEMA: JobsDocument,
    REVERT_SCHEMA: RevertDocument,
    SCAN_SCHEMA: ScanLine,
    SECRETS_SCHEMA: SecretsDocument,
    STATUS_SCHEMA: StatusDocument,
    UNREFERENCED_SCHEMA: UnreferencedDocument,
    WHAT_IF_SCHEMA: WhatIfDocument,
}

#: Characters, or bytes: more than the findings of 100,000 images take.
LARGEST: Final = 64 << 20

_SCHEMA: Final = re.compile(r"diskchain/([a-z-]{1,40})/([0-9]{1,9})")
_D = TypeVar("_D", bound=msgspec.Struct)


def read(text: str | bytes, *, origin: str | None = None, most: int = LARGEST) -> Document:
    """The document that ``text`` is, whichever of ours. ``origin``: what to call it in errors. ``most``: characters, or bytes.

    Raises JsonError when it is no document of ours or breaks its schema, UnknownSchema when it names none of ours, NewerSchema when
    only a later diskchain reads it.
    """
    found = _parsed(text, origin, most)
    schema = found.get("schema")
    if not isinstance(schema, str):
        raise UnknownSchema("the document names no schema of diskchain", origin=origin)
    kind = DOCUMENTS.get(schema)
    if kind is None:
        raise _unknown(schema, origin)
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError as error:
        problem = f"not as {schema} has it: {error}"
        raise JsonError(problem, schema=schema, origin=origin) from error
    except UnicodeEncodeError as error:
        raise JsonError("a key or a word is no Unicode text", schema=schema, origin=origin) from error


def read_as(kind: type[_D], text: str | bytes, *, origin: str | None = None, most: int = LARGEST) -> _D:
    """The document of this kind that ``text`` is. Raises OtherSchema when it is of another, else as :func:`read` does."""
    found = read(text, origin=origin, most=most)
    if not isinstance(found, kind):
        expected = next(schema for schema, each in DOCUMENTS.items() if each is kind)
        raise OtherSchema(found.schema, expected=expected, origin=origin)
    return found


def _parsed(text: str | bytes, origin: str | None, most: int) -> dict[str, Any]:
    """The JSON object that ``text`` is. Raises JsonError."""
    if len(text) > most:
        raise JsonError(
            f"the document is longer than {most} {'bytes' if isinstance(text, bytes) else 'characters'}", origin=origin
        )
    try:
        found = json.loads(text.decode() if isinstance(text, bytes) else text, parse_constant=_no_json)
    except UnicodeDecodeError as error:
        raise JsonError("the document is not UTF-8", origin=origin) from error
    except RecursionError as error:
        raise JsonError("the document is nested too deep", origin=origin) from error
    except ValueError as error:
        raise JsonError(f"the document is not JSON: {error}", origin=origin) from error
    if not isinstance(found, dict):
        raise JsonError("the document is no JSON object", origin=origin)
    return found


def _no_json(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


def _unknown(schema: str, origin: str | None) -> UnknownSchema:
    match = _SCHEMA.fullmatch(schema)
    if match is not None:
        subject, version = match[1], int(match[2])
        ours = [int(each.rpartition("/")[2]) for each in DOCUMENTS if each.startswith(f"diskchain/{subject}/")]
        if ours and version > max(ours):
            return NewerSchema(schema, newest=f"diskchain/{subject}/{max(ours)}", origin=origin)
    return UnknownSchema(
        f"the document is {schema[:100]}, which is no schema of diskchain", schema=schema, origin=origin
    )
