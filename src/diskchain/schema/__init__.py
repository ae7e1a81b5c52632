"""The JSON documents diskchain prints, as typed values: a contract, versioned by ``schema``, published as JSON Schema, read back.

Key names are those of ``qemu-img info --output=json`` where the meaning is the same. Sizes are bytes. Lists of layers are
flat, top first. Keys are only ever added within a version. Imported only when JSON is asked for.
"""

from diskchain.schema.access import AccessDocument, access_disk_document
from diskchain.schema.base import FindingDocument, finding_document, to_json
from diskchain.schema.blockdev import BlockdevDocument, blockdev_disk_document, blockdev_document
from diskchain.schema.chain import ChainDocument, disk_document
from diskchain.schema.check import CheckDocument, check_document
from diskchain.schema.complete import CompleteDocument, complete_document
from diskchain.schema.diff import DiffDocument, diff_document
from diskchain.schema.error import ErrorDocument, error_document, unexpected_document
from diskchain.schema.grant import GrantDocument, grant_document
from diskchain.schema.info import InfoDocument, info_document
from diskchain.schema.json_schema import schema
from diskchain.schema.read import DOCUMENTS, Document, read, read_as
from diskchain.schema.revert import RevertDocument, revert_document
from diskchain.schema.secrets import SecretsDocument, secrets_document

__all__ = [
    "DOCUMENTS",
    "AccessDocument",
    "BlockdevDocument",
    "ChainDocument",
    "CheckDocument",
    "CompleteDocument",
    "DiffDocument",
    "Document",
    "ErrorDocument",
    "FindingDocument",
    "GrantDocument",
    "InfoDocument",
    "RevertDocument",
    "SecretsDocument",
    "access_disk_document",
    "blockdev_disk_document",
    "blockdev_document",
    "check_document",
    "complete_document",
    "diff_document",
    "disk_document",
    "error_document",
    "finding_document",
    "grant_document",
    "info_document",
    "read",
    "read_as",
    "revert_document",
    "schema",
    "secrets_document",
    "to_json",
    "unexpected_document",
]
