"""``diskchain show IMAGE`` loads nothing that it could do without. Time itself is measured by ``make bench``."""

import subprocess
import sys
from pathlib import Path

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


def test_a_plain_image_is_shown_without_heavy_modules_or_quoted_annotations(tmp_path: Path) -> None:
    image = tmp_path / "image.raw"
    image.write_bytes(bytes(512))
    # -I -S: without what a development environment loads of itself.
    paths = f"import sys; sys.path[:0] = {[str(Path(__file__).parents[2] / 'src')]!r}\n"
    shown = subprocess.run(
        [sys.executable, "-I", "-S", "-c", paths + SHOW, image], capture_output=True, text=True, check=False
    )
    assert shown.stderr == "0 [] []\n"
