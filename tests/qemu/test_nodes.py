"""Names and numbers of nodes, and what no node can be made of; without any QEMU."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diskchain.errors import PeerError, UsageError
from diskchain.qemu.blockdev import blockdev
from diskchain.qemu.emission import SecretItem
from diskchain.qemu.network import Login, network_node
from diskchain.qemu.nodes import NodeNames, Numbering, highest_number, node_names
from diskchain.qemu.policy import LIBVIRT_11, LIBVIRT_11_QEMU_9, QSD, NodePolicy, profile_named
from diskchain.qemu.query_nodes import read_chain
from diskchain.storage.auth import SecretReference
from diskchain.storage.encryption import Encryption, EncryptionEngine, EncryptionFormat
from diskchain.storage.location import FileLocation, NetworkHost, NetworkLocation, VhostUserLocation, VolumeLocation
from diskchain.storage.protocol_options import NbdOptions
from diskchain.storage.runtime import Runtime
from diskchain.storage.source import TERMINATOR, UNKNOWN, Source, layers, stack
from diskchain.storage.terms import Format, Protocol

RAW = Source(FileLocation("/a"), Format.RAW)
QCOW2 = Source(FileLocation("/b"), Format.QCOW2)


def test_names_are_libvirts() -> None:
    assert node_names(RAW._replace(chain_index=7)) == NodeNames(
        "libvirt-7-storage", "libvirt-7-format", "libvirt-7-slice-sto"
    )


def test_the_names_of_a_running_domain_are_used_as_they_are() -> None:
    running = RAW._replace(runtime=Runtime(storage_node="s", format_node="f"), chain_index=3)
    assert node_names(running) == NodeNames("s", "f", "libvirt-3-slice-sto")


def test_a_layer_without_a_number_has_no_names() -> None:
    with pytest.raises(UsageError, match="needs a number"):
        node_names(RAW)


def test_a_name_longer_than_qemu_takes_is_refused() -> None:
    with pytest.raises(UsageError, match="longer than 31"):
        node_names(RAW._replace(runtime=Runtime(storage_node="s" * 32, format_node="f")))


def test_numbers_go_from_the_image_to_its_data_file_to_what_is_below() -> None:
    data = RAW._replace(location=FileLocation("/data"))
    chain = Numbering(4).chain(stack([QCOW2._replace(data_file=data), RAW], TERMINATOR))
    top, base = layers(chain)
    assert top.data_file is not None
    assert (top.chain_index, top.data_file.chain_index, base.chain_index) == (4, 5, 6)
    assert highest_number(chain) == 6


@given(st.lists(st.none() | st.integers(1, 9), min_size=1, max_size=6), st.none() | st.just(RAW))
def test_numbers_that_are_there_stay_and_new_ones_are_new(old: list[int | None], data_file: Source | None) -> None:
    chain = [QCOW2._replace(chain_index=number, data_file=data_file) for number in old]
    source = stack(chain, UNKNOWN)
    numbered = list(layers(Numbering(highest_number(source) + 1).chain(source)))
    given_out = [layer.chain_index for layer, before in zip(numbered, old, strict=True) if before is None]
    assert all(layer.chain_index == before for layer, before in zip(numbered, old, strict=True) if before)
    assert len(set(given_out)) == len(given_out)
    assert not set(given_out) & set(old)


@pytest.mark.parametrize(
    ("backing", "shown"),
    [(UNKNOWN, "absent"), (TERMINATOR, None), (RAW, "libvirt-2-format")],
    ids=["unknown", "end", "source"],
)
def test_the_three_states_below_are_the_three_states_of_the_key(backing: Any, shown: str | None) -> None:
    node = blockdev(Numbering().chain(QCOW2._replace(backing=backing))).nodes()[-1]
    assert node.get("backing", "absent") == shown


def test_formats_without_backing_have_no_such_key() -> None:
    assert "backing" not in blockdev(Numbering().chain(RAW._replace(backing=TERMINATOR))).nodes()[-1]


def test_a_plain_raw_image_has_no_format_node_where_qemu_needs_none() -> None:
    emission = blockdev(Numbering().chain(RAW), NodePolicy(discard="unmap"), LIBVIRT_11_QEMU_9)
    assert emission.nodes() == [
        {"driver": "file", "filename": "/a", "node-name": "libvirt-1-storage", "read-only": False, "discard": "unmap"}
    ]
    assert emission.top == "libvirt-1-storage"


def test_the_storage_daemon_gets_nothing_it_could_write_to() -> None:
    chain = stack([QCOW2, QCOW2, RAW], TERMINATOR)
    policy = NodePolicy(direct=True, aio="native", copy_on_read=None, discard="unmap")
    nodes = blockdev(Numbering().chain(chain), policy, QSD).nodes()
    assert all(node["read-only"] is True for node in nodes)
    assert not any(key in node for node in nodes for key in ("aio", "cache", "discard"))


def test_each_layer_names_its_own_secret() -> None:
    references = [SecretReference("passphrase", usage=str(number)) for number in range(3)]
    chain = [QCOW2._replace(encryption=Encryption(EncryptionFormat.LUKS, (reference,))) for reference in references]
    items = [
        item for item in blockdev(Numbering().chain(stack(chain, TERMINATOR))).items if isinstance(item, SecretItem)
    ]
    assert [(item.layer, item.reference) for item in items] == list(enumerate(references))[::-1]


def test_librbd_takes_its_secrets_outermost_first() -> None:
    encryption = Encryption(
        EncryptionFormat.LUKS2,
        (SecretReference(usage="outer"), SecretReference(usage="inner")),
        EncryptionEngine.LIBRBD,
    )
    source = Source(NetworkLocation(Protocol.RBD, "pool/image"), Format.RAW, encryption=encryption, chain_index=1)
    storage = blockdev(source).nodes()[0]
    assert storage["encrypt"] == {
        "format": "luks2",
        "key-secret": "libvirt-1-format-encryption-secret0",
        "parent": {"format": "luks2", "key-secret": "libvirt-1-format-encryption-secret1"},
    }


def test_an_nbd_connection_is_tried_again_where_libvirt_knows_how() -> None:
    location = NetworkLocation(Protocol.NBD, hosts=(NetworkHost("h"),), options=NbdOptions(reconnect_delay=9))
    assert network_node(location, Login())["reconnect-delay"] == 9
    assert "reconnect-delay" not in network_node(location, Login(), newer=False)


@pytest.mark.parametrize(
    "location",
    [FileLocation(None), VolumeLocation("pool", "volume"), VhostUserLocation("/s")],
    ids=lambda each: str(each.type),
)
def test_what_has_no_bytes_for_qemu_has_no_node(location: Any) -> None:
    with pytest.raises(UsageError, match="layer 0"):
        blockdev(Source(location, Format.RAW, chain_index=1), profile=LIBVIRT_11)


def test_an_unknown_profile_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match="libvirt-11"):
        profile_named("xen")


@given(st.lists(st.sampled_from(["raw", "qcow2", "file", "throttle"]), min_size=1, max_size=4), st.data())
def test_nodes_that_contradict_each_other_are_a_peers_error(drivers: list[str], data: st.DataObject) -> None:
    files = st.sampled_from(
        ["/a", 'json:{"driver": "qcow2", "file": {"driver": "file", "filename": "/a"}}', "json:{", "json:[]"]
    )
    nodes: list[dict[str, Any]] = [
        {
            "node-name": f"n{number}",
            "drv": driver,
            "file": data.draw(files),
            "ro": False,
            "backing_file_depth": data.draw(st.integers(0, 1)),
            "backing_file": data.draw(files),
            "image": {"backing-image": {"format": data.draw(st.sampled_from(drivers))}},
        }
        for number, driver in enumerate(drivers)
    ]
    with contextlib.suppress(PeerError):
        read_chain(nodes, "n0")
