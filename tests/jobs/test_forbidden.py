"""What no job may do: each way of QEMU and libvirt that loses data, or breaks a chain, is not gone; and why, as long as it is so."""

import ast
import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import diskchain
from diskchain.jobs.engines.storage_daemon import StorageDaemonEngine
from diskchain.qemu.daemon import StorageDaemon
from diskchain.qemu.images import Stopped
from tests.jobs.trees import Tree, backing, make
from tests.live.storage import QemuImg

pytestmark = pytest.mark.qemu
SOURCE = Path(diskchain.__file__).parent


@pytest.fixture
def tree(qemu_img: QemuImg, tmp_path: Path) -> Tree:
    return make(qemu_img, tmp_path / "images")


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """Every QMP command that is given to a storage daemon, with its arguments."""
    given: list[tuple[str, dict[str, Any]]] = []
    execute = StorageDaemon.execute

    def noted(daemon: StorageDaemon, command: str, arguments: Mapping[str, Any] | None = None) -> Any:
        given.append((command, dict(arguments or {})))
        return execute(daemon, command, arguments)

    monkeypatch.setattr(StorageDaemon, "execute", noted)
    return given


def run(tree: Tree, verb: str) -> None:
    plan = {
        "commit": lambda: diskchain.plan_commit(tree.top, top=tree.path("low")),
        "pull": lambda: diskchain.plan_pull(tree.top, base=tree.path("base")),
        "flatten": lambda: diskchain.plan_pull(tree.top),
        "copy": lambda: diskchain.plan_copy(tree.top, tree.path("new")),
    }[verb]()
    with diskchain.run(plan, state=tree.state) as job:
        assert [*job]


@pytest.mark.parametrize("verb", ["commit", "pull", "flatten", "copy"])
def test_no_forbidden_command_is_given(tree: Tree, commands: list[tuple[str, dict[str, Any]]], verb: str) -> None:
    run(tree, verb)
    names = [name for name, _ in commands]
    assert "job-cancel" in names
    assert not {"change-backing-file", "query-named-block-nodes", "job-complete", "job-finalize"} & {*names}


def test_a_stream_to_a_base_says_what_would_be_stored(tree: Tree, commands: list[tuple[str, dict[str, Any]]]) -> None:
    run(tree, "pull")
    (stream,) = [arguments for name, arguments in commands if name == "block-stream"]
    assert stream["backing-file"] == "base.qcow2"
    assert stream["auto-finalize"] is False


def test_a_commit_has_no_layer_open_whose_pointer_it_could_write(
    tree: Tree, commands: list[tuple[str, dict[str, Any]]]
) -> None:
    run(tree, "commit")
    opened = json.dumps([arguments for name, arguments in commands if name == "blockdev-add"])
    assert "top.qcow2" not in opened
    assert "low.qcow2" in opened


def test_no_module_names_what_is_forbidden() -> None:
    found = [
        f"{path.relative_to(SOURCE)}: {node.value}"
        for path in SOURCE.rglob("*.py")
        for node in _strings(path)
        if node.value in {"change-backing-file", "--delete-imagefile"}
    ]
    assert found == []
    assert "VIR_DOMAIN_BLOCK_COMMIT_DELETE" not in "".join(path.read_text() for path in SOURCE.rglob("*.py"))


def _strings(path: Path) -> Iterator[ast.Constant]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node


def test_change_backing_file_records_the_wrong_format(qemu_img: QemuImg, tmp_path: Path) -> None:
    base, top = tmp_path / "base.raw", tmp_path / "top.qcow2"
    qemu_img("create", "-q", "-f", "raw", base, "1M")
    qemu_img("create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", top)
    with StorageDaemon() as daemon:
        file = {"driver": "file", "filename": str(top)}
        daemon.execute("blockdev-add", {"driver": "qcow2", "node-name": "top", "file": file})
        daemon.execute("change-backing-file", {"device": "top", "image-node-name": "top", "backing-file": str(base)})
    assert backing(str(top))[1] == "qcow2", "QEMU records the format of the backing file now: the reason is gone"


def test_qemus_own_way_moves_the_pointer_and_ours_does_not(tree: Tree) -> None:
    """A stream whose end QEMU is left to: the pointer is written by it. What is cancelled when pending leaves it alone."""
    before = backing(tree.top)
    plan = diskchain.plan_pull(tree.top, base=tree.path("base")).plan
    assert plan is not None
    assert [*StorageDaemonEngine().copy(plan, began=_nothing, ended=_nothing, stop=lambda: False)]
    assert backing(tree.top) == before


def test_an_engine_that_is_told_to_stop_ends_and_leaves_the_pointer_alone(tree: Tree) -> None:
    before = backing(tree.top)
    plan = diskchain.plan_pull(tree.top).plan
    assert plan is not None
    pids: list[int] = []
    with pytest.raises(Stopped):
        for _ in StorageDaemonEngine().copy(plan, began=pids.append, ended=_nothing, stop=lambda: True):
            pass
    assert backing(tree.top) == before
    assert subprocess.run(["kill", "-0", str(pids[0])], check=False, capture_output=True).returncode != 0


def _nothing(_: int) -> None:
    pass
