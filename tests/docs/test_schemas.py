"""The published schemas are those of the code, and what the commands print is valid by them."""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from tests.cli.commands import diskchain
from tests.discover.chains import overlay, unrecorded_overlay
from tests.docs.json_examples import EXAMPLE, PAGE, everywhere, images, printed
from tests.docs.json_schemas import FOLDER, file_name, published, text
from tests.live.storage import QemuImg
from tests.schema.documents import says_all_of

from diskchain.schema import DOCUMENTS, ChainDocument, CheckDocument, read, read_as, schema, to_json
from diskchain.schema.open import OPEN_SCHEMA
from diskchain.schema.scan import SCAN_SCHEMA


def validate(document: dict[str, Any]) -> None:
    published_schema = json.loads((FOLDER / file_name(document["schema"])).read_text())
    jsonschema.validate(document, published_schema, jsonschema.Draft202012Validator)
    assert says_all_of(json.loads(to_json(read(json.dumps(document)))), document)


def test_every_schema_is_published_and_no_other() -> None:
    assert sorted(path.name for path in FOLDER.iterdir()) == sorted(published())


@pytest.mark.parametrize("name", published())
def test_a_published_schema_is_the_codes(name: str) -> None:
    again = "python -m tests.docs.json_schemas writes it anew"
    assert (FOLDER / name).read_text() == text(schema(published()[name])), again


def test_the_examples_on_the_page_are_valid() -> None:
    examples = re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert examples
    for example in examples:
        validate(json.loads(example))


@pytest.mark.qemu
def test_the_examples_on_the_page_are_what_is_printed() -> None:
    examples = EXAMPLE.findall(PAGE.read_text())
    printed_at_the_end = set(DOCUMENTS) - {
        OPEN_SCHEMA,
        SCAN_SCHEMA,
    }  # not one document at the end: tests/live/test_open.py, tests/scan
    assert {json.loads(shown)["schema"] for _, shown in examples} == printed_at_the_end
    again = "python -m tests.docs.json_examples writes them anew"
    with images() as place:
        for command, shown in examples:
            now = printed(command, place)
            assert everywhere(json.loads(shown)) == everywhere(json.loads(now)), f"{command}: {again}"


@pytest.fixture
def chain(qemu_img: QemuImg, tmp_path: Path) -> Path:
    """Three layers with findings of all sorts, and a data file."""
    data = tmp_path / "data.raw"
    qemu_img("create", "-q", "-f", "qcow2", "-o", f"data_file={data}", tmp_path / "base.qcow2", "2M")
    unrecorded_overlay(qemu_img, tmp_path / "mid.qcow2", "base.qcow2")
    return overlay(qemu_img, tmp_path / "top.qcow2", str(tmp_path / "mid.qcow2"))


@pytest.mark.parametrize("command", ["show", "check", "info"])
def test_what_a_command_prints_is_valid(chain: Path, command: str) -> None:
    validate(json.loads(diskchain(command, "--json", str(chain)).out))


def test_show_tells_the_findings_that_check_tells(chain: Path) -> None:
    shown = read_as(ChainDocument, diskchain("show", "--json", str(chain)).out)
    checked = read_as(CheckDocument, diskchain("check", "--json", str(chain)).out)
    layers = [layer for disk in shown.disks for layer in disk.layers]
    files = [file for layer in layers for file in (layer, layer.data_file, *layer.extents) if file is not None]
    found = [*shown.findings, *(found for file in files for found in file.findings)]
    assert found == [found for target in checked.targets for found in target.findings]
    assert {each.layer for each in found} <= {layer.name for layer in layers}


def test_a_broken_chain_is_valid_too(qemu_img: QemuImg, tmp_path: Path) -> None:
    top = overlay(qemu_img, tmp_path / "top.qcow2", "nbd://user@server/export", "raw")
    validate(json.loads(diskchain("show", "--json", str(top)).out))
    validate(json.loads(diskchain("check", "--json", str(top), str(tmp_path / "gone")).out))


def test_a_comparison_is_valid(chain: Path, tmp_path: Path) -> None:
    document = tmp_path / "vm.xml"
    document.write_text(
        f"<domain><devices><disk type='file'><driver name='qemu' type='qcow2'/><source file='{chain}'/>"
        "<target dev='vda' bus='virtio'/></disk></devices></domain>"
    )
    validate(json.loads(diskchain("diff", "--json", str(document)).out))
