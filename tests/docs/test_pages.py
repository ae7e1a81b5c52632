"""What the pages show works: Python runs, commands parse, and every page is in the contents."""

import contextlib
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.cli.commands import diskchain
from tests.discover.chains import overlay
from tests.live.storage import QemuImg

from diskchain.cli.full_parser import WordsError, build_parser

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


class Code(NamedTuple):
    """A fenced block, or a line of an indented one. ``line`` counts from 1 on the page."""

    page: str
    line: int
    language: str
    text: str


def code() -> Iterator[Code]:
    for page in PAGES:
        text = page.read_text()
        for match in re.finditer(r"^```(\w*)\n(.*?)^```$|^    (\S[^\n]*\n)", text, re.DOTALL | re.MULTILINE):
            line = text.count("\n", 0, match.start()) + 1
            yield Code(page.name, line + (match[3] is None), match[1] or "", match[2] or match[3])


def commands(block: Code) -> Iterator[Code]:
    """The calls of diskchain in a block, without pipes, redirections and comments."""
    if block.language in ("", "sh"):
        for number, line in enumerate(block.text.splitlines(), block.line):
            for part in re.split(r"[|><#]", line):
                words = re.sub(r"^(\$ |sudo )+", "", part.strip())
                if re.match(r"diskchain [a-z]", words):
                    yield Code(block.page, number, "", words)


BLOCKS = list(code())
PYTHON = [block for block in BLOCKS if block.language == "python"]
COMMANDS = [command for block in BLOCKS for command in commands(block)]


def place(shown: Code) -> str:
    return f"{shown.page}:{shown.line}"


@pytest.fixture
def images(qemu_img: QemuImg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the images the pages speak of, to stand in."""
    qemu_img("create", "-q", "-f", "raw", tmp_path / "base.raw", "1M")
    overlay(qemu_img, tmp_path / "monday.qcow2", "base.raw", "raw")
    overlay(qemu_img, tmp_path / "tuesday.qcow2", "monday.qcow2")
    qemu_img("create", "-q", "-f", "qcow2", tmp_path / "golden.qcow2", "1M")
    overlay(qemu_img, tmp_path / "vm.qcow2", "golden.qcow2")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("block", PYTHON, ids=place)
def test_python_on_a_page_runs(images: Path, block: Code) -> None:
    text = block.text.replace("/images/tuesday", f"{images}/tuesday")
    compiled = compile("\n" * (block.line - 1) + text, block.page, "exec")
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compiled, {"__name__": "__main__"})  # noqa: S102 - that is what a reader does with it


@pytest.mark.parametrize("command", COMMANDS, ids=place)
def test_a_command_on_a_page_is_one_the_program_takes(command: Code) -> None:
    _, verb, *words = shlex.split(command.text)
    words = words[: words.index("--")] if "--" in words else words  # what follows is another program's
    try:
        build_parser((verb,)).parse_args([verb, *words])
    except (SystemExit, WordsError) as refused:
        pytest.fail(f"{command.text}: {refused}", pytrace=False)


def test_the_contents_list_every_page() -> None:
    contents = (ROOT / "mkdocs.yml").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name in contents


def test_the_screen_in_the_readme_is_what_show_prints(qemu_img: QemuImg, tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.mkdir()
    qemu_img("create", "-q", "-f", "raw", images / "base.raw", "1G")
    qemu_img("create", "-q", "-f", "qcow2", "-b", "base.raw", "-F", "raw", images / "monday.qcow2")
    qemu_img("create", "-q", "-f", "qcow2", "-b", "monday.qcow2", "-F", "qcow2", images / "tuesday.qcow2")
    (images / "base.raw").unlink()
    document = tmp_path / "vm.xml"
    document.write_text(
        f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{images}/tuesday.qcow2'/>"
        "<target dev='vda' bus='virtio'/></disk>"
    )
    shown = diskchain("show", document).out.replace(str(images), "/images")
    (screen,) = re.findall(
        r"^\$ diskchain show vm\.xml\n(.*?)^```", (ROOT / "README.md").read_text(), re.DOTALL | re.MULTILINE
    )
    assert re.sub(r"\d+ KiB", "N KiB", shown) == re.sub(r"\d+ KiB", "N KiB", screen)
