"""The recorder, compiled once, and a tree of images to record on."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.jobs.recorder.recording import Recorder, compile_recorder
from tests.jobs.recorder.tree import make_tree
from tests.live.storage import QemuImg


@pytest.fixture(scope="session")
def recorder_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Tests that use it need a C compiler."""
    return compile_recorder(tmp_path_factory.mktemp("recorder"))


@pytest.fixture
def recorder(recorder_library: Path) -> Iterator[Recorder]:
    """Records what happens below its ``root``, an empty directory. Ends what was begun with it."""
    directory = Path(tempfile.mkdtemp(prefix="diskchain-recorder-")).resolve()
    (directory / "root").mkdir()
    made = Recorder(recorder_library, directory / "root", directory / "own")
    try:
        yield made
    finally:
        made.kill()
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def tree_template(tmp_path_factory: pytest.TempPathFactory, qemu_img: QemuImg) -> Path:
    directory = tmp_path_factory.mktemp("tree")
    make_tree(directory, qemu_img)
    return directory


@pytest.fixture
def tree(recorder: Recorder, tree_template: Path) -> Callable[[], Path]:
    """Call it for the directory with the images of ``recorder.tree`` as they were at first."""

    def fresh() -> Path:
        shutil.rmtree(recorder.root)
        recorder.root.mkdir()
        for image in tree_template.iterdir():
            shutil.copyfile(image, recorder.root / image.name)
        recorder.reset()
        return recorder.root

    return fresh
