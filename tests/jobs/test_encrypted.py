"""Jobs on chains in which every layer has a key of its own: the keys are wanted, and shown nowhere."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.cli.commands import Outcome, diskchain
from tests.jobs.trees import Tree, left_behind
from tests.live.storage import QemuImg

pytestmark = pytest.mark.qemu
OPTIONS = "encrypt.format=luks,encrypt.key-secret=k,encrypt.iter-time=10,encrypt.hash-alg=sha512"


@pytest.fixture
def tree(template: Path, tmp_path: Path) -> Tree:
    shutil.copytree(template, tmp_path, dirs_exist_ok=True)
    return Tree(tmp_path / "images", ("top", "mid", "base"))


@pytest.fixture(scope="module")
def template(qemu_img: QemuImg, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Base <- mid <- top, each encrypted with a key of its own. Making a key takes QEMU seconds."""
    tmp_path = tmp_path_factory.mktemp("encrypted")
    place = tmp_path / "images"
    place.mkdir()
    tree, below = Tree(place, ("top", "mid", "base")), None
    for number, name in enumerate(("base", "mid", "top"), 1):
        (tmp_path / f"{name}.key").write_text(f"the secret of {name}")
        image = tree.path(name)
        key = ("--object", f"secret,id=k,file={tmp_path / f'{name}.key'}")
        backing = () if below is None else ("-u", "-b", below, "-F", "qcow2")
        qemu_img("create", "-q", "-f", "qcow2", *key, "-o", OPTIONS, *backing, image, "4M")
        opened = json.dumps(
            {
                "driver": "qcow2",
                "file": {"driver": "file", "filename": image},
                "backing": None,
                "encrypt": {"format": "luks", "key-secret": "k"},
            }
        )
        command = f"write -P {number} {number - 1}M 1M"
        subprocess.run(["qemu-io", *key, "-c", command, f"json:{opened}"], check=True, capture_output=True)
        below = f"{name}.qcow2"
    return tmp_path


def secrets(tree: Tree) -> list[str]:
    return [
        word for name in tree.names for word in ("--secret", f"{tree.path(name)}=file:{tree.place.parent}/{name}.key")
    ]


def content(tree: Tree, *names: str) -> str:
    """What a guest reads of a chain of these layers."""
    node: dict[str, object] | None = None
    words: list[str] = []
    for name in reversed(names):
        words += ["--object", f"secret,id={name},file={tree.place.parent}/{name}.key"]
        file = {"driver": "file", "filename": tree.path(name)}
        node = {"driver": "qcow2", "file": file, "backing": node, "encrypt": {"format": "luks", "key-secret": name}}
    raw = tree.place.parent / "content.raw"
    subprocess.run(["qemu-img", "convert", *words, "-O", "raw", f"json:{json.dumps(node)}", raw], check=True)
    return hashlib.sha256(raw.read_bytes()).hexdigest()


def pointer(tree: Tree, name: str) -> str:
    shown = diskchain("info", "--json", tree.path(name))
    return str(json.loads(shown.out).get("backing-filename"))


def run(tree: Tree, *words: str) -> Outcome:
    return diskchain(*words, "--state", tree.state, seconds=120)


def test_a_merge_of_encrypted_layers_reads_the_same_and_is_taken_back(tree: Tree) -> None:
    before = content(tree, "top", "mid", "base")
    done = run(tree, "commit", tree.top, "--top", tree.path("mid"), *secrets(tree))
    assert done.code == 0, done.err
    assert content(tree, "top", "base") == before
    assert pointer(tree, "top") == "base.qcow2"
    assert run(tree, "rollback", "1", *secrets(tree)).code == 0
    assert pointer(tree, "top") == "mid.qcow2"
    assert content(tree, "top", "mid", "base") == before
    assert left_behind(tree.place) == []


def test_a_pull_of_encrypted_layers_reads_the_same(tree: Tree) -> None:
    before = content(tree, "top", "mid", "base")
    done = run(tree, "pull", tree.top, *secrets(tree))
    assert done.code == 0, done.err
    assert content(tree, "top") == before


def test_no_key_is_anywhere(tree: Tree) -> None:
    done = run(tree, "commit", tree.top, "--top", tree.path("mid"), "--json", *secrets(tree))
    assert done.code == 0
    journal = Path(tree.state, "jobs.db").read_bytes()
    for name in tree.names:
        assert f"the secret of {name}" not in done.out + done.err
        assert f"the secret of {name}".encode() not in journal


def test_without_a_key_nothing_is_begun(tree: Tree) -> None:
    refused = run(tree, "commit", tree.top, "--top", tree.path("mid"), *secrets(tree)[:4])
    assert refused.code == 2
    assert "top.qcow2[2]: encrypted, and no secret is named for it; use --secret" in refused.err
    assert not Path(tree.state).exists()


def test_a_wrong_key_stops_the_job_and_the_right_one_lets_it_go_on(tree: Tree) -> None:
    before = content(tree, "top", "mid", "base")
    wrong = [word.replace("/base.key", "/top.key") for word in secrets(tree)]
    stopped = run(tree, "commit", tree.top, "--top", tree.path("mid"), *wrong)
    assert stopped.code == 1
    assert "base.qcow2" in stopped.err
    done = run(tree, "resume", *secrets(tree))
    assert done.code == 0, done.err
    assert content(tree, "top", "base") == before


@pytest.mark.parametrize("words", [("snapshot",), ("copy", "{}/new.qcow2")])
def test_what_is_encrypted_is_not_written_in_plain(tree: Tree, words: tuple[str, ...]) -> None:
    verb, *rest = (word.format(tree.place) for word in words)
    refused = run(tree, verb, tree.top, *rest)
    assert refused.code == 2
    assert "[job-secret]" in refused.err
    assert "in plain" in refused.err
