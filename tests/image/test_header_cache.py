"""An image that is recognised has the header that reading it would give."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.image.test_qcow2 import BACKING_FORMAT, header
from tests.image.windows import bytes_window

from diskchain.errors import ImageError
from diskchain.image import header_cache as alike
from diskchain.image.formats.qcow2 import parse
from diskchain.image.header import BackingReference
from diskchain.image.header_cache import recognised, remember

HEADS = st.builds(
    header,
    st.sampled_from([(BACKING_FORMAT, b"raw"), (BACKING_FORMAT, b"qcow2"), (BACKING_FORMAT, b"\xff\0x"), (1, b"")]),
    backing=st.one_of(st.sampled_from([b"", b"a", b"base", b"a\0b", b"\xff"]), st.binary(max_size=1023)),
    capacity=st.sampled_from([0, 1 << 30, (1 << 30) + 1]),
    cluster_bits=st.sampled_from([9, 16]),
    incompatible=st.sampled_from([0, 1, 1 << 20]),
    autoclear=st.sampled_from([0, 2]),
    header_length=st.sampled_from([104, 112, 2000]),
)


@pytest.fixture(autouse=True)
def _forget() -> None:
    alike._kinds.clear()


@given(
    st.lists(HEADS.flatmap(lambda head: st.integers(0, len(head)).map(lambda end: head[: max(end, 60)])), max_size=6)
)
def test_recognising_gives_what_reading_gives(heads: list[bytes]) -> None:
    for head in heads * 2:
        known = recognised(head)
        try:
            read = parse(bytes_window(head))
        except ImageError:
            assert known is None
            continue
        assert known is None or known == read
        remember(head, read)


@given(HEADS, st.data())
def test_a_changed_byte_is_never_overlooked(head: bytes, data: st.DataObject) -> None:
    try:
        remember(head, parse(bytes_window(head)))
    except ImageError:
        return
    at = data.draw(st.integers(0, min(len(head), 300) - 1))
    changed = head[:at] + bytes([head[at] ^ data.draw(st.integers(1, 255))]) + head[at + 1 :]
    known = recognised(changed)
    assert known is None or known == parse(bytes_window(changed))


def test_only_the_name_is_read_of_an_image_made_like_another() -> None:
    first, second = (header((BACKING_FORMAT, b"raw"), backing=name) for name in (b"one", b"two"))
    remember(first, parse(bytes_window(first)))
    known = recognised(second)
    assert known is not None
    assert known.backing == BackingReference("two", "raw")
    assert recognised(second) is known


def test_a_name_that_goes_on_beyond_the_head_has_to_be_read() -> None:
    head = header((BACKING_FORMAT, b"raw"), backing=b"base").rstrip(b"\0")
    remember(head, parse(bytes_window(head)))
    assert recognised(head) is not None
    assert recognised(head[:-1]) is None


def test_a_name_inside_the_header_makes_no_kind() -> None:
    head = header(header_length=112)
    head = head[:8] + struct.pack(">QI", 104, 4) + head[20:]
    remember(head, parse(bytes_window(head)))
    assert alike._kinds == {}


def test_kinds_and_names_are_bounded() -> None:
    heads = [header(backing=b"base", capacity=capacity << 9).rstrip(b"\0") for capacity in range(200)]
    for head in heads:
        remember(head, parse(bytes_window(head)))
    assert len(alike._kinds) <= 64
    for number in range(1000):
        name = struct.pack(">I", number).replace(b"\0", b"\1")
        assert recognised(heads[-1][:-4] + name) is not None
    assert len(alike._kinds[heads[-1][:-4]][1]) <= 256
