"""The JSON documents diskchain prints, as typed values: a contract, versioned by ``schema``, published as JSON Schema, read back.

Key names are those of ``qemu-img info --output=json`` where the meaning is the same. Sizes are bytes. Lists of layers are
flat, top first. Keys are only ever added within a version. Imported only when JSON is asked for.
"""

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from diskchain.schema.access import AccessDocument, access_disk_document
    from diskchain.schema.base import FindingDocument, finding_document, to_json
    from diskchain.schema.blockdev import BlockdevDocument, blockdev_disk_document, blockdev_document
    from diskchain.schema.chain import ChainDocument, disk_document
    from diskchain.schema.check import CheckDocument, check_document
    from diskchain.schema.complete import CompleteDocument, complete_document
    from diskchain.schema.cost import CostDocument, cost_document
    from diskchain.schema.diff import DiffDocument, diff_document
    from diskchain.schema.edit import EditDocument, edit_document
    from diskchain.schema.error import ErrorDocument, error_document, unexpected_document
    from diskchain.schema.explain import ExplainDocument, explain_document
    from diskchain.schema.forest import ForestDocument, image_document
    from diskchain.schema.grant import GrantDocument, grant_document
    from diskchain.schema.info import InfoDocument, info_document
    from diskchain.schema.job import (
        AdoptDocument,
        JobEventDocument,
        JobPlanDocument,
        JobsDocument,
        adopt_document,
        end_document,
        event_document,
        jobs_document,
        plan_document,
    )
    from diskchain.schema.json_schema import schema
    from diskchain.schema.map import MapDocument, map_disk_document, map_document
    from diskchain.schema.open import OpenDocument, open_document
    from diskchain.schema.reader import DOCUMENTS, Document, read, read_as
    from diskchain.schema.revert import RevertDocument, revert_document
    from diskchain.schema.secrets import SecretsDocument, secrets_document

#: Where each name lives. A verb prints one document, and all of them together take 60 ms to import.
_HOMES: Final = {
    "AccessDocument": "access",
    "AdoptDocument": "job",
    "BlockdevDocument": "blockdev",
    "ChainDocument": "chain",
    "CheckDocument": "check",
    "CompleteDocument": "complete",
    "CostDocument": "cost",
    "DOCUMENTS": "reader",
    "DiffDocument": "diff",
    "Document": "reader",
    "EditDocument": "edit",
    "ErrorDocument": "error",
    "ExplainDocument": "explain",
    "FindingDocument": "base",
    "ForestDocument": "forest",
    "GrantDocument": "grant",
    "InfoDocument": "info",
    "OpenDocument": "open",
    "MapDocument": "map",
    "JobEventDocument": "job",
    "JobPlanDocument": "job",
    "JobsDocument": "job",
    "RevertDocument": "revert",
    "SecretsDocument": "secrets",
    "access_disk_document": "access",
    "adopt_document": "job",
    "blockdev_disk_document": "blockdev",
    "blockdev_document": "blockdev",
    "check_document": "check",
    "complete_document": "complete",
    "cost_document": "cost",
    "diff_document": "diff",
    "disk_document": "chain",
    "edit_document": "edit",
    "end_document": "job",
    "error_document": "error",
    "event_document": "job",
    "explain_document": "explain",
    "finding_document": "base",
    "grant_document": "grant",
    "image_document": "forest",
    "info_document": "info",
    "open_document": "open",
    "map_disk_document": "map",
    "map_document": "map",
    "jobs_document": "job",
    "plan_document": "job",
    "read": "reader",
    "read_as": "reader",
    "revert_document": "revert",
    "schema": "json_schema",
    "secrets_document": "secrets",
    "to_json": "base",
    "unexpected_document": "error",
}

__all__ = [
    "DOCUMENTS",
    "AccessDocument",
    "AdoptDocument",
    "BlockdevDocument",
    "ChainDocument",
    "CheckDocument",
    "CompleteDocument",
    "CostDocument",
    "DiffDocument",
    "Document",
    "EditDocument",
    "ErrorDocument",
    "ExplainDocument",
    "FindingDocument",
    "ForestDocument",
    "GrantDocument",
    "InfoDocument",
    "JobEventDocument",
    "JobPlanDocument",
    "JobsDocument",
    "MapDocument",
    "OpenDocument",
    "RevertDocument",
    "SecretsDocument",
    "access_disk_document",
    "adopt_document",
    "blockdev_disk_document",
    "blockdev_document",
    "check_document",
    "complete_document",
    "cost_document",
    "diff_document",
    "disk_document",
    "edit_document",
    "end_document",
    "error_document",
    "event_document",
    "explain_document",
    "finding_document",
    "grant_document",
    "image_document",
    "info_document",
    "jobs_document",
    "map_disk_document",
    "map_document",
    "open_document",
    "plan_document",
    "read",
    "read_as",
    "revert_document",
    "schema",
    "secrets_document",
    "to_json",
    "unexpected_document",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return value
