"""What every reader must do, whatever is between it and the bytes. A class of tests for each reader inherits from this one.

A reader's class has a fixture ``reader``, which puts bytes where the reader finds them.
"""

import random
from collections.abc import Callable
from typing import NamedTuple

import pytest

from diskchain.errors import ImageError, StorageError, StorageMissing, TruncatedImage
from diskchain.image.formats import qcow2
from diskchain.image.window import BUDGET, HEAD
from diskchain.readers.open import Image
from diskchain.storage.location import Location
from diskchain.storage.terms import StorageType


class Reader(NamedTuple):
    """``serve`` puts bytes somewhere, ``open`` reads from there; ``missing`` is where nothing is, if that can be.

    ``unit``: every size on such a server is a multiple of it, in bytes. ``cut``: makes the server fall silent or go away.
    """

    serve: Callable[[bytes], Location]
    open: Callable[[Location], Image]
    missing: Location | None = None
    type: StorageType = StorageType.NETWORK
    unit: int = 1
    cut: Callable[[], None] | None = None


CONTENT = random.Random(1).randbytes(3 * HEAD + 1024)  # noqa: S311 (nothing secret)


class ReaderConformance:
    def test_size_and_head_are_those_of_the_file(self, reader: Reader) -> None:
        with reader.open(reader.serve(CONTENT)) as image:
            assert image.window().size == image.facts.size == len(CONTENT)
            assert image.window().head == image.head == CONTENT[:HEAD]
            assert image.facts.type is reader.type

    def test_any_part_can_be_read(self, reader: Reader) -> None:
        dice = random.Random(2)  # noqa: S311 (nothing secret)
        parts = [(0, 1), (HEAD - 1, 2), (HEAD, HEAD), (len(CONTENT) - 1, 1), (1, len(CONTENT) - 1), (len(CONTENT), 0)]
        parts += [
            (start, dice.randrange(1, len(CONTENT) - start + 1)) for start in dice.sample(range(len(CONTENT)), 20)
        ]
        with reader.open(reader.serve(CONTENT)) as image:
            for start, length in parts:
                assert image.window().read(start, length) == CONTENT[start : start + length]
                assert image.pread(start, length) == CONTENT[start : start + length]

    def test_there_is_nothing_beyond_the_end(self, reader: Reader) -> None:
        with reader.open(reader.serve(CONTENT)) as image:
            with pytest.raises(TruncatedImage):
                image.window().read(len(CONTENT) - 1, 2)
            assert image.window().read_up_to(len(CONTENT) - 512, 4096) == CONTENT[-512:]
            assert image.pread(len(CONTENT) - 512, 4096) == CONTENT[-512:]
            assert image.pread(len(CONTENT), 512) == image.pread(len(CONTENT) + 4096, 512) == b""

    def test_a_file_shorter_than_a_head_is_all_head(self, reader: Reader) -> None:
        content = CONTENT[: max(reader.unit, 7)]
        with reader.open(reader.serve(content)) as image:
            assert (image.facts.size, image.head) == (len(content), content)

    def test_an_odd_size_is_not_rounded(self, reader: Reader) -> None:
        content = CONTENT[: HEAD + reader.unit]
        with reader.open(reader.serve(content)) as image:
            assert image.facts.size == len(content)
            assert image.pread(HEAD, reader.unit) == content[HEAD:]

    def test_what_a_header_may_ask_is_bounded_and_what_a_reader_gives_is_not(self, reader: Reader) -> None:
        with reader.open(reader.serve(CONTENT)) as image:
            window = image.window()
            assert window.budget == BUDGET
            window.budget = 100
            window.read(HEAD, 100)
            with pytest.raises(ImageError, match="more of the image than any header needs"):
                window.read(HEAD, 1)
            assert image.window().budget == BUDGET
            assert image.pread(HEAD, 200) == CONTENT[HEAD : HEAD + 200]

    def test_a_header_is_understood(self, reader: Reader) -> None:
        header = bytes.fromhex("514649fb 00000002") + bytes(12) + (16).to_bytes(4) + (1 << 20).to_bytes(8) + bytes(4)
        header += (1).to_bytes(4) + (1 << 16).to_bytes(8) * 2 + (1).to_bytes(4) + bytes(12)
        with reader.open(reader.serve(header.ljust(1 << 17, b"\0"))) as image:
            assert qcow2.parse(image.window(), full=False).capacity == 1 << 20

    def test_closing_twice_does_no_harm_and_ends_reading(self, reader: Reader) -> None:
        image = reader.open(reader.serve(CONTENT))
        image.close()
        image.close()
        with pytest.raises(StorageError):
            image.pread(HEAD, 1)
        assert image.window().read(0, 4) == CONTENT[:4]

    def test_two_images_do_not_disturb_each_other(self, reader: Reader) -> None:
        other = bytes(reversed(CONTENT))
        with reader.open(reader.serve(CONTENT)) as one, reader.open(reader.serve(other)) as two:
            assert one.pread(HEAD, 100) == CONTENT[HEAD : HEAD + 100]
            assert two.pread(HEAD, 100) == other[HEAD : HEAD + 100]
            one.close()
            assert two.pread(HEAD + 5, 100) == other[HEAD + 5 : HEAD + 105]

    def test_what_is_not_there_is_missing(self, reader: Reader) -> None:
        if reader.missing is None:
            pytest.skip("this server has one image, and cannot be asked for another")
        with pytest.raises(StorageMissing):
            reader.open(reader.missing)

    def test_a_server_that_goes_away_is_an_error_of_storage(self, reader: Reader) -> None:
        if reader.cut is None:
            pytest.skip("nothing between this reader and the file could go away")
        location = reader.serve(CONTENT)
        with reader.open(location) as image:
            reader.cut()
            with pytest.raises(StorageError):
                image.pread(HEAD, 1)
        with pytest.raises(StorageError):
            reader.open(location)
