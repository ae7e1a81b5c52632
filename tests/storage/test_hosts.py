"""An IPv6 host in brackets is the host without them; an rbd monitor needs no port."""

import json

import pytest

from diskchain.qemu.network import Login, network_node
from diskchain.storage.location import NetworkHost, NetworkLocation, describe_location
from diskchain.storage.reference import format_reference, parse_reference
from diskchain.storage.relative import relative_path
from diskchain.storage.source import Source
from diskchain.storage.terms import Format, Protocol

_NAMES = {
    Protocol.NBD: "x",
    Protocol.SSH: "/x",
    Protocol.HTTP: "x",
    Protocol.ISCSI: "iqn.2001-01.org:t/1",
    Protocol.GLUSTER: "v/x",
    Protocol.RBD: "p/i",
}


def _location(protocol: Protocol, host: str, port: int | None = 77) -> NetworkLocation:
    return NetworkLocation(protocol, _NAMES[protocol], (NetworkHost(host, port),))


@pytest.mark.parametrize("protocol", _NAMES)
def test_brackets_make_no_other_host_of_an_address(protocol: Protocol) -> None:
    bare, bracketed = _location(protocol, "2001:db8::7"), _location(protocol, "[2001:db8::7]")
    assert network_node(bracketed, Login()) == network_node(bare, Login())
    assert describe_location(bracketed) == describe_location(bare)
    written = [format_reference(Source(location, Format.QCOW2)) for location in (bare, bracketed)]
    assert written[0] == written[1]


def test_a_relative_name_leads_from_one_spelling_of_a_server_to_the_other() -> None:
    one = _location(Protocol.SSH, "[2001:db8::7]")._replace(name="/vm/a")
    assert relative_path(one, one._replace(name="/vm/b", hosts=_location(Protocol.SSH, "2001:db8::7").hosts)) == "b"


def test_monitors_without_a_port_are_written_beside_others_that_have_one() -> None:
    hosts = (NetworkHost("a"), NetworkHost("[2001:db8::7]", 6789))
    location = NetworkLocation(Protocol.RBD, "p/i", hosts)
    text = format_reference(Source(location, Format.RAW))
    read = parse_reference(text).location
    assert isinstance(read, NetworkLocation)
    assert [(host.name, host.port) for host in read.hosts] == [("a", None), ("2001:db8::7", 6789)]


def test_json_names_a_monitor_without_a_port_as_libvirt_does() -> None:
    from diskchain.storage.reference.write_json import protocol_object

    written = protocol_object(_location(Protocol.RBD, "a", None), lambda _: "")
    assert json.loads(json.dumps(written))["server"] == [{"host": "a", "port": "0"}]
