"""Hosts that lack something every program takes for granted: a line and an exit code, whatever the verb. And our own mistakes.

A user id without an entry and without HOME, as in containers; a working directory that was deleted; no ``/proc``.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.live.peers import requires
from tests.live.storage import QemuImg

from diskchain.cli.verbs import VERBS
from diskchain.schema import ErrorDocument, read_as

DOCUMENT = (
    "<domain type='kvm'><name>a</name><memory>1024</memory><os><type>hvm</type></os><devices><disk type='file' device='disk'>"
    "<driver name='qemu' type='qcow2'/><source file='{}'/><target dev='vda' bus='virtio'/></disk></devices></domain>"
)
CLEAN, COULD_NOT_TELL = 0, 3


@pytest.fixture
def place(qemu_img: QemuImg, tmp_path: Path) -> Path:
    for directory in (tmp_path, *tmp_path.parents[:2]):
        directory.chmod(0o755)
    qemu_img("create", "-q", "-f", "qcow2", tmp_path / "base.qcow2", "1M")
    qemu_img("create", "-q", "-f", "qcow2", "-b", "base.qcow2", "-F", "qcow2", tmp_path / "top.qcow2")
    (tmp_path / "vm.xml").write_text(DOCUMENT.format(tmp_path / "top.qcow2"))
    return tmp_path


def commands(place: Path, verb: str) -> list[list[str]]:
    """Words of a verb that a common host answers with exit code 0 or 1."""
    image, document, state = str(place / "top.qcow2"), str(place / "vm.xml"), ["--state", str(place / "state")]
    return {
        "show": [[image], [document], [image, "--policy", "strict"]],
        "info": [[image]],
        "check": [[image, document], [image, "--search", str(place)]],
        "diff": [[document]],
        "complete": [[document], [document, "-o", str(place / "out.xml")]],
        "open": [[image, "--", "true"]],
        "secrets": [[document, "--try"]],
        "edit": [[document, "--layer", "vda", "--path", "/x"], [document, "--layer", "vda", "--format", "raw"]],
        "set-secret": [[document, "--layer", "vda", "--usage", "x"]],
        "map": [[document], [image, "--format", "csv"], [image, "--blame", "0"]],
        "blockdev": [[document], [image, "--as", "qsd"]],
        "access": [[image, "--as", "nobody"]],
        "grant": [[image, "--as", "nobody", *state], [image, "--as", "nobody", *state, "--apply"]],
        "revert": [state, ["--list", *state]],
        "snapshot": [[image, "--plan"], [document, "--plan"]],
        "commit": [[str(place / "base.qcow2"), "--plan"]],
        "pull": [[str(place / "base.qcow2"), "--plan"]],
        "copy": [[image, str(place / "new.qcow2"), "--plan"]],
        "rebase": [[image, "--onto", str(place / "base.qcow2"), "--plan"]],
        "relocate": [[image, "--map", "/a=/b", "--plan"], [document, "--map", "/a=/b", "--plan"]],
        "jobs": [state],
        "resume": [state],
        "rollback": [],
        "cancel": [],
        "scan": [[str(place), *state]],
        "catalogue": [["load", "-", *state]],
        "dependents": [[image, "--search", str(place), *state]],
        "unreferenced": [["--min-age", "0d", "--search", str(place), *state]],
        "what-if": [["delete", image, "--search", str(place), *state]],
        "explain": [["missing"], []],
        "completion": [["bash"]],
    }[verb]


def run(
    words: list[str], *before: str, script: str = "-m diskchain", environ: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    command = [*before, sys.executable, *script.split(" ", 1), *words]
    done = subprocess.run(
        command, env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in done.stderr, (words, done.stderr)
    assert "bug of diskchain" not in done.stderr, (words, done.stderr)
    return done


@pytest.mark.parametrize("verb", VERBS)
def test_absolute_names_do_without_a_working_directory(place: Path, verb: str) -> None:
    (place / "gone").mkdir()
    gone = ("sh", "-c", 'cd "$0" && rmdir "$0" && exec "$@"', str(place / "gone"))
    for words in commands(place, verb):
        (place / "gone").mkdir(exist_ok=True)
        # Nobody scanned domains here, and there is no catalogue yet: these verbs say so.
        may_not_tell = verb in ("catalogue", "dependents", "unreferenced", "what-if")
        assert run([verb, *words], *gone).returncode in ((0, 1, 3) if may_not_tell else (0, 1)), words


@pytest.mark.parametrize("verb", ["show", "check", "info", "blockdev", "secrets", "access --as nobody", "complete"])
def test_a_relative_name_in_a_deleted_directory_is_could_not_tell(place: Path, verb: str) -> None:
    (place / "gone").mkdir()
    gone = ("sh", "-c", 'cd "$0" && rmdir "$0" && exec "$@"', str(place / "gone"))
    done = run([*verb.split(), "image.qcow2"], *gone)
    assert done.returncode == COULD_NOT_TELL
    assert done.stdout + done.stderr


@requires("root", "setpriv")
@pytest.mark.parametrize("verb", VERBS)
def test_a_user_without_entry_and_home_gets_an_answer(place: Path, verb: str) -> None:
    place.chmod(0o777)
    nobody = ("setpriv", "--reuid", "12345", "--regid", "12345", "--clear-groups")
    if subprocess.run(
        [*nobody, sys.executable, "-c", "import diskchain"], env={}, capture_output=True, check=False
    ).returncode:
        pytest.skip("another user may not read where diskchain is installed")
    for words in commands(place, verb):
        done = run([verb, *words], *nobody, environ={"PATH": os.environ["PATH"]})
        assert done.returncode in (0, 1, 3), (words, done.stderr)
        assert len(done.stderr.splitlines()) <= 1 or verb in ("grant", "blockdev"), done.stderr


@requires("root", "unshare")
@pytest.mark.parametrize("verb", VERBS)
def test_without_proc_there_is_an_answer(place: Path, verb: str) -> None:
    bare = ("unshare", "-m", "sh", "-c", 'mount -t tmpfs none /proc && exec "$@"', "sh")
    for words in commands(place, verb):
        done = run([verb, *words], *bare)
        assert done.returncode in (0, 1, 3), (words, done.stderr)
        assert done.returncode != COULD_NOT_TELL or done.stdout or done.stderr, words


MISTAKEN = """-c
import sys
import diskchain.cli.main as main
def run(words):
    raise ValueError("what was not expected, \\x1b[31mred")
main.main = run
from diskchain.__main__ import entry
entry()"""


def mistaken(environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *MISTAKEN.split("\n", 1)]
    return subprocess.run(command, env=os.environ | environ, capture_output=True, text=True, check=False)


def test_a_mistake_of_ours_is_one_line_that_says_so() -> None:
    done = mistaken({})
    assert done.returncode == COULD_NOT_TELL
    (line,) = done.stderr.splitlines()
    assert line.startswith("diskchain: this is a bug of diskchain (__main__.py:")
    assert r"what was not expected, \x1b[31mred; DISKCHAIN_TRACEBACK=1 shows more" in line
    assert "ValueError" not in line


def test_with_json_a_mistake_of_ours_is_a_document_too() -> None:
    broken = MISTAKEN.replace("main.main = run", "main.parse = run; sys.argv[1:] = ['show', '--json', 'x']")
    command = [sys.executable, *broken.split("\n", 1)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = read_as(ErrorDocument, done.stdout)
    assert (found.error, found.fault, found.exit_code) == ("bug", "diskchain", done.returncode)
    assert done.stderr == f"diskchain: {found.message}\n"


def test_its_traceback_is_shown_on_request() -> None:
    done = mistaken({"DISKCHAIN_TRACEBACK": "1"})
    assert done.returncode != CLEAN
    assert "ValueError: what was not expected" in done.stderr
