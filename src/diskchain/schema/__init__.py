"""The JSON documents diskchain prints, as typed values: a contract, versioned by ``schema``, published as JSON Schema.

Key names are those of ``qemu-img info --output=json`` where the meaning is the same. Sizes are bytes. Lists of layers are
flat, top first. Keys are only ever added within a version. Imported only when JSON is asked for.
"""

from diskchain.schema.access import AccessDocument, access_disk_document
from diskchain.schema.base import FindingDocument, schema, to_json
from diskchain.schema.chain import ChainDocument, disk_document
from diskchain.schema.check import CheckDocument, check_document
from diskchain.schema.diff import DiffDocument, diff_document
from diskchain.schema.grant import GrantDocument, grant_document
from diskchain.schema.info import InfoDocument, info_document
from diskchain.schema.revert import RevertDocument, revert_document

__all__ = [
    "AccessDocument",
    "ChainDocument",
    "CheckDocument",
    "DiffDocument",
    "FindingDocument",
    "GrantDocument",
    "InfoDocument",
    "RevertDocument",
    "access_disk_document",
    "check_document",
    "diff_document",
    "disk_document",
    "grant_document",
    "info_document",
    "revert_document",
    "schema",
    "to_json",
]
