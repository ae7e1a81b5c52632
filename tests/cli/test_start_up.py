"""``diskchain show IMAGE`` loads nothing that it could do without. Time itself is measured by ``make bench``."""

import subprocess
import sys
from pathlib import Path

from tests.live.storage import QemuImg

SHOW = """
import sys, typing
compiled = []
remember = typing.ForwardRef.__init__
def compile_quoted(self, text, *args, **kwargs):
    compiled.append(text)
    remember(self, text, *args, **kwargs)
typing.ForwardRef.__init__ = compile_quoted
from diskchain.cli.main import main
code = main(["show", sys.argv[1]])
heavy = {"argparse", "asyncio", "dataclasses", "importlib.metadata", "inspect", "json", "lxml", "msgspec", "numpy", "pathlib", "shutil",
         "subprocess", "threading", "diskchain.libvirtxml", "diskchain.guest", "diskchain.storage.auth", "diskchain.storage.encryption",
         "diskchain.storage.foreign", "diskchain.storage.protocol_options", "diskchain.storage.runtime", "diskchain.storage.seclabel",
         "diskchain.image.bitmap", "diskchain.image.encryption", "diskchain.image.snapshot"}
print(code, sorted(heavy & set(sys.modules)), compiled, file=sys.stderr)
"""


def shown(image: Path) -> str:
    # -I -S: without what a development environment loads of itself.
    paths = f"import sys; sys.path[:0] = {[str(Path(__file__).parents[2] / 'src')]!r}\n"
    command = [sys.executable, "-I", "-S", "-c", paths + SHOW, str(image)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


def test_a_plain_image_is_shown_without_heavy_modules_or_quoted_annotations(tmp_path: Path) -> None:
    image = tmp_path / "image.raw"
    image.write_bytes(bytes(512))
    assert shown(image) == "0 [] []\n"


def test_a_chain_of_qcow2_is_shown_without_them(tmp_path: Path, qemu_img: QemuImg) -> None:
    qemu_img("create", "-q", "-f", "raw", tmp_path / "base", "1M")
    for name, below, format in (("middle", "base", "raw"), ("top", "middle", "qcow2")):
        qemu_img("create", "-q", "-f", "qcow2", "-b", below, "-F", format, tmp_path / name)
    assert shown(tmp_path / "top") == "0 [] []\n"
