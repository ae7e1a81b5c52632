"""qcow2 headers: every field, extensions in any order and padded, and bad ones as typed errors."""

import struct
from contextlib import suppress
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diskchain.errors import ImageError, TruncatedImage
from diskchain.image.formats.qcow2 import parse
from diskchain.image.header import BackingReference
from diskchain.image.window import Window

BACKING_FORMAT, DATA_FILE, FEATURE_NAMES, UNHEARD_OF = 0xE2792ACA, 0x44415441, 0x6803F857, 0x12345678
CRYPTO_HEADER, BITMAPS = 0x0537BE77, 0x23852875


def header(
    *extensions: tuple[int, bytes],
    version: int = 3,
    backing: bytes = b"",
    capacity: int = 1 << 30,
    cluster_bits: int = 16,
    incompatible: int = 0,
    autoclear: int = 0,
    header_length: int = 104,
) -> bytes:
    """The first bytes of an image; extensions are padded to 8 bytes and ended."""
    area = b"".join(
        struct.pack(">II", kind, len(payload)) + payload + bytes(-len(payload) % 8) for kind, payload in extensions
    )
    mapped = 1 << 2 * min(cluster_bits, 21) - 3  # by one L1 entry
    l1_size = min(-(-capacity // mapped), 1 << 22)
    name_at = (header_length if version == 3 else 72) + len(area) + 8 if backing else 0
    fixed = struct.pack(
        ">4sIQIIQIIQQIIQ",
        b"QFI\xfb", version, name_at, len(backing), cluster_bits, capacity, 0, l1_size, 3 << 16, 1 << 16, 1, 0, 0,
    )  # fmt: skip
    if version == 3:
        fixed += struct.pack(">QQQII", incompatible, 0, autoclear, 4, header_length)
        fixed = fixed.ljust(header_length, b"\0")
    return fixed + area + bytes(8) + backing + bytes(4096)


def changed(head: bytes, at: int, put: bytes) -> bytes:
    return head[:at] + put + head[at + len(put) :]


@pytest.mark.parametrize(
    "order",
    list(permutations([(BACKING_FORMAT, b"qcow2"), (DATA_FILE, b"x" * 9), (UNHEARD_OF, b"?"), (FEATURE_NAMES, b"")])),
)
def test_extensions_are_found_in_any_order(order: tuple[tuple[int, bytes], ...]) -> None:
    found = parse(Window(header(*order, backing=b"base", incompatible=1 << 2)))
    assert found.backing == BackingReference("base", "qcow2")
    assert found.data_file == "x" * 9


@given(st.binary(min_size=1, max_size=15), st.binary(min_size=1, max_size=60))
def test_padding_hides_no_extension(format: bytes, name: bytes) -> None:
    found = parse(Window(header((BACKING_FORMAT, format), (DATA_FILE, name), backing=b"b", incompatible=1 << 2)))
    assert found.data_file is not None
    assert found.data_file.encode("utf-8", "surrogateescape") == name.split(b"\0")[0]


def test_version_2_has_extensions_too() -> None:
    found = parse(Window(header((BACKING_FORMAT, b"raw"), version=2, backing=b"base")))
    assert found.backing == BackingReference("base", "raw")
    assert found.version == 2


def test_a_longer_header_is_stepped_over() -> None:
    found = parse(Window(header((BACKING_FORMAT, b"raw"), backing=b"base", header_length=112)))
    assert found.backing == BackingReference("base", "raw")


def test_a_data_file_without_its_feature_bit_does_not_count() -> None:
    assert parse(Window(header((DATA_FILE, b"data")))).data_file is None


def test_a_data_file_bit_without_a_name_is_an_empty_name() -> None:
    assert parse(Window(header(incompatible=1 << 2))).data_file == ""


def test_an_unknown_incompatible_feature_is_named_by_the_image() -> None:
    row = bytes((0, 9)) + b"time travel".ljust(46, b"\0")
    features = parse(Window(header((FEATURE_NAMES, row), incompatible=1 << 9 | 1 << 10))).features
    assert features is not None
    assert features.unknown_incompatible == ("time travel", "bit 10")


def test_a_name_that_is_no_utf8_keeps_its_bytes() -> None:
    found = parse(Window(header(backing=b"\xff\xfe.img")))
    assert found.backing is not None
    assert found.backing.text.encode("utf-8", "surrogateescape") == b"\xff\xfe.img"


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        (b"QFI\xfb" + bytes(20), "shorter"),
        (header(version=4), "version 4"),
        (header(cluster_bits=8), r"2\^8"),
        (header(cluster_bits=22), r"2\^22"),
        (header(capacity=1 << 63), "needs"),
        (header(header_length=96), "header of 96 bytes"),
        (header((BACKING_FORMAT, b"raw"), backing=b"b" * 1024), "1024 bytes"),
        (header()[:104] + struct.pack(">II", BACKING_FORMAT, 1 << 31) + bytes(4000), "runs past"),
        (header()[:104] + struct.pack(">II", UNHEARD_OF, 0) * 600 + bytes(8), "more than"),
        (b"\0" * 4096, "no qcow2 magic"),
        (header((BACKING_FORMAT, b"x" * 16), backing=b"b"), "format name of 16 bytes"),
        (header(autoclear=1 << 1), "raw data file"),
        (header(incompatible=1 << 4, cluster_bits=13), "extended L2"),
        (header(incompatible=1 << 3), "feature bit is set"),
        (changed(header(header_length=112), 104, b"\1"), "feature bit is unset"),
        (changed(header(header_length=112), 104, b"\2"), "unknown compression type 2"),
        (changed(header(), 36, bytes(4)), "L1 table of 0 entries"),
        (changed(header(), 36, b"\0\x40\0\1"), "L1 table has 33554440 bytes"),
        (changed(header(), 47, b"\1"), "not the start of a cluster"),
        (changed(header(), 40, b"\x7f\xff\xff\xff\xff\xff"), "where no image reaches"),
        (changed(header(), 56, bytes(4)), "no refcount table"),
        (changed(header(), 56, b"\0\0\0\x81"), "refcount table has"),
        (changed(header(), 60, b"\0\1\0\1"), "65537 snapshots"),
        (changed(header(), 96, b"\0\0\0\7"), r"2\^7 bits"),
        (changed(header(), 32, b"\0\0\0\2"), "no pointer to the LUKS header"),
        (header((CRYPTO_HEADER, bytes(16))), "not encrypted with LUKS"),
        (changed(header((CRYPTO_HEADER, struct.pack(">QQ", 512, 4096))), 32, b"\0\0\0\2"), "LUKS header begins at 512"),
        (header((BITMAPS, bytes(24)), autoclear=1), "0 bitmaps"),
    ],
)
def test_a_bad_header_is_an_image_error(data: bytes, problem: str) -> None:
    with pytest.raises(ImageError, match=problem):
        parse(Window(data))


def test_a_backing_name_outside_the_first_cluster_is_refused() -> None:
    data = bytearray(header(backing=b"base", cluster_bits=9))
    struct.pack_into(">Q", data, 8, 513)
    with pytest.raises(ImageError, match="outside the first cluster"):
        parse(Window(bytes(data)))


def test_a_name_behind_the_head_is_fetched_and_no_more() -> None:
    asked: list[tuple[int, int]] = []
    data = bytearray(header(backing=b"base"))
    struct.pack_into(">Q", data, 8, 60_000)
    whole = bytes(data[:4096]).ljust(60_000, b"\0") + b"base"

    def fetch(offset: int, length: int) -> bytes:
        asked.append((offset, length))
        return whole[offset : offset + length]

    found = parse(Window(whole[:4096], len(whole), fetch))
    assert found.backing == BackingReference("base", None)
    assert asked == [(60_000, 4)]


@given(st.integers(0, 200), st.binary(max_size=8))
def test_any_damage_gives_a_header_or_an_image_error(offset: int, damage: bytes) -> None:
    data = bytearray(header((BACKING_FORMAT, b"qcow2"), (DATA_FILE, b"d"), backing=b"base", incompatible=1 << 2))
    data[offset : offset + len(damage)] = damage
    with suppress(ImageError):
        parse(Window(bytes(data)), full=True)


def test_a_truncated_header_is_truncated() -> None:
    with pytest.raises(TruncatedImage):
        parse(Window(header()[:100]))


def test_a_bitmaps_extension_that_does_not_count_may_be_anything() -> None:
    assert parse(Window(header((BITMAPS, b"?"))), full=True).bitmaps == ()


def test_as_many_snapshots_as_qemu_allows_are_allowed() -> None:
    assert parse(Window(changed(header(), 60, b"\0\1\0\0"))).snapshot_count == 65536


def test_a_backing_name_in_the_middle_of_the_header_is_read_as_qemu_does() -> None:
    data = changed(header(), 8, struct.pack(">QI", 1, 2))
    assert parse(Window(data)).backing == BackingReference("FI", None)
