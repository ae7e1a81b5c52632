"""`json:` strings that no reader takes: drivers without what they need, and what is no bounded JSON object."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.storage.documents import BOTH, FILE, INET, parsed, refused

from diskchain.errors import ReferenceSyntaxError
from diskchain.storage.location import FileLocation
from diskchain.storage.reference import parse_reference
from diskchain.storage.reference.value import Dialect
from diskchain.storage.slice import Slice


def each(document: dict[str, Any], key: str, *values: Any) -> list[dict[str, Any]]:
    return [{**document, key: value} for value in values]


REFUSED: list[Any] = [
    *(
        [],
        {},
        None,
        1,
        "x",
        {"file": {}},
        {"file": 1},
        {"file": "node"},
        {"driver": 1},
        {"driver": None},
        {"driver": []},
        {"filename": "/a"},
        {"driver": "x"},
    ),
    *({"driver": "file"}, {"driver": "file", "filename": ""}, {"driver": "file", "filename": None}),
    *(
        {"driver": "raw"},
        {"driver": "raw", "file": "x"},
        {"driver": "raw", "file": []},
        {"driver": "raw", "file": FILE, "size": -1},
    ),
    *({"driver": "raw", "offset": 1.5, "file": FILE}, {"driver": "raw", "offset": 1 << 64, "file": FILE}),
    *({"driver": "raw", "offset": True, "file": FILE}, {"driver": "raw", "offset": "x", "file": FILE}),
    {"driver": "raw", "file": {"driver": "raw", "file": FILE}},
    {"file": {"driver": "qcow2", "file": FILE}},
    *(
        {"driver": "http"},
        {"driver": "http", "url": "https://h/a"},
        {"driver": "http", "url": "/a"},
        {"driver": "http", "url": 1},
    ),
    *each({"driver": "http", "url": "http://h/a"}, "cookie", "a", "a=b;", 1),
    *each({"driver": "http", "url": "http://h/a"}, "timeout", *(-1, True, [], "x")),
    *each({"driver": "https", "url": "https://h/a"}, "sslverify", 1, "no", None),
    *(
        {"driver": "gluster"},
        {"driver": "gluster", "volume": "v", "path": "p"},
        {"driver": "gluster", "volume": "v", "path": "p", "server": []},
    ),
    *each({"driver": "gluster", "volume": "v", "path": "p"}, "server", ["h"], [{}], [{"type": "vsock"}], {"0": 1}),
    *({"driver": "gluster", "filename": "/v/p"}, {"driver": "gluster", "filename": "nbd://h/x"}, {"driver": "iscsi"}),
    *each({"driver": "iscsi", "portal": "h", "target": "t"}, "transport", "iser", None, 1),
    *each({"driver": "iscsi", "transport": "tcp", "target": "t"}, "portal", "", ":1", "h:x", "h:65536"),
    *each({"driver": "iscsi", "transport": "tcp", "portal": "h", "target": "t"}, "lun", *("x", True, {}, 1.5, -1)),
    {"driver": "iscsi", "transport": "tcp", "portal": "h", "target": "a/b", "lun": 1},
    *(
        {"driver": "nbd"},
        {"driver": "nbd", "export": "x"},
        {"driver": "nbd", "server": {}},
        {"driver": "nbd", "server": {"host": "h"}},
    ),
    *(
        {"driver": "nbd", "server": {"type": "unix"}},
        {"driver": "nbd", "server": {**INET, "port": "http"}},
        {"driver": "nbd", "server": {"type": "fd", "str": "3"}},
    ),
    *({"driver": "ssh"}, {"driver": "ssh", "path": "/a"}, {"driver": "ssh", "server": {"host": "h", "port": "1"}}),
    *({"driver": "rbd"}, {"driver": "rbd", "pool": "p"}, {"driver": "rbd", "filename": "rbd:"}),
    *(
        {"driver": "nfs"},
        {"driver": "nfs", "path": "/a"},
        {"driver": "nfs", "server": {"host": "h"}, "path": "/a", "user": "x", "group": 1},
    ),
    *(
        {"driver": "vxhs"},
        {"driver": "sheepdog"},
        {"driver": "sheepdog", "filename": "sheepdog:x"},
        {"driver": "sheepdog", "vdi": "x"},
    ),
    *(
        {"driver": "nvme"},
        {"driver": "nvme", "device": "0000:01:00.0"},
        {"driver": "nvme", "device": "0000:01:00.0", "namespace": 0},
    ),
]


@pytest.mark.parametrize("dialect", BOTH)
@pytest.mark.parametrize("document", REFUSED, ids=str)
def test_what_no_reader_can_open_is_refused(document: Any, dialect: Dialect) -> None:
    refused(document, dialect)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "{",
            "x",
            "{}x",
            '{"driver":}',
            "[]",
            "NaN",
            '{"a":NaN}',
            '{"a":1e999}',
            '{"a":Infinity}',
            '{"a":"\x01"}',
        ),
        *('{"driver":"file","driver":"file","filename":"/a"}', '{"file.driver":"file","file":{"driver":"file"}}'),
        *(
            '{"":1}',
            '{".a":1}',
            '{"a..b":1}',
            '{"a":1,"a.b":2}',
            '{"a.b":1,"a":2}',
            '{"a.b.c":1,"a.b":2}',
            '{"driver":"file","filename":"\\u0000"}',
        ),
        *(
            '{"driver":"file","filename":"\udc80"}',
            '{"driver":"file","filename":"\\udc80"}',
            '{"a":' + "9" * 5000 + "}",
        ),
        *(
            "[" * 300,
            '{"a":' * 300,
            "[]" * 300,
            '{"' + "a." * 40 + '":1}',
            "{" + ",".join(f'"{n}":{n}' for n in range(300)) + "}",
        ),
    ],
    ids=lambda text: text[:20].encode("unicode_escape").decode(),
)
@pytest.mark.parametrize("dialect", BOTH)
def test_what_is_no_bounded_json_object_is_refused(text: str, dialect: Dialect) -> None:
    with pytest.raises(ReferenceSyntaxError):
        parse_reference(f"json:{text}", dialect)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("{'driver':'file','filename':'a'}", "a"),
        ("{'driver':'file','filename':'it\\'s \"x\"'}", 'it\'s "x"'),
        ("{'driver':\"file\",\"filename\":'\\u00e9\\\\'}", "é\\"),
    ],
)
def test_single_quotes_are_an_extension_of_qemu(text: str, path: str) -> None:
    assert parse_reference(f"json:{text}", "qemu").location == FileLocation(path)
    with pytest.raises(ReferenceSyntaxError):
        parse_reference(f"json:{text}", "libvirt")


@given(
    st.recursive(
        st.none() | st.integers() | st.text(max_size=5),
        lambda x: st.lists(x) | st.dictionaries(st.text("ab.", max_size=5), x),
    )
)
def test_any_document_is_read_or_refused(document: Any) -> None:
    for dialect in BOTH:
        for whole in (document, {**FILE, "x": document}, {"driver": "nbd", "server": document}):
            try:
                parsed(whole, dialect)
            except ReferenceSyntaxError:
                continue


def test_a_window_of_no_bytes_is_none_in_qemus_reading_and_goes_to_the_end_in_libvirts() -> None:
    text = 'json:{"driver":"raw","size":0,"offset":512,"file":{"driver":"file","filename":"/a"}}'
    assert parse_reference(text, "libvirt").slice == Slice(512, 0)
    with pytest.raises(ReferenceSyntaxError, match="no bytes"):
        parse_reference(text, "qemu")
