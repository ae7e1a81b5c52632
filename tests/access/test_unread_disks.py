"""A disk that cannot be read in its document is judged by nobody, so the answer is never "allowed"."""

from pathlib import Path

import pytest

from diskchain.findings import finding
from diskchain.schema import AccessDocument, GrantDocument, read
from tests.access.verbs import verb

READABLE = (
    "<disk type='file'><driver name='qemu' type='raw'/><source file='{}'/><target dev='vda' bus='virtio'/></disk>"
)
UNREAD = "<disk type='carousel'><target dev='vdb' bus='virtio'/></disk>"
DOMAIN = "<domain type='kvm'><name>a</name><memory>1</memory><os><type>hvm</type></os><devices>{}</devices></domain>"


@pytest.fixture
def document(image_dir: Path) -> Path:
    """A domain with a disk that anybody may use, and one that nobody understands."""
    image = image_dir / "image.raw"
    image.write_bytes(bytes(512))
    image.chmod(0o666)
    path = image_dir / "vm.xml"
    path.write_text(DOMAIN.format(READABLE.format(image) + UNREAD))
    return path


@pytest.mark.parametrize("name", ["access", "grant"])
def test_a_disk_that_cannot_be_read_is_told_and_could_not_be_judged(name: str, document: Path, tmp_path: Path) -> None:
    state = ["--state", str(tmp_path)] if name == "grant" else []
    words: list[str | Path] = [document, "--as", "+60123:+60123", *state]
    shown = verb(name, *words)
    assert "carousel" in shown.out
    found = read(verb(name, *words, "--json").out)
    assert isinstance(found, AccessDocument | GrantDocument)
    assert [each.id for each in found.findings] == ["document"]
    assert shown.code == 3


@pytest.mark.parametrize("name", ["access", "grant"])
def test_it_does_not_matter_to_a_question_about_another_disk(name: str, document: Path, tmp_path: Path) -> None:
    state = ["--state", str(tmp_path)] if name == "grant" else []
    shown = verb(name, document, "--as", "+60123:+60123", "-d", "vda", *state)
    assert (shown.code, "carousel" in shown.out) == (0, False)


def test_a_document_of_such_disks_alone_allows_nothing(document: Path) -> None:
    document.write_text(DOMAIN.format(UNREAD))
    shown = verb("access", document, "--as", "+60123:+60123")
    assert shown.code == 3
    assert finding("document", "").id in shown.out
