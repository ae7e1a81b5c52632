"""What we write is valid by libvirt's own RELAX NG schemas."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from lxml import etree
from tests.libvirtxml.definable import definable_disks
from tests.libvirtxml.test_libvirt_agrees import UNKNOWN_TYPES, tolerant
from tests.live.peers import give_up

from diskchain.guest.disk import Disk
from diskchain.guest.terms import DiskDevice
from diskchain.libvirtxml.codec import format_disk, parse_disk
from diskchain.libvirtxml.postparse import post_parse
from diskchain.libvirtxml.view import View
from diskchain.storage.location import NetworkLocation
from diskchain.storage.protocol_options import NfsOptions
from diskchain.storage.source import layers
from diskchain.storage.terms import Protocol, StorageType
from diskchain.units import GiB

_SCHEMAS = Path("/usr/share/libvirt/schemas")


def _protocols(disk: Disk) -> set[Protocol]:
    return {layer.location.protocol for layer in layers(disk.source) if isinstance(layer.location, NetworkLocation)}


#: Where the schema of 9.0 refuses what libvirt 9.0 itself takes, one line and one reason each.
STRICTER: dict[str, Callable[[Disk], bool]] = {
    "a lun is of type network, block or volume": lambda disk: (
        disk.device is DiskDevice.LUN
        and disk.source.location.type not in {StorageType.NETWORK, StorageType.BLOCK, StorageType.VOLUME}
    ),
    "vxhs and nfs have no encryption": lambda disk: any(
        layer.encryption is not None and not {Protocol.VXHS, Protocol.NFS}.isdisjoint(_protocols(disk))
        for layer in layers(disk.source)
    ),
    "a slice begins in the first 4 GiB": lambda disk: any(
        layer.slice is not None and layer.slice.offset >= 4 * GiB for layer in layers(disk.source)
    ),
    "ssh is no protocol yet": lambda disk: Protocol.SSH in _protocols(disk),
    "the usage of auth's secret is a name": lambda disk: any(
        layer.auth is not None and "&" in (layer.auth.secret.usage or "") for layer in layers(disk.source)
    ),
    "the user of auth is a name of letters, digits, _, + and -": lambda disk: any(
        layer.auth is not None and re.fullmatch(r"[a-zA-Z0-9_+-]+", layer.auth.username) is None
        for layer in layers(disk.source)
    ),
    "nfs has an identity, whole": lambda disk: any(
        isinstance(layer.location, NetworkLocation)
        and layer.location.protocol is Protocol.NFS
        and (not isinstance(ids := layer.location.options, NfsOptions) or None in (ids.user, ids.group))
        for layer in layers(disk.source)
    ),
    "auth has no type": lambda disk: any(layer.auth is not None and layer.auth.type for layer in layers(disk.source)),
}

_DOMAIN = """\
<domain type='qemu'>
  <name>valid</name>
  <memory>65536</memory>
  <os><type arch='x86_64'>hvm</type></os>
  <devices>
{disk}  </devices>
</domain>
"""


@pytest.fixture(scope="module")
def schema() -> etree.RelaxNG:
    path = _SCHEMAS / "domain.rng"
    if not path.exists():
        give_up(f"needs libvirt's schemas in {_SCHEMAS}")
    return etree.RelaxNG(etree.parse(path))


@pytest.mark.parametrize("type", [type for type in StorageType if type not in UNKNOWN_TYPES])
def test_generated_disks_are_valid(type: StorageType, schema: etree.RelaxNG) -> None:
    @settings(
        max_examples=60,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(definable_disks(type))
    def each(disk: Disk) -> None:
        assume(not any(refuses(disk) for refuses in STRICTER.values()))
        (disk,) = post_parse([parse_disk(format_disk(disk, secure=True))])
        text = tolerant(format_disk(disk, view=View.INACTIVE, indent=4))
        schema.assertValid(etree.fromstring(_DOMAIN.format(disk=text)))

    each()
