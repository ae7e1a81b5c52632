"""Secrets of a real libvirtd, gone after the test."""

import uuid
from collections.abc import Callable, Iterator

import pytest

from tests.live.daemons import Libvirtd

#: ``<usage type=…>`` and the element that holds the usage.
_USAGE = {"volume": "volume", "ceph": "name", "iscsi": "target"}


@pytest.fixture
def libvirt_secret(libvirtd: Libvirtd) -> Iterator[Callable[..., str]]:
    """Call it with a value to get the UUID of a new secret: `libvirt_secret(b"…", usage="…", type="ceph")`."""
    defined = []

    def define(value: bytes | None, *, usage: str | None = None, type: str = "volume", private: bool = False) -> str:
        name = f"diskchain-test-{uuid.uuid4()}" if usage is None else usage
        inside = _USAGE[type]
        secret = libvirtd.connection.secretDefineXML(
            f"<secret ephemeral='yes' private='{'yes' if private else 'no'}'>"
            f"<usage type='{type}'><{inside}>{name}</{inside}></usage></secret>"
        )
        defined.append(secret)
        if value is not None:
            secret.setValue(value)
        return str(secret.UUIDString())

    yield define
    for secret in defined:
        secret.undefine()
