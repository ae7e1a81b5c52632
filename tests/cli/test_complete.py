"""`diskchain complete` as a person runs it: real images, files, pipes and exit codes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.live.storage import QemuImg

from diskchain.cli.main import main

DOMAIN = """\
<?xml version="1.0"?>
<!-- mine -->
<domain type="kvm" xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
\t<devices>
\t\t<disk type="file" device="disk">
\t\t\t<driver name="qemu" type="qcow2"/>
\t\t\t<source file="{top}"/>
\t\t\t<target dev="vda" bus="virtio"/>
\t\t</disk>
\t\t<disk type='file' device='disk'>
\t\t\t<driver name='qemu' type='raw'/>
\t\t\t<source file='{other}'/>
\t\t\t<target dev='vdb' bus='virtio'/>
\t\t</disk>
\t\t<disk type='file' device='cdrom'>
\t\t\t<target dev='sda' bus='sata'/>
\t\t</disk>
\t</devices>
\t<qemu:commandline><qemu:arg  value = '-s' /></qemu:commandline>
</domain>
"""

CHAIN_OF_TOP = """
\t\t\t<!-- detected by diskchain -->
\t\t\t<backingStore type="file">
\t\t\t\t<format type="raw"/>
\t\t\t\t<source file="{base}"/>
\t\t\t\t<backingStore/>
\t\t\t</backingStore>"""

END_OF_BASE = """
\t\t\t<!-- detected by diskchain -->
\t\t\t<backingStore/>"""

Output = pytest.CaptureFixture[bytes]


@pytest.fixture
def overlay(tmp_path: Path, qemu_img: QemuImg) -> Path:
    for name in ("base.raw", "other.raw"):
        qemu_img("create", "-q", "-f", "raw", tmp_path / name, "1M")
    qemu_img("create", "-q", "-f", "qcow2", "-b", "base.raw", "-F", "raw", tmp_path / "top.qcow2")
    return tmp_path / "top.qcow2"


@pytest.fixture
def document(overlay: Path) -> Path:
    path = overlay.with_name("vm.xml")
    path.write_text(DOMAIN.format(top=overlay, other=overlay.with_name("other.raw")))
    return path


def completed(document: Path, disks: tuple[str, ...] = ("vda", "vdb")) -> bytes:
    text = document.read_text()
    top, base, other = (document.with_name(name) for name in ("top.qcow2", "base.raw", "other.raw"))
    for disk, source, chain in (
        ("vda", f'<source file="{top}"/>', CHAIN_OF_TOP),
        ("vdb", f"<source file='{other}'/>", END_OF_BASE),
    ):
        if disk in disks:
            text = text.replace(source, source + chain.format(base=base))
    return text.encode()


def test_the_completed_document_goes_to_stdout(document: Path, capfdbinary: Output) -> None:
    before = document.read_bytes()
    assert main(["complete", str(document)]) == 0
    assert capfdbinary.readouterr() == (completed(document), b"")
    assert document.read_bytes() == before


def test_stdin_is_a_dash(document: Path) -> None:
    with document.open("rb") as stdin:
        command = [sys.executable, "-m", "diskchain", "complete", "-"]
        done = subprocess.run(command, stdin=stdin, capture_output=True, check=True)
    assert done.stdout == completed(document)


@pytest.mark.parametrize("disks", [("vda",), ("vdb",), ("vda", "vdb")])
def test_only_the_chosen_disks_are_completed(document: Path, capfdbinary: Output, disks: tuple[str, ...]) -> None:
    options = [word for disk in disks for word in ("-d", disk)]
    assert main(["complete", str(document), *options]) == 0
    assert capfdbinary.readouterr().out == completed(document, disks)


def test_in_place_and_strip_come_back_to_the_same_bytes(document: Path) -> None:
    document.chmod(0o600)
    before, wanted = document.read_bytes(), completed(document)
    assert main(["complete", "--in-place", str(document)]) == 0
    assert document.read_bytes() == wanted
    assert main(["complete", "--in-place", "--strip", "-d", "vdb", str(document)]) == 0
    assert main(["complete", "--in-place", "--strip", str(document)]) == 0
    assert document.read_bytes() == before
    assert document.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in document.parent.iterdir()) == ["base.raw", "other.raw", "top.qcow2", "vm.xml"]


def test_completing_again_follows_what_has_changed_on_disk(document: Path, overlay: Path, qemu_img: QemuImg) -> None:
    main(["complete", "--in-place", str(document)])
    qemu_img("create", "-q", "-f", "qcow2", "-b", "base.raw", "-F", "raw", overlay.with_name("middle.qcow2"))
    qemu_img("rebase", "-u", "-b", "middle.qcow2", "-F", "qcow2", overlay)
    assert main(["complete", "--in-place", str(document)]) == 0
    assert b"middle.qcow2" in document.read_bytes()
    main(["complete", "--in-place", "--strip", str(document)])
    assert document.read_text() == DOMAIN.format(top=overlay, other=overlay.with_name("other.raw"))


def test_output_goes_to_a_file(document: Path, tmp_path: Path, capfdbinary: Output) -> None:
    output = tmp_path / "completed.xml"
    assert main(["complete", str(document), "-o", str(output)]) == 0
    assert output.read_bytes() == completed(document)
    assert capfdbinary.readouterr() == (b"", b"")


def test_a_missing_layer_is_a_finding_and_nothing_wrong_is_written(
    document: Path, overlay: Path, capfdbinary: Output
) -> None:
    for name in ("base.raw", "other.raw"):
        overlay.with_name(name).unlink()
    before = document.read_bytes()
    assert main(["complete", str(document)]) == 1
    out, err = capfdbinary.readouterr()
    assert out == before
    assert b"no such file: " + os.fsencode(overlay.with_name("base.raw")) in err
    assert err.count(b"[missing]") == 2  # named by the overlay, and by the document


def test_a_chain_with_a_fault_is_completed_down_to_it(
    document: Path, overlay: Path, qemu_img: QemuImg, capfdbinary: Output
) -> None:
    gone = overlay.with_name("gone.raw")
    qemu_img("create", "-q", "-f", "qcow2", "-u", "-b", gone, "-F", "raw", overlay.with_name("middle.qcow2"), "1M")
    qemu_img("rebase", "-u", "-b", "middle.qcow2", "-F", "qcow2", overlay)
    assert main(["complete", str(document), "-d", "vda"]) == 1
    out = capfdbinary.readouterr().out
    assert b'<source file="%b"/>' % os.fsencode(overlay.with_name("middle.qcow2")) in out
    assert b"gone" not in out
    assert b"<backingStore/>" not in out


def test_storage_that_is_not_here_is_left_alone_and_could_not_be_told(tmp_path: Path, capfdbinary: Output) -> None:
    document = tmp_path / "vm.xml"
    text = b"<disk type='network' device='disk'><source protocol='nbd' name='x'><host name='h'/></source><target dev='vda'/></disk>"
    document.write_bytes(text)
    assert main(["complete", str(document)]) == 3
    out, err = capfdbinary.readouterr()
    assert out == text
    assert b"[not-inspected]" in err


def test_a_name_that_xml_cannot_hold_is_a_finding(overlay: Path, qemu_img: QemuImg, capfdbinary: Output) -> None:
    overlay.with_name("base.raw").rename(overlay.with_name(os.fsdecode(b"\xff")))
    qemu_img("rebase", "-u", "-b", os.fsdecode(b"\xff"), "-F", "raw", overlay)
    text = f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='{overlay}'/><target dev='vda'/></disk>"
    document = overlay.with_name("vm.xml")
    document.write_text(text)
    assert main(["complete", str(document)]) == 1
    out, err = capfdbinary.readouterr()
    assert out == text.encode()
    assert rb"\xff cannot be written in XML" in err


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<domain><devices>\n<disk></domain>", "vm.xml:2: not well-formed XML: mismatched tag"),
        (
            "<!DOCTYPE domain [<!ENTITY a 'aa'>]>\n<domain>&a;</domain>",
            "vm.xml:1: document type declarations are refused",
        ),
        ("<pool/>", "<pool> is no domain"),
        ("", "vm.xml: it is called .xml and is empty"),
    ],
)
@pytest.mark.parametrize("options", [[], ["--strip"]])
def test_nothing_is_written_for_a_document_that_is_refused(
    tmp_path: Path, capfdbinary: Output, text: str, problem: str, options: list[str]
) -> None:
    document = tmp_path / "vm.xml"
    document.write_text(text)
    assert main(["complete", str(document), "--in-place", *options]) == 2
    assert problem in capfdbinary.readouterr().err.decode()
    assert document.read_text() == text
    assert main(["complete", str(document), "-o", str(tmp_path / "new.xml"), *options]) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["vm.xml"]


def test_a_disk_that_is_not_there_is_a_usage_error(document: Path, capfdbinary: Output) -> None:
    for options in ([], ["--strip"]):
        assert main(["complete", str(document), "-d", "vdz", *options]) == 2
        assert capfdbinary.readouterr() == (b"", b"diskchain: no disk is called vdz: the disks are vda, vdb, sda\n")


def test_both_domains_of_a_snapshot_are_completed_and_a_finding_is_told_once(
    overlay: Path, capfdbinary: Output
) -> None:
    disk = f"<devices><disk><driver type='qcow2'/><source file='{overlay}'/><target dev='vda'/></disk></devices>"
    own = f"<disks><disk name='vda' snapshot='external'><source file='{overlay}'/></disk></disks>"
    document = overlay.with_name("snapshot.xml")
    document.write_text(
        f"<domainsnapshot>{own}<domain>{disk}</domain><inactiveDomain>{disk}</inactiveDomain></domainsnapshot>"
    )
    assert main(["complete", str(document), "-d", "vda"]) == 0
    out = capfdbinary.readouterr().out
    assert out.count(b"<backingStore/>") == 2
    assert own.encode() in out
    overlay.unlink()
    assert main(["complete", str(document)]) == 1
    assert capfdbinary.readouterr().err.count(b"[missing]") == 1


def test_stdin_cannot_be_changed_in_place(capfdbinary: Output) -> None:
    assert main(["complete", "-", "--in-place"]) == 2
    assert b"stdin cannot be changed in place" in capfdbinary.readouterr().err


def test_output_and_in_place_exclude_each_other(document: Path) -> None:
    assert main(["complete", str(document), "--in-place", "-o", "x"]) == 2


def test_a_document_that_is_missing_is_an_error(tmp_path: Path, capfdbinary: Output) -> None:
    for options in ([], ["--in-place"], ["--strip"]):
        assert main(["complete", str(tmp_path / "gone.xml"), *options]) == 3
        assert b"gone.xml: " in capfdbinary.readouterr().err


def test_help_shows_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["complete", "--help"])
    out = capsys.readouterr().out
    assert "diskchain complete vm.xml --in-place" in out
    assert "exit codes" in out


def test_a_directory_is_called_one(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["complete", str(tmp_path)]) == 2
    assert capfd.readouterr().err == f"diskchain: {tmp_path} is a directory, not an image or a document\n"


@pytest.mark.parametrize(
    "document",
    [
        "<?xml version='1.0' encoding='UTF8'?><disk><source file='/ü'/></disk>".encode(),
        "<?xml version='1.0' encoding='UTF-32'?><disk><source file='/ü'/></disk>".encode("utf-32"),
        "<disk><source file='/ü'/></disk>".encode("utf-32-be"),
    ],
)
def test_show_and_complete_read_the_same_encodings(document: bytes, tmp_path: Path) -> None:
    (tmp_path / "vm.xml").write_bytes(document)
    found = [main([verb, str(tmp_path / "vm.xml")]) for verb in ("show", "complete")]
    assert found == [1, 1]  # both look for /ü
