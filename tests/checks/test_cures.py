"""Every command that tells an image of its files is run as printed, by a shell and QEMU, and the next check is better."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.checks.curing import cured, offered, one, run
from tests.cli.commands import diskchain
from tests.discover.chains import discover, ids, overlay, unrecorded_overlay
from tests.image.makers import vdi, vhd
from tests.live.peers import requires
from tests.live.storage import QemuImg

from diskchain.discover import BackingChain
from diskchain.findings import Finding, Severity
from diskchain.readers.policy import STRICT, UPLOAD, OpenPolicy
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


def faults(chain: BackingChain) -> list[str]:
    return [each.id for each in chain.findings if each.severity is not Severity.INFO]


@pytest.fixture
def vm(tmp_path: Path) -> Path:
    """A directory with nothing of other tests beside it."""
    made = tmp_path / "vm"
    made.mkdir()
    return made


def base_in(
    qemu_img: QemuImg, directory: Path, name: str = "base", capacity: str = "1M", format: str = "qcow2"
) -> Path:
    directory.mkdir(exist_ok=True, parents=True)
    qemu_img("create", "-q", "-f", format, directory / name, capacity)
    return directory / name


class TestFormatNotRecorded:
    def test_the_name_stays_as_it_is_stored(self, qemu_img: QemuImg, directory: Path) -> None:
        qemu_img("create", "-q", "-f", "raw", directory / "base", "1M")
        for number, stored in enumerate(("base", f"{directory}/base", "./base")):
            top = unrecorded_overlay(qemu_img, directory / f"{number}.qcow2", stored)
            run(one(cured(top), "format-not-recorded").fix)
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
        run(one(cured(link), "format-not-recorded").fix)
        assert (ids(discover(link)), ids(discover(real))) == ([], [])
        assert backing_works(qemu_img, real)[1] == str(base)

    def test_a_json_name_stays_one(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        qemu_img("create", "-q", "-f", "raw", tmp_path / "base", "1M")
        stored = f'json:{{"driver":"file","filename":"{tmp_path}/base"}}'
        top = unrecorded_overlay(qemu_img, tmp_path / "top.qcow2", stored)
        run(one(cured(top), "format-not-recorded").fix)
        assert ids(discover(top)) == []

    def test_a_qed_has_room_for_raw_alone(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        for format in ("raw", "vmdk"):
            qemu_img("create", "-q", "-f", format, tmp_path / format, "1M")
            top = tmp_path / f"{format}.qed"
            qemu_img("create", "-q", "-u", "-f", "qed", "-b", format, "-F", "vmdk", top, "1M")
            fix = one(cured(top, Format.QED), "format-not-recorded").fix
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
        assert "[format-not-recorded]" in diskchain("check", "-v", document).out
        run(one(cured(top, Format(format)), "format-not-recorded").fix, DOMAIN=tmp_path / "vm")
        assert diskchain("check", document).code == 0

    def test_a_guess_that_libvirt_refuses_cannot_be_completed(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        qemu_img("create", "-q", "-f", "vmdk", tmp_path / "base", "1M")
        qemu_img("create", "-q", "-f", "vmdk", "-b", "base", "-F", "vmdk", tmp_path / "mid")
        qemu_img("create", "-q", "-f", "vmdk", "-b", "mid", "-F", "vmdk", tmp_path / "top")
        refused = one(cured(tmp_path / "top", Format.VMDK), "format-not-recorded")
        assert refused.fix is None
        assert "Declare it in the document" in refused.message


class TestNobodyFoundItYet:
    @pytest.mark.parametrize("format", ["qcow2", "qed"])
    def test_the_format_is_filled_in_and_the_name_is_not(self, qemu_img: QemuImg, directory: Path, format: str) -> None:
        top = directory / f"top.{format}"
        qemu_img("create", "-q", "-u", "-f", format, "-b", "gone", "-F", "raw", top, "1M")
        fix = one(cured(top, Format(format)), "missing").fix
        qemu_img("create", "-q", "-f", "raw", directory / "here", "1M")
        assert fix is not None
        assert "-F raw " in fix.replace("FORMAT", "raw") if format == "qed" else "-F raw " in fix
        run(fix.replace("FORMAT", "raw"), NEW_PATH="here")
        assert ids(discover(top, Format(format))) == []

    def test_no_rebase_is_printed_for_a_vmdk(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        qemu_img("create", "-q", "-f", "vmdk", tmp_path / "base", "1M")
        qemu_img("create", "-q", "-f", "vmdk", "-b", "base", "-F", "vmdk", tmp_path / "top")
        (tmp_path / "base").unlink()
        assert one(cured(tmp_path / "top", Format.VMDK), "missing").fix is None

    def test_nor_where_the_document_names_the_layer(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        top = overlay(qemu_img, tmp_path / "top.qcow2", "base")
        sources = [Source(FileLocation(str(path)), Format.QCOW2) for path in (top, tmp_path / "other")]
        assert one(cured(stack(sources, TERMINATOR)), "missing").fix is None

    @pytest.mark.parametrize("stored", ["/dev/vg0-asleep/base", "gone/base", "link"])
    def test_nor_where_the_file_may_only_be_out_of_reach(self, qemu_img: QemuImg, tmp_path: Path, stored: str) -> None:
        (tmp_path / "link").symlink_to("/dev/vg0-asleep/base")
        top = overlay(qemu_img, tmp_path / "top.qcow2", stored)
        assert one(cured(top), "missing").fix is None

    def test_a_data_file_is_told_of(self, qemu_img: QemuImg, tmp_path: Path, directory: Path) -> None:
        top = kept_apart(qemu_img, directory, "d.raw")
        (tmp_path / "elsewhere").mkdir()
        here = tmp_path / "elsewhere" / "here.raw"
        here.write_bytes(bytes(SIZE))
        run(one(cured(top), "missing").fix, NEW_PATH=here)
        chain = discover(top)
        assert (ids(chain), chain.top.header and chain.top.header.data_file) == ([], str(here))
        qemu_img("check", top)

    def test_without_its_key_an_encrypted_image_cannot_be_told(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        secret = ("--object", "secret,id=s,data=k")
        options = f"encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10,data_file={tmp_path}/d"
        qemu_img("create", "-q", "-f", "qcow2", *secret, "-o", options, tmp_path / "top", "1M")
        (tmp_path / "d").unlink()
        assert one(cured(tmp_path / "top"), "missing").fix is None


class TestCandidates:
    @pytest.mark.parametrize("stored", ["gone/base", "{}/gone/base"], ids=["relative", "absolute"])
    def test_a_name_stays_absolute_or_relative(self, qemu_img: QemuImg, directory: Path, stored: str) -> None:
        stored = stored.format(directory)
        top = overlay(qemu_img, directory / "top.qcow2", stored)
        here = base_in(qemu_img, directory / "here")
        run(one(cured(top, search=[here.parent]), "missing").fix)
        chain = discover(top)
        assert ids(chain) == []
        assert chain.top.header is not None
        assert chain.top.header.backing == (str(here) if stored[0] == "/" else "here/base", "qcow2", False)

    @pytest.mark.parametrize("options", [(), ("data_file_raw=on",)])
    @pytest.mark.parametrize("stored", ["gone/d.raw", "{}/gone/d.raw"], ids=["relative", "absolute"])
    def test_a_data_file_is_named_absolutely_as_qemu_looks_elsewhere_for_a_relative_name(
        self, qemu_img: QemuImg, directory: Path, stored: str, options: tuple[str, ...]
    ) -> None:
        stored = stored.format(directory)
        top = kept_apart(qemu_img, directory, stored, *options)
        here = directory / "here" / "d.raw"
        here.parent.mkdir()
        here.write_bytes(bytes(SIZE))
        run(one(cured(top, search=[here.parent]), "missing").fix)
        header = discover(top).top.header
        assert header is not None
        assert (header.data_file, header.data_file_raw) == (str(here), bool(options))
        assert ids(discover(top)) == []
        qemu_img("check", top)

    def test_a_file_of_that_name_beside_the_overlay_needs_no_search(self, qemu_img: QemuImg, vm: Path) -> None:
        top = overlay(qemu_img, vm / "top.qcow2", "/srv/gone/base")
        here = base_in(qemu_img, vm)
        chain = cured(top)
        assert offered(chain) == [str(here)]
        run(one(chain, "missing").fix)
        assert faults(cured(top)) == []

    def test_beside_the_file_a_link_leads_to_as_well(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        base_in(qemu_img, tmp_path / "store")
        overlay(qemu_img, tmp_path / "store" / "top", "base")
        (tmp_path / "vms").mkdir()
        (tmp_path / "vms" / "top").symlink_to("../store/top")
        assert offered(cured(tmp_path / "vms" / "top")) == [f"{tmp_path}/store/base"]

    def test_one_directory_down_for_want_of_one_beside_it(self, qemu_img: QemuImg, vm: Path) -> None:
        top = overlay(qemu_img, vm / "top", "/srv/gone/base")
        down = base_in(qemu_img, vm / "templates")
        assert offered(cured(top)) == [str(down)]
        beside = base_in(qemu_img, vm)
        assert offered(cured(top)) == [str(beside)]

    def test_not_in_the_directory_of_another_machine(self, qemu_img: QemuImg, tmp_path: Path, vm: Path) -> None:
        base_in(qemu_img, tmp_path / "vm2")
        assert offered(cured(overlay(qemu_img, vm / "top", "/srv/gone/base"))) == []

    def test_what_an_image_beside_it_names_is_offered_without_a_command(
        self, qemu_img: QemuImg, tmp_path: Path
    ) -> None:
        other = base_in(qemu_img, tmp_path / "vm2")
        overlay(qemu_img, tmp_path / "vm2" / "top", "/srv/gone/base")
        (tmp_path / "vm1").mkdir()
        chain = cured(overlay(qemu_img, tmp_path / "vm1" / "top", "/srv/gone/base"), search=[tmp_path])
        assert offered(chain) == [str(other)]
        assert one(chain, "missing").fix is None

    def test_where_several_are_equally_likely_no_command_is_given(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        for number in range(8):
            base_in(qemu_img, tmp_path / "attic" / str(number))
        (tmp_path / "vm").mkdir()
        chain = cured(overlay(qemu_img, tmp_path / "vm" / "top", "/srv/gone/base"), search=[tmp_path / "attic"])
        missing = one(chain, "missing")
        assert missing.fix is None
        assert "ambiguous: 8 files could be it equally well (3 of them not shown)" in missing.message
        assert len(offered(chain)) == 5

    def test_what_has_the_same_directories_comes_before_what_is_near(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        near = base_in(qemu_img, tmp_path / "vm" / "sub")
        same = base_in(qemu_img, tmp_path / "attic" / "images" / "9000")
        top = overlay(qemu_img, tmp_path / "vm" / "top", "/mnt/nas/images/9000/base")
        chain = cured(top, search=[tmp_path])
        assert offered(chain) == [str(same), str(near)]
        run(one(chain, "missing").fix)
        assert faults(cured(top)) == []

    def test_what_leads_back_to_the_overlay_is_not_offered(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        (tmp_path / "A").mkdir()
        (tmp_path / "B").mkdir()
        overlay(qemu_img, tmp_path / "A" / "disk", "/srv/gone/disk")
        overlay(qemu_img, tmp_path / "B" / "disk", "../A/disk")
        chain = cured(tmp_path / "A" / "disk", search=[tmp_path])
        assert (offered(chain), one(chain, "missing").fix) == ([], None)

    def test_what_is_larger_than_its_overlay_is_not_offered(self, qemu_img: QemuImg, vm: Path) -> None:
        base_in(qemu_img, vm, capacity="2M")
        top = overlay(qemu_img, vm / "top", "/srv/gone/base")
        assert offered(cured(top, search=[vm])) == []

    def test_what_has_another_id_is_not_offered(self, qemu_img: QemuImg, vm: Path) -> None:
        right = base_in(qemu_img, vm, "base.vmdk", format="vmdk")
        top = vm / "top.vmdk"
        qemu_img("create", "-q", "-f", "vmdk", "-b", "base.vmdk", "-F", "vmdk", top)
        (vm / "attic").mkdir()
        right.rename(vm / "attic" / "moved.vmdk")
        base_in(qemu_img, vm / "other", "base.vmdk", format="vmdk")
        chain = cured(top, Format.VMDK, search=[vm])
        assert offered(chain) == [f"{vm}/attic/moved.vmdk"]
        run(one(chain, "missing").fix)
        assert "missing" not in faults(cured(top, Format.VMDK))
        assert backing_works(qemu_img, top) == [str(top), f"{vm}/base.vmdk"]

    def test_an_image_that_was_never_written_to_has_no_id(self, qemu_img: QemuImg, vm: Path) -> None:
        base_in(qemu_img, vm, "base.vmdk", format="vmdk")
        qemu_img("create", "-q", "-f", "vmdk", "-b", "base.vmdk", "-F", "vmdk", vm / "top.vmdk")
        (vm / "base.vmdk").unlink()
        data = (vm / "top.vmdk").read_bytes()
        at = data.index(b"parentCID=") + 10
        (vm / "top.vmdk").write_bytes(data[:at] + b"fffffffe" + data[at + 8 :])
        fresh = base_in(qemu_img, vm / "attic", "fresh.vmdk", format="vmdk")
        data = fresh.read_bytes()
        at = data.index(b"CID=") + 4
        fresh.write_bytes(data[:at] + b"fffffffe" + data[at + 8 :])
        chain = cured(vm / "top.vmdk", Format.VMDK, search=[vm])
        assert "id its overlay remembers" not in one(chain, "candidate").message
        assert one(chain, "missing").fix is None

    def test_what_was_cut_short_is_not_offered(self, qemu_img: QemuImg, vm: Path) -> None:
        base = base_in(qemu_img, vm)
        top = overlay(qemu_img, vm / "top", "/srv/gone/base")
        assert offered(cured(top)) == [str(base)]
        os.truncate(base, 70000)
        assert offered(cured(top)) == []

    def test_three_layers_that_moved_are_put_right_one_after_the_other(self, qemu_img: QemuImg, vm: Path) -> None:
        base_in(qemu_img, vm)
        overlay(qemu_img, vm / "mid", "/srv/gone/base")
        top = overlay(qemu_img, vm / "top", "/srv/gone/mid")
        for _ in range(2):
            run(one(cured(top), "missing").fix)
        assert faults(cured(top)) == []

    def test_a_file_of_another_format_than_recorded_is_not_offered(self, qemu_img: QemuImg, vm: Path) -> None:
        base_in(qemu_img, vm, format="vmdk")
        chain = cured(overlay(qemu_img, vm / "top", "/srv/gone/base"))
        assert offered(chain) == []

    def test_a_guests_bytes_make_no_other_format_of_a_data_file(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        (tmp_path / "vm").mkdir()
        top = kept_apart(qemu_img, tmp_path / "vm", "gone/d.raw")
        (tmp_path / "here").mkdir()
        (tmp_path / "here" / "d.raw").write_bytes(b"QFI\xfb".ljust(SIZE, b"\0"))
        (tmp_path / "here" / "as-large").write_bytes(bytes(SIZE))
        (tmp_path / "here" / "larger").write_bytes(bytes(2 * SIZE))
        chain = cured(top, search=[tmp_path / "here"])
        assert [Path(each).name for each in offered(chain)] == ["d.raw", "as-large"]
        run(one(chain, "missing").fix)
        assert faults(cured(top)) == []


class TestExtents:
    def test_a_download_that_was_renamed_is_linked_to(self, qemu_img: QemuImg, directory: Path) -> None:
        top = directory / "vm.vmdk"
        qemu_img("create", "-q", "-f", "vmdk", "-o", "subformat=monolithicFlat", top, "1M")
        (directory / "vm-flat.vmdk").rename(directory / "vm-flat (1).vmdk")
        chain = cured(top, Format.VMDK)
        assert offered(chain) == [f"{directory}/vm-flat (1).vmdk"]
        run(one(chain, "missing").fix)
        assert faults(cured(top, Format.VMDK)) == []
        if ":" not in directory.name:  # which QEMU takes for a protocol in the name of an extent
            qemu_img("info", top)

    def test_a_part_that_is_elsewhere_is_linked_to(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        top = tmp_path / "sp.vmdk"
        qemu_img("create", "-q", "-f", "vmdk", "-o", "subformat=twoGbMaxExtentSparse", top, "5G")
        (tmp_path / "other").mkdir()
        (tmp_path / "sp-s002.vmdk").rename(tmp_path / "other" / "sp-s002.vmdk")
        run(one(cured(top, Format.VMDK, search=[tmp_path / "other"]), "missing").fix)
        assert faults(cured(top, Format.VMDK)) == []
        assert "4 GiB" in qemu_img("info", top) or "5 GiB" in qemu_img("info", top)

    def test_a_file_too_short_for_its_extent_is_not_offered(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        qemu_img("create", "-q", "-f", "vmdk", "-o", "subformat=monolithicFlat", tmp_path / "vm.vmdk", "1M")
        (tmp_path / "vm-flat.vmdk").unlink()
        (tmp_path / "vm-flat (1).vmdk").write_bytes(bytes(SIZE // 2))
        assert offered(cured(tmp_path / "vm.vmdk", Format.VMDK)) == []


class TestNamesOfOtherSystems:
    @pytest.mark.parametrize(
        "name", ["C:\\VMs\\base", "C:/VMs/base", "..\\base", "\\\\nas\\vms\\base", "[store] vm/base"]
    )
    def test_the_file_they_name_is_found_beside_the_overlay(self, qemu_img: QemuImg, vm: Path, name: str) -> None:
        base_in(qemu_img, vm)
        top = overlay(qemu_img, vm / "top", name)
        chain = cured(top)
        (fault,) = [each for each in chain.findings if each.fix]
        assert fault.id in ("missing", "foreign-reference")
        assert f"stored as {name}: it" in fault.message
        run(fault.fix)
        assert faults(cured(top)) == []
        assert discover(top).top.header.backing == ("base", "qcow2", False)  # type: ignore[union-attr]

    def test_what_only_qemu_reads_is_stored_as_a_plain_name(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        base = base_in(qemu_img, tmp_path / "elsewhere", "b,x")
        (tmp_path / "vm").mkdir()
        for name in (
            f"file:{base}",
            json.dumps({"driver": "qcow2", "file": {"driver": "file", "filename": str(base)}}, separators=(",", ":")),
        ):
            (tmp_path / "vm" / "top").unlink(missing_ok=True)
            stored = name if name.startswith("file:") else f"json:{name}"
            top = overlay(qemu_img, tmp_path / "vm" / "top", stored)
            run(one(cured(top), "foreign-reference").fix)
            assert faults(cured(top)) == []

    def test_the_parent_of_a_vmdk_is_named_by_its_id(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        base_in(qemu_img, tmp_path, "p.vmdk", format="vmdk")
        top = tmp_path / "c.vmdk"
        qemu_img("create", "-q", "-f", "vmdk", "-b", "p.vmdk", "-F", "vmdk", top)
        data = top.read_bytes()
        at = data.index(b"# Disk Desc")
        end = data.index(b"\0", at)
        told = data[at:end].replace(b'Hint="p.vmdk"', b'Hint="D:\\vm\\p.vmdk"')
        top.write_bytes(data[:at] + told + data[at + len(told) :])
        chain = cured(top, Format.VMDK, search=[tmp_path])
        assert "has the id its overlay remembers" in one(chain, "candidate").message
        assert one(chain, "foreign-reference").fix is None

    def test_nothing_is_said_of_a_name_with_a_password(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        stored = 'json:{"driver":"qcow2","file":{"driver":"https","url":"https://u:hush@h/base"}}'
        shown = diskchain("check", "--json", overlay(qemu_img, tmp_path / "top", stored))
        assert "foreign-reference" in shown.out
        assert "hush" not in shown.out + shown.err


class TestBackups:
    @pytest.mark.parametrize(
        "options", [(), ("cluster_size=512",), ("cluster_size=2M",), ("compat=0.10",), ("extended_l2=on",)]
    )
    def test_the_first_cluster_is_all_that_a_rebase_overwrites(
        self, qemu_img: QemuImg, tmp_path: Path, options: tuple[str, ...]
    ) -> None:
        base_in(qemu_img, tmp_path)
        top = overlay(qemu_img, tmp_path / "top", "/srv/gone/base", "qcow2", *options)
        before = top.read_bytes()
        run(one(cured(top), "missing").fix)
        assert top.read_bytes() != before
        run(f"gzip -dc {top}.before-rebase.gz | dd of={top} conv=notrunc status=none")
        assert top.read_bytes() == before

    def test_of_an_image_with_bitmaps_all_is_kept_as_qemu_writes_more(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        base_in(qemu_img, tmp_path)
        top = overlay(qemu_img, tmp_path / "top", "base")
        qemu_img("bitmap", "--add", top, "b")
        qemu_img("rebase", "-u", "-b", "gone", "-F", "qcow2", top)
        (tmp_path / "base").rename(tmp_path / "base-moved")
        (tmp_path / "sub").mkdir()
        (tmp_path / "base-moved").rename(tmp_path / "sub" / "gone")
        before = top.read_bytes()
        run(one(cured(top, search=[tmp_path / "sub"]), "missing").fix)
        assert (tmp_path / "top.before-rebase").read_bytes() == before

    def test_no_backup_overwrites_another(self, qemu_img: QemuImg, vm: Path) -> None:
        base_in(qemu_img, vm)
        (vm / "top.before-rebase.gz").write_bytes(b"precious")
        top = overlay(qemu_img, vm / "top", "/srv/gone/base")
        run(one(cured(top), "missing").fix)
        assert (vm / "top.before-rebase.gz").read_bytes() == b"precious"
        assert (vm / "top.before-rebase-2.gz").exists()


class TestCapacity:
    @pytest.mark.parametrize("format", ["qcow2", "qed"])
    def test_an_overlay_is_made_as_large_as_its_base(self, qemu_img: QemuImg, directory: Path, format: str) -> None:
        base_in(qemu_img, directory, "base", "3M", "raw")
        (directory / "base").write_bytes(b"x" * 3 * SIZE)
        top = directory / "top"
        qemu_img("create", "-q", "-f", format, "-b", "base", "-F", "raw", top, "1M")
        run(one(cured(top, Format(format)), "capacity-mismatch").fix)
        assert faults(cured(top, Format(format))) == []
        subprocess.run(["cmp", directory / "base", _converted(qemu_img, top, format)], check=True)

    @requires("qemu-io")
    def test_the_guest_sees_what_was_hidden_and_no_zeros(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        base = base_in(qemu_img, tmp_path, capacity="2M")
        subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 7 0 2M", base], check=True, capture_output=True)
        top = overlay(qemu_img, tmp_path / "top", "base")
        run(one(cured(top), "capacity-mismatch").fix)
        read = ["qemu-io", "-r", "-f", "qcow2", "-c", "read -P 7 1M 1M", str(top)]
        assert "verification failed" not in subprocess.run(read, check=True, capture_output=True, text=True).stdout

    def test_not_where_that_hides_something_higher_up(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        base_in(qemu_img, tmp_path, "base", "3M")
        qemu_img("create", "-q", "-f", "qcow2", "-b", "base", "-F", "qcow2", tmp_path / "mid", "1M")
        top = overlay(qemu_img, tmp_path / "top", "mid")
        assert one(cured(top), "capacity-mismatch").fix is None


def _converted(qemu_img: QemuImg, top: Path, format: str) -> Path:
    qemu_img("convert", "-f", format, "-O", "raw", f"{top.parent}/./top", top.with_name("whole"))
    return top.with_name("whole")


class TestPolicies:
    @pytest.mark.parametrize("policy", [UPLOAD, STRICT], ids=lambda policy: policy.name)
    def test_an_image_from_a_stranger_makes_nobody_look_beside_it(
        self, qemu_img: QemuImg, vm: Path, policy: OpenPolicy
    ) -> None:
        base = base_in(qemu_img, vm)
        top = overlay(qemu_img, vm / "top", f"file:{base}")
        assert offered(cured(top)) == [str(base)]
        assert offered(cured(top, policy=policy)) == []


class TestOpenImages:
    def opened(self, path: Path) -> "subprocess.Popen[bytes]":
        script = "import sys; f = open(sys.argv[1]); print(flush=True); sys.stdin.read()"
        words = [sys.executable, "-c", script, str(path)]
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        return process

    def test_no_command_writes_to_an_image_that_a_process_has_open(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        base_in(qemu_img, tmp_path)
        top = overlay(qemu_img, tmp_path / "top", "/srv/gone/base")
        (tmp_path / "small").mkdir()
        base_in(qemu_img, tmp_path / "small", "base", "2M")
        small = overlay(qemu_img, tmp_path / "small" / "top", "base")
        for image, id in ((top, "missing"), (small, "capacity-mismatch")):
            assert one(cured(image), id).fix is not None
            with self.opened(image) as process:
                held = one(cured(image), id)
                process.communicate(b"")
            assert held.fix is None
            assert f"no command is given, as {image} is open in " in held.message
            assert f"(process {process.pid})" in held.message

    def test_nor_one_to_be_repaired(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        top = base_in(qemu_img, tmp_path, "top")
        data = bytearray(top.read_bytes())
        data[79] |= 2  # the incompatible feature "corrupt"
        top.write_bytes(data)
        assert one(cured(top), "corrupt").fix is not None
        with self.opened(top) as process:
            assert one(cured(top), "corrupt").fix is None
            process.communicate(b"")
        run(one(cured(top), "corrupt").fix)
        assert faults(cured(top)) == []


class TestNothingForANote:
    def test_an_absolute_name_that_works_is_no_reason_to_rewrite_a_header(
        self, qemu_img: QemuImg, tmp_path: Path
    ) -> None:
        base = base_in(qemu_img, tmp_path)
        chain = cured(overlay(qemu_img, tmp_path / "top", str(base)))
        assert one(chain, "absolute-reference").fix is None

    def test_no_command_comes_with_a_file_out_of_reach(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        base_in(qemu_img, tmp_path, "disk")
        (tmp_path / "vm").mkdir()
        (tmp_path / "vm" / "base").symlink_to("/dev/vg0-asleep/disk")
        top = overlay(qemu_img, tmp_path / "vm" / "top", "base")
        chain = cured(top, search=[tmp_path])
        assert one(chain, "missing").fix is None


def test_a_parent_of_another_hypervisor_is_offered_without_a_command(vm: Path) -> None:
    from uuid import UUID

    names = {"W2ru": vhd.windows_path(r"..\Bases\base.vhd")}
    child = vhd.differencing(8 << 20, UUID(int=1), vhd.Parent(UUID(int=2), vhd.EPOCH, "base.vhd", names))
    (vm / "top").write_bytes(child)
    (vm / "base.vhd").write_bytes(vhd.dynamic(8 << 20, UUID(int=2)))
    (vm / "other.vdi").write_bytes(vdi.make(vdi.Vdi(uuid=UUID(int=3))))
    chain = cured(vm / "top", Format.VPC)
    assert offered(chain) == [f"{vm}/base.vhd"]
    assert all(each.fix is None for each in chain.findings)


def test_a_search_reads_no_more_than_it_may(qemu_img: QemuImg, vm: Path) -> None:
    top = overlay(qemu_img, vm / "top", "base")
    (vm / "attic").mkdir()
    os.mkfifo(vm / "attic" / "base")
    (vm / "loop").symlink_to(vm)
    assert offered(cured(top, search=[vm, vm / "gone"])) == []


def test_findings_without_faults_cost_no_look(qemu_img: QemuImg, tmp_path: Path) -> None:
    chain = cured(base_in(qemu_img, tmp_path))
    assert [*chain.findings] == []
    assert isinstance(chain.top.findings, tuple)
    assert Finding("x", Severity.INFO, "") not in chain.top.findings
