"""A document that names other files than the headers is told, with what the guest will not see; the same file under other names is not."""

import os
from pathlib import Path

import pytest
from tests.checks.curing import cured, one, run
from tests.cli.commands import diskchain
from tests.live.storage import QemuImg

from diskchain.discover import BackingChain
from diskchain.findings import Severity
from diskchain.storage.location import FileLocation, NetworkHost, NetworkLocation
from diskchain.storage.source import TERMINATOR, UNKNOWN, Source, stack
from diskchain.storage.terms import Format, Protocol


@pytest.fixture
def three(qemu_img: QemuImg, tmp_path: Path) -> Path:
    """The directory of top over mid over base."""
    qemu_img("create", "-q", "-f", "qcow2", tmp_path / "base", "1M")
    qemu_img("create", "-q", "-f", "qcow2", "-b", tmp_path / "base", "-F", "qcow2", tmp_path / "mid")
    qemu_img("create", "-q", "-f", "qcow2", "-b", "mid", "-F", "qcow2", tmp_path / "top")
    return tmp_path


def declared(directory: Path, *names: str, ended: bool = True) -> BackingChain:
    sources = [Source(FileLocation(os.path.normpath(directory / name)), Format.QCOW2) for name in names]
    return cured(stack(sources, TERMINATOR if ended else UNKNOWN))


def told(chain: BackingChain) -> list[tuple[str, Severity]]:
    return [(each.id, each.severity) for each in chain.findings if each.severity is not Severity.INFO]


def test_what_the_headers_say_too_is_no_finding(three: Path) -> None:
    assert told(declared(three, "top", "mid", "base")) == []
    assert told(declared(three, "top", "mid", ended=False)) == []


def test_one_file_has_many_names(three: Path) -> None:
    (three / "sub").mkdir()
    (three / "sub" / "soft").symlink_to("../mid")
    (three / "hard").hardlink_to(three / "mid")
    assert told(declared(three, "top", "sub/soft", "base")) == []
    assert told(declared(three, "top", "hard", "base")) == []


def test_a_layer_left_out_is_named_with_what_it_holds(three: Path) -> None:
    found = one(declared(three, "top", "base"), "layer-left-out")
    assert found.severity is Severity.ERROR
    assert f"the document leaves out {three}/mid: it puts {three}/base below {three}/top" in found.message
    assert "the guest does not see what is in" in found.message
    assert "in use)" in found.message
    assert found.referrer == f"{three}/mid"


def test_another_file_is_named_with_the_one_the_guest_does_not_see(qemu_img: QemuImg, three: Path) -> None:
    qemu_img("create", "-q", "-f", "qcow2", three / "other", "1M")
    found = one(declared(three, "top", "other"), "backing-differs")
    assert found.severity is Severity.ERROR
    assert f"whose header names {three}/mid" in found.message


def test_each_overlay_is_compared_with_its_own_header(qemu_img: QemuImg, three: Path) -> None:
    qemu_img("create", "-q", "-f", "qcow2", three / "other", "1M")
    found = one(declared(three, "top", "mid", "other"), "backing-differs")
    assert found.file == f"{three}/mid"


def test_an_end_above_what_the_header_names_is_an_error(three: Path) -> None:
    for names in (("top",), ("top", "mid")):
        chain = declared(three, *names)
        assert told(chain) == [("terminated-early", Severity.ERROR)]
        assert "the guest reads zeros where" in one(chain, "terminated-early").message


def test_a_base_that_only_the_document_names_is_a_warning(qemu_img: QemuImg, three: Path) -> None:
    qemu_img("create", "-q", "-f", "qcow2", three / "alone", "1M")
    chain = declared(three, "alone", "base")
    assert told(chain) == [("backing-differs", Severity.WARNING)]
    assert "names no backing file" in one(chain, "backing-differs").message


def test_a_header_that_names_what_is_gone_is_a_warning_and_can_be_told(qemu_img: QemuImg, three: Path) -> None:
    (three / "mid").rename(three / "moved")
    found = one(declared(three, "top", "moved", "base"), "backing-differs")
    assert found.severity is Severity.WARNING
    assert "which is not there" in found.message
    run(found.fix)
    assert told(declared(three, "top", "moved", "base")) == []
    assert "backing file: moved" in qemu_img("info", three / "top")


def test_no_header_is_told_of_a_base_that_does_not_fit(qemu_img: QemuImg, three: Path) -> None:
    (three / "mid").unlink()
    qemu_img("create", "-q", "-f", "qcow2", three / "larger", "2M")
    found = one(declared(three, "top", "larger"), "backing-differs")
    assert (found.severity, found.fix) == (Severity.WARNING, None)


def test_of_one_server_by_other_names_nothing_is_said(qemu_img: QemuImg, tmp_path: Path) -> None:
    top = tmp_path / "top"
    qemu_img("create", "-q", "-u", "-f", "qcow2", "-b", "nbd://one:10809/disk", "-F", "raw", top, "1M")
    source = Source(FileLocation(str(top)), Format.QCOW2)
    for name, id in (("disk", []), ("other", [("backing-differs", Severity.ERROR)])):
        base = Source(NetworkLocation(Protocol.NBD, name, (NetworkHost("two", 10809),)), Format.RAW)
        chain = cured(stack([source, base], TERMINATOR))
        assert [each for each in told(chain) if each[0] != "not-inspected"] == id


def test_another_data_file_is_told(qemu_img: QemuImg, tmp_path: Path) -> None:
    qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={tmp_path}/data", tmp_path / "top", "1M")
    (tmp_path / "other").write_bytes(bytes(1 << 20))
    (tmp_path / "link").symlink_to("data")
    for name, id in (("link", []), ("other", [("backing-differs", Severity.ERROR)])):
        data = Source(FileLocation(f"{tmp_path}/{name}"), Format.RAW)
        top = Source(FileLocation(f"{tmp_path}/top"), Format.QCOW2, TERMINATOR, data_file=data)
        assert told(cured(top)) == id


def document(directory: Path, *names: str) -> Path:
    inner = "<backingStore/>"
    for name in reversed(names[1:]):
        source = f"<format type='qcow2'/><source file='{directory}/{name}'/>"
        inner = f"<backingStore type='file'>{source}{inner}</backingStore>"
    path = directory / "vm.xml"
    path.write_text(
        f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{directory}/{names[0]}'/>"
        f"{inner}<target dev='vda' bus='virtio'/></disk>"
    )
    return path


@pytest.mark.parametrize(
    ("names", "differs"),
    [(("top", "mid", "base"), False), (("top", "base"), True), (("top", "mid"), True), (("top",), True)],
)
def test_check_says_what_diff_says(three: Path, names: tuple[str, ...], differs: bool) -> None:  # noqa: FBT001
    path = document(three, *names)
    assert (diskchain("diff", path).code, diskchain("check", path).code) == ((1, 1) if differs else (0, 0))
