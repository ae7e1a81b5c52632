"""A file that is read as one format and begins like another: what speaks for a slip, what for a guest, and the command for a slip."""

from pathlib import Path

import pytest
from tests.checks.curing import cured, one, run
from tests.discover.chains import overlay
from tests.live.storage import QemuImg

from diskchain.checks.format_claims import Verdict, claim_of
from diskchain.findings import Severity
from diskchain.storage.location import FileLocation
from diskchain.storage.source import TERMINATOR, Source, stack
from diskchain.storage.terms import Format

MADE = ["qcow2", "qcow", "qed", "vmdk", "vdi", "vpc", "vhdx", "parallels"]


def verdict(path: Path, capacity: int | None = None) -> Verdict:
    claim = claim_of(str(path), capacity, seconds=5)
    assert claim is not None
    return claim.verdict


def guest_disk(container: Path, size: int) -> Path:
    """A raw disk of ``size`` to whose beginning a guest has written all of an image."""
    disk = container.with_name("disk")
    disk.write_bytes(container.read_bytes().ljust(size, b"\0"))
    return disk


@pytest.mark.parametrize("format", MADE)
def test_a_container_smaller_than_its_disk_is_a_slip(qemu_img: QemuImg, tmp_path: Path, format: str) -> None:
    qemu_img("create", "-q", "-f", format, tmp_path / "image", "64M")
    assert verdict(tmp_path / "image") is Verdict.CONTAINER


@pytest.mark.parametrize(
    "options", [(), ("cluster_size=512",), ("refcount_bits=1",), ("refcount_bits=64",), ("compat=0.10",)]
)
def test_refcounts_tell_a_qcow2_from_a_disk_that_holds_one(
    qemu_img: QemuImg, tmp_path: Path, options: tuple[str, ...]
) -> None:
    more = [word for each in options for word in ("-o", each)]
    image = tmp_path / "image"
    qemu_img("create", "-q", "-f", "qcow2", "-o", "preallocation=full", *more, image, "1M")
    assert image.stat().st_size % 512 == 0
    assert verdict(image) is Verdict.CONTAINER
    assert verdict(guest_disk(image, 8 << 20)) is Verdict.RAW


@pytest.mark.parametrize("format", MADE)
def test_an_overlay_tells_what_it_was_made_over(qemu_img: QemuImg, tmp_path: Path, format: str) -> None:
    image = tmp_path / "image"
    qemu_img("create", "-q", "-f", format, image, "64M")
    assert verdict(image, 64 << 20) is Verdict.CONTAINER
    disk = guest_disk(image, 8 << 20)
    assert verdict(disk, 8 << 20) is Verdict.RAW


def test_a_file_that_begins_like_nothing_is_raw_only_if_it_is_as_large_as_its_overlay(tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(bytes(1 << 20))
    assert verdict(tmp_path / "disk", 1 << 20) is Verdict.RAW
    assert verdict(tmp_path / "disk", 2 << 20) is Verdict.UNCLEAR
    assert verdict(tmp_path / "disk") is Verdict.UNCLEAR


@pytest.mark.parametrize("at", [0, 4, 20, 48, 56, 96])
def test_any_header_gets_a_verdict(qemu_img: QemuImg, tmp_path: Path, at: int) -> None:
    image = tmp_path / "image"
    qemu_img("create", "-q", "-f", "qcow2", image, "1M")
    data = bytearray(image.read_bytes().ljust(1 << 18, b"\0"))
    for value in (b"\0", b"\xff", b"\x01"):
        data[at : at + 4] = value * 4
        image.write_bytes(data)
        assert verdict(image) in Verdict


def test_what_is_not_there_claims_nothing(tmp_path: Path) -> None:
    assert claim_of(f"{tmp_path}/gone", None, seconds=5) is None


class TestTopImages:
    def test_a_slip_is_a_warning_that_says_what_the_guest_gets(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        qemu_img("create", "-q", "-f", "qcow2", tmp_path / "image", "1G")
        found = one(cured(tmp_path / "image", Format.RAW), "format-mismatch")
        assert found.severity is Severity.WARNING
        assert "The guest sees 192 KiB; that header promises 1 GiB" in found.message
        assert "<driver name='qemu' type='qcow2'/>" in found.message
        assert "If a guest wrote that header" in found.message

    def test_no_command_makes_a_container_longer(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        qemu_img("create", "-q", "-f", "qcow2", tmp_path / "image", "1G")
        chain = cured(tmp_path / "image", Format.RAW)
        assert one(chain, "raw-size").fix is None

    def test_what_a_guest_wrote_stays_a_note(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        qemu_img("create", "-q", "-f", "qcow2", tmp_path / "image", "1G")
        found = one(cured(guest_disk(tmp_path / "image", 8 << 20), Format.RAW), "format-mismatch")
        assert (found.severity, found.fix) == (Severity.INFO, None)

    def test_no_command_follows_a_header_that_a_guest_can_write(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        (tmp_path / "secret").write_bytes(bytes(1 << 20))
        disk = overlay(qemu_img, tmp_path / "disk", f"{tmp_path}/secret", "raw")
        source = Source(FileLocation(str(disk)), Format.RAW, TERMINATOR)
        assert one(cured(source), "format-mismatch").fix is None


class TestBackingFiles:
    @pytest.mark.parametrize("format", ["qcow2", "vmdk", "vdi", "vhdx"])
    def test_a_container_recorded_as_raw_is_recorded_as_what_it_is(
        self, qemu_img: QemuImg, tmp_path: Path, format: str
    ) -> None:
        qemu_img("create", "-q", "-f", format, tmp_path / "base", "64M")
        top = tmp_path / "top"
        qemu_img("create", "-q", "-u", "-f", "qcow2", "-b", "base", "-F", "raw", top, "64M")
        found = one(cured(top), "format-mismatch")
        if format == "vhdx":  # libvirt knows it as vhd, so QEMU's name for it would be read as raw again
            assert found.fix is None
            return
        run(found.fix)
        assert "format-mismatch" not in [each.id for each in cured(top).findings]

    def test_a_raw_disk_recorded_as_qcow2_is_recorded_as_raw(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        (tmp_path / "base").write_bytes(bytes(1 << 20))
        top = overlay(qemu_img, tmp_path / "top", "base")
        run(one(cured(top), "format-mismatch").fix)
        assert [each.id for each in cured(top).findings] == []

    def test_what_may_be_a_damaged_image_is_not_recorded_as_raw(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        qemu_img("create", "-q", "-f", "qcow2", tmp_path / "base", "1M")
        data = (tmp_path / "base").read_bytes()
        (tmp_path / "base").write_bytes(bytes(512) + data[512:])
        top = overlay(qemu_img, tmp_path / "top", "base")
        assert one(cured(top), "format-mismatch").fix is None

    def test_a_raw_base_with_a_header_of_its_guest_is_as_it_should_be(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        qemu_img("create", "-q", "-f", "qcow2", tmp_path / "image", "64M")
        disk = guest_disk(tmp_path / "image", 1 << 20)
        found = one(cured(overlay(qemu_img, tmp_path / "top", disk.name, "raw")), "format-mismatch")
        assert (found.severity, found.fix) == (Severity.INFO, None)

    def test_a_document_that_is_right_has_the_header_corrected(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        qemu_img("create", "-q", "-f", "qcow2", tmp_path / "base", "1M")
        top = overlay(qemu_img, tmp_path / "top", "base", "vmdk")
        sources = [Source(FileLocation(f"{tmp_path}/{name}"), Format.QCOW2) for name in ("top", "base")]
        chain = stack(sources, TERMINATOR)
        run(one(cured(chain), "format-mismatch").fix)
        assert [each.id for each in cured(chain).findings] == []
        assert [each.id for each in cured(top).findings] == []

    def test_a_document_that_is_wrong_is_told_and_the_header_stays(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        qemu_img("create", "-q", "-f", "qcow2", tmp_path / "base", "1M")
        overlay(qemu_img, tmp_path / "top", "base")
        top, base = (FileLocation(f"{tmp_path}/{name}") for name in ("top", "base"))
        found = one(cured(stack([Source(top, Format.QCOW2), Source(base, Format.RAW)], TERMINATOR)), "format-mismatch")
        assert found.fix is None
        assert "the document should have <format type='qcow2'/>" in found.message
