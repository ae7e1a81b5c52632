"""`json:` strings made of Python values, for the tests of both readings."""

import json
from typing import Any

import pytest

from diskchain.errors import ReferenceSyntaxError
from diskchain.storage.location import NetworkHost
from diskchain.storage.reference import parse_reference
from diskchain.storage.reference.value import Dialect, Reference

BOTH: tuple[Dialect, ...] = ("libvirt", "qemu")
FILE = {"driver": "file", "filename": "/a"}
INET = {"type": "inet", "host": "h", "port": "1"}
#: What `INET` says.
HOST = (NetworkHost("h", 1),)


def parsed(document: Any, dialect: Dialect = "libvirt") -> Reference:
    return parse_reference(f"json:{json.dumps(document)}", dialect)


def refused(document: Any, dialect: Dialect) -> None:
    with pytest.raises(ReferenceSyntaxError):
        parsed(document, dialect)
