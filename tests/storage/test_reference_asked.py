"""For rbd, gluster, nfs and iscsi: ours and QEMU's agree on what its libraries are asked to open."""

import json
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.storage.newer_qemu import reads_otherwise
from tests.storage.qemu_asks import Asked, Listener, as_asked

from diskchain.errors import ReferenceSyntaxError
from diskchain.qemu.network import Login, network_node
from diskchain.storage.location import NetworkLocation
from diskchain.storage.reference import format_reference, parse_reference
from diskchain.storage.source import Source

_TCP = re.compile(r"tcp (?:\[[^\[\]]+\]|[^\[\]:]+)(?::([0-9]+))?|unix .+")


def refused_for_a_reason(asked: Asked) -> bool:
    """What QEMU hands on although nothing can come of it, or our values cannot hold it: we refuse those.

    An empty name; a host that is none, or a port beyond 65535; a slash in an rbd pool, namespace or (without one) image, or in an
    iSCSI target, which blurs the name's cut; a unit that is no plain number.
    """
    if not all((asked.name[0], asked.name[-1])) or asked.name[-1].startswith("-"):
        return True
    for server in asked.servers:
        found = _TCP.fullmatch(server)
        if found is None or int(found[1] or 0) > 65535:
            return True
    return any("/" in part for part in asked.name[:-1]) or (
        len(asked.name) == 3 and not asked.name[1] and "/" in asked.name[2]
    )


def assert_agreed(listener: Listener, text: str) -> None:
    if reads_otherwise(text, listener.versions):
        return
    asked = listener.ask(text)
    try:
        ours = parse_reference(text, "qemu")
    except ReferenceSyntaxError:
        assert asked is None or refused_for_a_reason(asked), text
        return
    assert as_asked(ours) == asked
    assert asked is not None
    # What we write asks for the same, less the secret; and users of iSCSI are no part of a source.
    written = format_reference(Source(ours.location, slice=ours.slice), ours.unknown)
    kept = asked._replace(
        secret=False, user="" if text.startswith(("iscsi", 'json:{"driver": "iscsi"')) else asked.user
    )
    assert listener.ask(written) == kept, written


INET = {"type": "inet", "host": "h", "port": "1"}
TABLE: list[str | dict[str, Any]] = [
    *("rbd:p/i", "rbd:p/n/i", "rbd:p/n/i/j", "rbd:p", "rbd:p/", "rbd:/i", "rbd:p/i@", "rbd:p/i@s", "rbd:p/i@s/t", "rbd:p/@s"),
    *("rbd:p/i:id=u", "rbd:p/i:id=a:id=b", "rbd:p/i:conf=", "rbd:p/i:conf=/c", "rbd:p/i:", "rbd:p/i:x", "rbd:p/i:x=@y", "rbd:p/i:=a"),
    *("rbd:p\\/q/i", "rbd:p\\@q/i\\:j@s\\@t:a\\=b=c\\:d", "rbd:p/i\\@j:a=b", "rbd:p/i:a=b\\", "rbd:p/i\\", "rbd://h/p/i"),
    *("rbd:p/i@s:id=u:key=SECRET:conf=/c:mon_host=a\\:1\\;b,[\\:\\:1]\\:3 d:auth_supported=cephx\\;none", "rbd:p/i:mon_host=[v2\\:h]"),
    {"driver": "rbd", "pool": "p", "image": "i", "server": [{"host": "h", "port": "1"}, {"host": "::1", "port": 2}], "user": "u"},
    {"driver": "rbd", "pool": "p", "namespace": "n", "image": "i", "snapshot": "s", "conf": "/c"},
    {"driver": "rbd", "pool": "p", "image": "i/j"},
    {"driver": "rbd", "pool": "p", "image": "i", "server": [{"host": "h"}]},
    {"driver": "rbd", "filename": "rbd:p/i:id=x:a=b"},
    {"driver": "rbd", "pool": "p", "image": "i", "=keyvalue-pairs": '["a", "b"]'},
    *("gluster://h/v/a/b", "gluster+tcp://h:1/v//a", "gluster:///v/a", "gluster://h/v", "gluster://h/v/", "gluster://h//v///a/"),
    *("gluster+unix:///v/a?socket=/s%20x", "gluster+unix://h/v/a?socket=/s", "gluster+unix:///v/a?socket=/s&x=y", "gluster+unix:///v/a"),
    *("gluster+rdma://h/v/a", "gluster+rdma://h:5/v/a", "gluster://h/v/a%2fb%20", "gluster://h/v/a?x=y", "gluster://u:p@[::1]:5/v/a"),
    {"driver": "gluster", "volume": "v", "path": "a", "server": [INET, {"type": "unix", "path": "/s"}]},
    {"driver": "gluster", "volume": "v", "path": "/a", "server": [{**INET, "type": "tcp", "port": 5}]},
    {"driver": "gluster", "volume": "v", "path": "a", "server": [{"type": "unix", "socket": "/s"}]},
    {"driver": "gluster", "volume": "v", "path": "a", "server": [{"type": "inet", "host": "h"}]},
    {"driver": "gluster", "volume": "v", "path": "a", "server": [{"host": "h", "port": "1"}]},
    {"driver": "gluster", "volume": "v", "path": "a"},
    {"driver": "gluster", "filename": "gluster://h/v/a"},
    {"driver": "gluster", "server.0.type": "inet", "server.0.host": "h", "server.0.port": "1", "volume": "v", "path": "a"},
    *("nfs://h/e/a/b", "nfs://h/a", "nfs://h:20/e/a?uid=1&gid=2", "nfs://h/e/a%20b", "nfs://h/e/a?foo=1", "nfs://h/e/a?uid=x", "nfs:///e/a"),
    *("nfs+tcp://h/e/a", "nfs://u@h/e/a", "nfs://[::1]/e/a", "nfs://h", "nfs://h/e/a?debug=1;readahead=4096"),
    {"driver": "nfs", "server": {"type": "inet", "host": "h"}, "path": "/e/a", "user": 1, "group": "2"},
    {"driver": "nfs", "server": {"type": "inet", "host": "h"}, "path": "e/a"},
    {"driver": "nfs", "server": {"host": "h"}, "path": "/e/a"},
    *("iscsi://h/iqn.a:b/1", "iscsi://h:99/iqn.a%3Ab/1", "iscsi://h/t", "iscsi://h/t/x", "iscsi://user%pw@h/t/1", "iscsi://us%20er@h/t/1"),
    *("iscsi://h/%20%3A/1", "iscsi://h/#/1", "iscsi://h/a%4/1", "iscsi://h/é/1", "iscsi://h/a/1#x", "iscsi://h/a@b/1", "iscsi://u/x@h/a/1"),
    *("iscsi://u:p@h/a/1", "iscsi://u:p%q@h/a/1", "iscsi://u%@h/a/1", "iscsi://u@v@h/a/1", "iscsi://h%41/a/1", "iscsi://h/a/01", "iscsi://h:/a/1"),
    *("iscsi://[::1]x/a/1", "iscsi://[::1/a/1", "iscsi://h:99999/a/1", "iscsi://h/a/-1"),
    {"driver": "iscsi", "transport": "tcp", "portal": "h:1", "target": "a@b  é", "lun": 1},
    *("iscsi://[::1]:1/t/0", "iscsi://[::1]/t/0", "iscsi://h/t/a/1", "iscsi://h/t/1?x=y", "iscsi:///t/1", "iscsi://h//1"),
    {"driver": "iscsi", "transport": "tcp", "portal": "h:1", "target": "iqn.a:b", "lun": 1},
    {"driver": "iscsi", "transport": "tcp", "portal": "[::1]:1", "target": "t", "lun": "2"},
    {"driver": "iscsi", "transport": "tcp", "portal": "h", "target": "t", "initiator-name": "iqn.x"},
    {"driver": "iscsi", "transport": "tcp", "portal": "h", "target": "t", "user": "u", "password": "p"},
    {"driver": "iscsi", "portal": "h", "target": "t"},
    {"driver": "iscsi", "filename": "iscsi://h/t/1"},
]  # fmt: skip


@pytest.mark.parametrize("reference", TABLE, ids=str)
def test_ours_and_qemus_agree(listener: Listener, reference: str | dict[str, Any]) -> None:
    text = reference if isinstance(reference, str) else f"json:{json.dumps(reference)}"
    assert_agreed(listener, text)


@pytest.mark.parametrize(
    "text",
    [
        "gluster+unix:///v/a?socket=/s",
        "gluster+rdma://h/v/a",
        "gluster:///v/a",
        "gluster://h/v/%ff",
        "nfs://h/é",
        "nfs://h/e/a?debug=1;uid=2",
    ],
)
def test_what_a_newer_qemu_is_listed_for_it_does_read_otherwise(listener: Listener, text: str) -> None:
    if not reads_otherwise(text, listener.versions):
        pytest.skip("QEMU before 9.1 reads it as ours does")
    try:
        ours = as_asked(parse_reference(text, "qemu"))
    except ReferenceSyntaxError:
        ours = None
    assert listener.ask(text) != ours


@pytest.mark.parametrize(
    "text", ["rbd:p/i@s:mon_host=h\\:1", "rbd:p/n/i:mon_host=h\\:1", "gluster://h/v/a/b", "nfs://h/e/a"]
)
def test_the_node_of_a_reference_asks_for_the_same(listener: Listener, text: str) -> None:
    location = parse_reference(text, "qemu").location
    assert isinstance(location, NetworkLocation)
    node = network_node(location, Login())
    assert listener.ask(f"json:{json.dumps({'file': node})}") == listener.ask(text)


_BUSY = settings(max_examples=80)  # each example runs qemu-img once or twice


@_BUSY
@given(
    st.lists(
        st.sampled_from(["p", "i", "/", "@", ":", "\\", "=", "é", "id=", "conf=", "mon_host=", "h", ";", "\\:1"]),
        max_size=12,
    )
)
def test_ours_and_qemus_agree_on_rbd_strings_with_marks_anywhere(listener: Listener, pieces: list[str]) -> None:
    assert_agreed(listener, "rbd:p/i" + "".join(pieces))
    assert_agreed(listener, "rbd:" + "".join(pieces))


_HOSTS = st.sampled_from(["h", "", "[::1]", "h:1", "h:0", "u@h", "u:p@h:2", "h:", "h:99999", "%68"])
_PATHS = st.lists(st.sampled_from(["/", "a", "1", "%20", "%2f", ":", ";", "?", "#", "é", " "]), max_size=7).map("".join)


@_BUSY
@given(
    st.sampled_from(["gluster", "gluster+tcp", "gluster+unix", "gluster+rdma", "nfs", "iscsi"]),
    _HOSTS,
    _PATHS,
    st.sampled_from(["", "", "?socket=/s", "?socket=%2fs", "?uid=3", "?x=y", "?"]),
)
def test_ours_and_qemus_agree_on_uris(listener: Listener, scheme: str, host: str, path: str, query: str) -> None:
    assert_agreed(listener, f"{scheme}://{host}/{path}{query}")
