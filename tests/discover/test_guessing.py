"""A policy says by which rules a format is guessed, whoever asks: what other programs take for a header must not pass as raw."""

import math
from pathlib import Path

import pytest
from tests.discover.chains import ids, paths, unrecorded_overlay
from tests.image.makers import vmdk
from tests.live.storage import QemuImg

from diskchain.discover import BackingChain, Discoverer, Origin
from diskchain.readers.policy import LIBVIRT, STRICT, UPLOAD, OpenPolicy
from diskchain.storage.location import FileLocation
from diskchain.storage.source import Source
from diskchain.storage.terms import Format

#: Follows what is recorded nowhere, and guesses as for a stranger.
LENIENT = STRICT._replace(name="lenient", unrecorded=True)


def naming(path: Path, name: str) -> Path:
    """The text descriptor of a VMDK, with an extent called ``name``."""
    path.write_bytes(vmdk.descriptor([f'RW 1 FLAT "{name}" 0']))
    return path


def guessed(policy: OpenPolicy, path: Path, *, probe: bool = True) -> BackingChain:
    return Discoverer(policy).discover(Source(FileLocation(str(path))), probe=probe)


@pytest.fixture
def two_formats(qemu_img: QemuImg, tmp_path: Path) -> Path:
    """The footer of a VHD, and at the start the header of a qcow2."""
    path = tmp_path / "two"
    qemu_img("create", "-q", "-f", "vpc", "-o", "subformat=fixed", path, "1M")
    qemu_img("create", "-q", "-f", "qcow2", tmp_path / "header", "1M")
    with path.open("r+b") as file:
        file.write((tmp_path / "header").read_bytes()[:512])
    return path


@pytest.mark.parametrize("policy", [UPLOAD, STRICT], ids=lambda policy: policy.name)
@pytest.mark.parametrize("seconds", [math.inf, 60.0])
def test_a_text_descriptor_is_no_raw_image(tmp_path: Path, policy: OpenPolicy, seconds: float) -> None:
    image = naming(tmp_path / "up.vmdk", "/etc/shadow")
    chain = Discoverer(policy, seconds=seconds).discover(Source(FileLocation(str(image))), probe=True)
    assert (chain.source.format, chain.top.origin) == (Format.VMDK, Origin.PROBED)
    assert ids(chain) == ["format-probed", "reference-refused"]
    assert not chain.complete
    assert not chain.source.extents


def test_by_default_it_is_what_it_begins_with_and_its_extents_are_looked_at(tmp_path: Path) -> None:
    (tmp_path / "extent").write_bytes(bytes(1 << 20))
    chain = guessed(LIBVIRT, naming(tmp_path / "up.vmdk", "extent"))
    assert (chain.source.format, len(chain.source.extents)) == (Format.VMDK, 1)


def test_who_does_not_ask_for_a_guess_is_told_what_it_looks_like(tmp_path: Path, two_formats: Path) -> None:
    chain = guessed(UPLOAD, naming(tmp_path / "up.vmdk", "/etc/shadow"), probe=False)
    assert (chain.source.format, ids(chain)) == (Format.RAW, ["format-assumed-raw"])
    assert ids(guessed(UPLOAD, two_formats, probe=False)) == ["format-ambiguous"]


@pytest.mark.parametrize("policy", [UPLOAD, STRICT], ids=lambda policy: policy.name)
def test_an_image_that_could_be_two_has_no_format(two_formats: Path, policy: OpenPolicy) -> None:
    chain = guessed(policy, two_formats)
    assert chain.source.format is None
    assert ids(chain) == ["format-ambiguous"]
    assert chain.faulty
    assert not chain.complete


def test_a_base_that_could_be_two_is_not_used(qemu_img: QemuImg, two_formats: Path, tmp_path: Path) -> None:
    top = unrecorded_overlay(qemu_img, tmp_path / "top.qcow2", two_formats.name)
    chain = Discoverer(LENIENT).discover(Source(FileLocation(str(top)), Format.QCOW2))
    assert ids(chain) == ["format-ambiguous"]
    assert not chain.complete


def test_what_a_base_of_a_guessed_format_names_is_refused(qemu_img: QemuImg, tmp_path: Path) -> None:
    (tmp_path / "flat").write_bytes(bytes(512))
    base = naming(tmp_path / "base", "flat")
    top = unrecorded_overlay(qemu_img, tmp_path / "top.qcow2", base.name)
    chain = Discoverer(LENIENT).discover(Source(FileLocation(str(top)), Format.QCOW2))
    assert paths(chain) == [str(top), str(base)]
    assert ids(chain) == ["format-not-recorded", "reference-refused"]
    assert not chain.complete
    assert not [*chain.layers][1].extents


def test_a_top_of_a_guessed_format_may_name_what_the_policy_allows(tmp_path: Path) -> None:
    (tmp_path / "flat").write_bytes(bytes(512))
    chain = guessed(STRICT, naming(tmp_path / "top.vmdk", "flat"))
    assert [extent.source.location[0] for extent in chain.top.extents] == [f"{tmp_path}/flat"]
    assert chain.complete
