"""A deep chain's block nodes beside ``json.dumps`` of the same list, which is the least anybody could do with it."""

import json
from collections.abc import Iterator

from rows import Row, best

from diskchain.qemu.blockdev import blockdev
from diskchain.qemu.nodes import Numbering
from diskchain.qemu.policy import LIBVIRT_11, QSD, NodePolicy
from diskchain.storage.encryption import Encryption, EncryptionFormat
from diskchain.storage.location import FileLocation
from diskchain.storage.source import TERMINATOR, Source, stack
from diskchain.storage.terms import Format

DEPTH = 200
GOAL = 5e-3  # seconds


def run() -> Iterator[Row]:
    """Rows for 200 layers: plain, and each with a key of its own."""
    policy = NodePolicy(direct=True, aio="native", discard="unmap")
    for name, encryption in (("", None), (", all encrypted", Encryption(EncryptionFormat.LUKS))):
        chain = [Source(FileLocation(f"/images/{n}.qcow2"), Format.QCOW2, encryption=encryption) for n in range(DEPTH)]
        source = Numbering().chain(stack(chain, TERMINATOR))
        nodes = blockdev(source, policy).nodes()
        assert len(nodes) == 2 * DEPTH
        libvirt, qsd, dumped = best(
            lambda source=source: blockdev(source, policy, LIBVIRT_11),
            lambda source=source: blockdev(source, policy, QSD),
            lambda nodes=nodes: json.dumps(nodes),
            rounds=30,
        )
        yield Row(f"{DEPTH} layers{name}, as libvirt 11", libvirt, "json.dumps of the list", dumped)
        yield Row(f"{DEPTH} layers{name}, for a storage daemon", qsd, "json.dumps of the list", dumped)
        yield Row(f"{DEPTH} layers{name}, as libvirt 11", libvirt, "5 ms", GOAL, 1)
