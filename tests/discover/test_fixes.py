"""Every command that tells an image of its files is run as printed, by a shell and QEMU, and mends what it was printed for."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.commands import diskchain
from tests.discover.chains import discover, ids, overlay, unrecorded_overlay
from tests.live.storage import QemuImg

from diskchain.checks.search import candidates, wanted_layers
from diskchain.discover import Discoverer
from diskchain.findings import Finding
from diskchain.image.header import ImageHeader
from diskchain.storage.location import FileLocation
from diskchain.storage.source import TERMINATOR, Source, stack
from diskchain.storage.terms import Format

SIZE = 1 << 20
#: Names that mean something to a shell, to QEMU's options, or to QEMU's protocols.
NAMES = ["plain", "a,b=c,,d", "two words", "nbd:x", "-o", "it's", "$HOME;`x`"]


@pytest.fixture(params=NAMES)
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    made = tmp_path / str(request.param)
    made.mkdir()
    return made


def found(path: Path, format: Format = Format.QCOW2) -> Finding:
    (each,) = discover(path, format).findings
    return each


def run(command: str | None, code: int = 0, **words: object) -> None:
    """As somebody would who copies it from the terminal and fills in what it cannot know. ``code``: how it exits."""
    assert command is not None
    for word, instead in words.items():
        assert word in command
        command = command.replace(word, str(instead))
    where = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command], check=False, capture_output=True, text=True, env={**os.environ, "PATH": where}
    )
    assert done.returncode == code, done.stderr


def mended_by_search(top: Path, attic: Path) -> ImageHeader:
    """The header of ``top`` after the command that comes with the one candidate below ``attic``, which mends the chain."""
    shown = json.loads(diskchain("check", "--json", "--search", attic, "-f", "qcow2", "--", top).out)
    (candidate,) = [each for each in shown["targets"][0]["findings"] if each["id"] == "candidate"]
    run(candidate["fix"])
    chain = discover(top)
    assert ids(chain) == []
    assert chain.top.header is not None
    return chain.top.header


def kept_apart(qemu_img: QemuImg, directory: Path, stored: str, *options: str) -> Path:
    """An image whose data file, once ``stored``, is gone."""
    image, data = directory / "top.qcow2", directory / stored
    more = [word for each in options for word in ("-o", each)]
    made = directory.parent / "made"
    made.mkdir()
    # Made under a plain name: that of the data file is an option with commas of its own.
    qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={made}/d.raw", *more, made / "top.qcow2", "1M")
    name = stored.replace(",", ",,")
    opened = f"driver=qcow2,file.filename={made}/top.qcow2,data-file.driver=file,data-file.filename={made}/d.raw"
    qemu_img("amend", "--image-opts", "-o", f"data_file={name}", opened)
    (made / "d.raw").unlink()
    (made / "top.qcow2").rename(image)
    assert not data.exists()
    return image


def backing_works(qemu_img: QemuImg, path: Path) -> list[str]:
    """The names of a chain as QEMU follows it."""
    shown = json.loads(qemu_img("info", "--backing-chain", "--output=json", path))
    return [each["filename"] for each in shown]


class TestFormatNotRecorded:
    def test_the_name_stays_as_it_is_stored(self, qemu_img: QemuImg, directory: Path) -> None:
        qemu_img("create", "-q", "-f", "raw", directory / "base", "1M")
        for number, stored in enumerate(("base", f"{directory}/base", "./base")):
            top = unrecorded_overlay(qemu_img, directory / f"{number}.qcow2", stored)
            run(found(top).fix)
            chain = discover(top)
            assert ids(chain) == []
            assert chain.top.header is not None
            assert chain.top.header.backing == (stored, "raw", False)

    def test_an_overlay_reached_through_a_symlink_still_finds_its_base(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        (tmp_path / "vms").mkdir()
        (tmp_path / "store").mkdir()
        base = tmp_path / "vms" / "base.raw"
        qemu_img("create", "-q", "-f", "raw", base, "1M")
        real = unrecorded_overlay(qemu_img, tmp_path / "store" / "top.qcow2", str(base))
        link = tmp_path / "vms" / "top.qcow2"
        link.symlink_to(real)
        run(found(link).fix)
        assert (ids(discover(link)), ids(discover(real))) == ([], [])
        assert backing_works(qemu_img, real)[1] == str(base)

    def test_a_json_name_stays_one(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        qemu_img("create", "-q", "-f", "raw", tmp_path / "base", "1M")
        stored = f'json:{{"driver":"file","filename":"{tmp_path}/base"}}'
        top = unrecorded_overlay(qemu_img, tmp_path / "top.qcow2", stored)
        run(found(top).fix)
        assert ids(discover(top)) == []

    def test_a_qed_has_room_for_raw_alone(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        for format in ("raw", "vmdk"):
            qemu_img("create", "-q", "-f", format, tmp_path / format, "1M")
            top = tmp_path / f"{format}.qed"
            qemu_img("create", "-q", "-u", "-f", "qed", "-b", format, "-F", "vmdk", top, "1M")
            fix = found(top, Format.QED).fix
            if format == "raw":
                run(fix)
                assert ids(discover(top, Format.QED)) == []
            else:
                assert fix == "diskchain complete DOMAIN.xml --in-place"

    @pytest.mark.parametrize("format", ["vmdk", "qed", "qcow"])
    def test_where_nothing_can_be_recorded_the_document_can_be_completed(
        self, qemu_img: QemuImg, tmp_path: Path, format: str
    ) -> None:
        qemu_img("create", "-q", "-f", "vmdk", tmp_path / "base", "1M")
        top = tmp_path / f"top.{format}"
        qemu_img("create", "-q", "-f", format, "-b", "base", "-F", "vmdk", top)
        document = tmp_path / "vm.xml"
        document.write_text(
            f"<disk type='file' device='disk'><driver name='qemu' type='{format}'/><source file='{top}'/>"
            "<target dev='vda' bus='virtio'/></disk>"
        )
        assert "[format-not-recorded]" in diskchain("check", document).out
        run(found(top, Format(format)).fix, DOMAIN=tmp_path / "vm")
        assert diskchain("check", document).code == 0

    def test_a_guess_that_libvirt_refuses_cannot_be_completed(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        qemu_img("create", "-q", "-f", "vmdk", tmp_path / "base", "1M")
        qemu_img("create", "-q", "-f", "vmdk", "-b", "base", "-F", "vmdk", tmp_path / "mid")
        qemu_img("create", "-q", "-f", "vmdk", "-b", "mid", "-F", "vmdk", tmp_path / "top")
        refused = found(tmp_path / "top", Format.VMDK)
        assert refused.fix is None
        assert "Declare it in the document" in refused.message


class TestMissing:
    @pytest.mark.parametrize("format", ["qcow2", "qed"])
    def test_a_base_is_told_of_where_a_rebase_can(self, qemu_img: QemuImg, directory: Path, format: str) -> None:
        top = directory / f"top.{format}"
        qemu_img("create", "-q", "-u", "-f", format, "-b", "gone", "-F", "raw", top, "1M")
        qemu_img("create", "-q", "-f", "raw", directory / "here", "1M")
        run(found(top, Format(format)).fix, NEW_PATH="here", FORMAT="raw")
        assert ids(discover(top, Format(format))) == []

    def test_no_rebase_is_printed_for_a_vmdk(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        qemu_img("create", "-q", "-f", "vmdk", tmp_path / "base", "1M")
        qemu_img("create", "-q", "-f", "vmdk", "-b", "base", "-F", "vmdk", tmp_path / "top")
        (tmp_path / "base").unlink()
        missing = found(tmp_path / "top", Format.VMDK)
        assert (missing.id, missing.fix) == ("missing", None)

    def test_nor_where_the_document_names_the_layer(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        top = overlay(qemu_img, tmp_path / "top.qcow2", "base")
        sources = [Source(FileLocation(str(path)), Format.QCOW2) for path in (top, tmp_path / "other")]
        (missing,) = Discoverer().discover(stack(sources, TERMINATOR)).findings
        assert (missing.id, missing.fix) == ("missing", None)


class TestMissingDataFile:
    @pytest.mark.parametrize("options", [(), ("data_file_raw=on",)])
    def test_the_command_tells_the_image_of_another_one(
        self, qemu_img: QemuImg, tmp_path: Path, directory: Path, options: tuple[str, ...]
    ) -> None:
        top = kept_apart(qemu_img, directory, "d.raw", *options)
        here = tmp_path / "here.raw"
        here.write_bytes(bytes(SIZE))
        missing = found(top)
        assert missing.id == "missing"
        run(missing.fix, NEW_PATH=here)
        chain = discover(top)
        assert ids(chain) == []
        assert chain.top.header is not None
        assert (chain.top.header.data_file, chain.top.header.data_file_raw) == (str(here), bool(options))
        qemu_img("check", top)

    @pytest.mark.parametrize("stored", ["gone/d.raw", "{}/gone/d.raw"], ids=["relative", "absolute"])
    def test_a_candidate_comes_with_the_command_and_keeps_the_kind_of_name(
        self, qemu_img: QemuImg, directory: Path, stored: str
    ) -> None:
        stored = stored.format(directory)
        top = kept_apart(qemu_img, directory, stored)
        here = directory / "here" / "d.raw"
        here.parent.mkdir()
        here.write_bytes(bytes(SIZE))
        assert mended_by_search(top, here.parent).data_file == (str(here) if stored[0] == "/" else "here/d.raw")

    def test_without_its_key_an_encrypted_image_cannot_be_told(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        secret = ("--object", "secret,id=s,data=k")
        options = f"encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10,data_file={tmp_path}/d"
        qemu_img("create", "-q", "-f", "qcow2", *secret, "-o", options, tmp_path / "top", "1M")
        (tmp_path / "d").unlink()
        missing = found(tmp_path / "top")
        assert (missing.id, missing.fix) == ("missing", None)

    def test_a_guests_bytes_make_no_other_format_of_a_candidate(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        top = kept_apart(qemu_img, tmp_path, "gone/d.raw")
        (tmp_path / "here").mkdir()
        (tmp_path / "here" / "d.raw").write_bytes(b"QFI\xfb".ljust(SIZE, b"\0"))
        (tmp_path / "here" / "as-large").write_bytes(bytes(SIZE))
        (tmp_path / "here" / "larger").write_bytes(bytes(2 * SIZE))
        (wanted,) = wanted_layers(discover(top))
        told = [(Path(each.path).name, each.likely, each.reasons) for each in candidates(wanted, [str(tmp_path)])]
        assert told == [
            ("d.raw", True, ("has the same name", "is as large as the disk")),
            ("as-large", False, ("is as large as the disk",)),
        ]


class TestCandidates:
    @pytest.mark.parametrize("stored", ["gone/base", "{}/gone/base"], ids=["relative", "absolute"])
    def test_a_name_stays_absolute_or_relative(self, qemu_img: QemuImg, directory: Path, stored: str) -> None:
        stored = stored.format(directory)
        top = overlay(qemu_img, directory / "top.qcow2", stored)
        here = directory / "here" / "base"
        here.parent.mkdir()
        qemu_img("create", "-q", "-f", "qcow2", here, "1M")
        assert mended_by_search(top, here.parent).backing == (
            str(here) if stored[0] == "/" else "here/base",
            "qcow2",
            False,
        )
