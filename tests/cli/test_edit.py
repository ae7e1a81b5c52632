"""``edit`` changes one layer of a document, and no other byte; the cures that use it are run as they are printed."""

import json
from pathlib import Path

import pytest
from tests.checks.curing import run
from tests.cli.commands import diskchain
from tests.live.storage import QemuImg

from diskchain.schema import EditDocument, read_as

DOCUMENT = """\
<domain type='qemu'>  <!-- mine -->
  <name>d</name><memory>65536</memory><os><type>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file="{top}"/>
      <backingStore type='file'>
        <format type='{format}'/>
        <source file='{base}'/>
        <backingStore/>
      </backingStore>
      <target dev='vda' bus='virtio'/>
    </disk>
  </devices>
</domain>
"""


def written(directory: Path, top: str = "top", base: str = "base", format: str = "qcow2") -> Path:
    path = directory / "my vm.xml"
    path.write_text(DOCUMENT.format(top=directory / top, base=directory / base, format=format))
    return path


def fixes(*words: str | Path) -> dict[str, str]:
    """The command of each finding that has one, by its id."""
    shown = json.loads(diskchain("check", "--json", *words).out)
    return {each["id"]: each["fix"] for each in shown["targets"][0]["findings"] if each.get("fix")}


def test_a_path_or_a_format_is_changed_and_nothing_else(tmp_path: Path) -> None:
    path = written(tmp_path)
    text = path.read_text()
    told = diskchain("edit", path, "--layer", "vda", "--path", "/new/a&b")
    assert told.out == text.replace(f'"{tmp_path}/top"', '"/new/a&amp;b"')
    assert diskchain("edit", path, "--layer", "vda[1]", "--format", "raw", "--in-place").code == 0
    assert path.read_text() == text.replace("<format type='qcow2'/>", "<format type='raw'/>")


def test_what_was_changed_is_a_json_document_on_request(tmp_path: Path) -> None:
    path = written(tmp_path)
    words = ("edit", path, "--layer", "vda", "--path", "/new/top", "--json")
    told = read_as(EditDocument, diskchain(*words).out)
    assert (told.changed, told.written, told.layer) == (True, None, "vda")
    assert told.xml == diskchain(*words[:-1]).out.encode()
    into = read_as(EditDocument, diskchain(*words, "--in-place").out)
    assert (into.changed, into.written, into.xml) == (True, str(path), None)
    assert read_as(EditDocument, diskchain(*words, "-o", tmp_path / "copy").out).changed is False
    secret = ("set-secret", path, "--layer", "vda", "--usage", "key", "--json")
    assert "usage='key'" in (read_as(EditDocument, diskchain(*secret).out).text or "")
    failed = json.loads(diskchain("edit", path, "--layer", "vdz", "--path", "/x", "--json").out)
    assert (failed["schema"], failed["exit-code"]) == ("diskchain/error/1", 2)


def test_what_is_below_a_layer_is_left_to_detection(tmp_path: Path) -> None:
    path = written(tmp_path)
    text = path.read_text()
    start, end = text.index("\n      <backingStore type"), text.rindex("</backingStore>") + len("</backingStore>")
    assert diskchain("edit", path, "--layer", "vda", "--detect").out == text[:start] + text[end:]
    assert "<backingStore/>" not in diskchain("edit", path, "--layer", "vda[1]", "--detect").out


@pytest.mark.parametrize(
    "words",
    [
        ["--layer", "vda"],
        ["--layer", "vdb", "--path", "/x"],
        ["--layer", "vda[7]", "--path", "/x"],
        ["--layer", "vda[1]", "--detect", "--format", "nonsense"],
    ],
)
def test_what_cannot_be_changed_is_a_usage_error_and_nothing_is_written(tmp_path: Path, words: list[str]) -> None:
    path = written(tmp_path)
    text = path.read_text()
    assert diskchain("edit", path, "--in-place", *words).code == 2
    assert path.read_text() == text


def test_nothing_below_the_last_layer_can_be_taken_out(tmp_path: Path) -> None:
    path = tmp_path / "vm.xml"
    path.write_text("<disk><source file='/x'/><target dev='vda'/></disk>")
    told = diskchain("edit", path, "--layer", "vda", "--detect")
    assert (told.code, told.out) == (2, "")
    assert "says nothing of what is below" in told.err


class TestCures:
    def test_a_layer_left_out_is_left_to_detection(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        qemu_img("create", "-q", "-f", "qcow2", tmp_path / "base", "1M")
        qemu_img("create", "-q", "-f", "qcow2", "-b", "base", "-F", "qcow2", tmp_path / "mid")
        qemu_img("create", "-q", "-f", "qcow2", "-b", "mid", "-F", "qcow2", tmp_path / "top")
        path = written(tmp_path)
        before = path.read_bytes()
        run(fixes(path)["layer-left-out"])
        assert diskchain("check", path).code == 0
        assert (tmp_path / "my vm.xml.before-edit").read_bytes() == before

    @pytest.mark.parametrize("moved", ["top", "base"])
    def test_a_file_that_moved_is_named_in_the_document(self, qemu_img: QemuImg, tmp_path: Path, moved: str) -> None:
        qemu_img("create", "-q", "-f", "qcow2", tmp_path / "base", "1M")
        qemu_img("create", "-q", "-f", "qcow2", "-b", tmp_path / "base", "-F", "qcow2", tmp_path / "top")
        (tmp_path / "new").mkdir()
        (tmp_path / moved).rename(tmp_path / "new" / moved)
        path = written(tmp_path)
        run(fixes(path, "--search", tmp_path / "new")["missing"])
        assert f"{tmp_path}/new/{moved}" in path.read_text()
        after = fixes(path)
        assert "missing" not in after
        if moved == "base":  # the header still names the old place
            run(after["backing-differs"])
        assert diskchain("check", path).code == 0

    def test_a_backing_file_declared_as_the_wrong_format(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        qemu_img("create", "-q", "-f", "qcow2", tmp_path / "base", "64M")
        qemu_img("create", "-q", "-f", "qcow2", "-b", "base", "-F", "qcow2", tmp_path / "top")
        path = written(tmp_path, format="raw")
        run(fixes(path)["format-mismatch"])
        assert "<format type='qcow2'/>" in path.read_text()
        assert diskchain("check", path).code == 0

    def test_no_document_from_a_pipe_is_edited(self, qemu_img: QemuImg, tmp_path: Path) -> None:
        qemu_img("create", "-q", "-f", "qcow2", tmp_path / "base", "64M")
        qemu_img("create", "-q", "-f", "qcow2", "-b", "base", "-F", "qcow2", tmp_path / "top")
        text = written(tmp_path, format="raw").read_text()
        told = diskchain("check", "--json", "-", stdin=text)
        assert "diskchain edit" not in told.out
