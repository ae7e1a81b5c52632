"""No verb lets anything raw out: a terminal is not at the mercy of a file name, a header or a document.

Every verb is run with all marks in every place where somebody else chooses the text, its output a pipe and a terminal.
"""

import json
import os
import pty
import re
import select
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final
from xml.sax.saxutils import quoteattr

import pytest
from tests.live.peers import requires
from tests.live.storage import QemuImg

from diskchain.cli.verbs import VERBS
from diskchain.errors import printable
from diskchain.system.terminal import shown, shown_document, shown_json

#: What would do something to a terminal, turn text around, or not be seen: C0, DEL, C1, direction, no width, a letter that shows nothing,
#: bytes that are no UTF-8 (C1 in Latin-1), and a line of our own making.
MARKS: Final = {
    "escape": "\x1b[31;5mA",
    "title": "\x1b]0;owned\x07B",
    "control": "a\x08\x08\rC",
    "delete": "x\x7fD",
    "c1": "\x9b31mE",
    "direction": "\u202egpj.exeF",
    "isolate": "\u2066\u2069G",
    "no width": "a\u200b\u200d\ufeffH",
    "filler": "\u3164\ufe0fI",
    "byte": os.fsdecode(b"\x9bJ"),
    "line": "x\nerror: INJECTED [missing]K",
}
#: Those that an XML document can hold as a character reference.
IN_XML: Final = {
    name: mark for name, mark in MARKS.items() if name in ("delete", "c1", "direction", "isolate", "no width", "line")
}
ALL: Final = "".join(MARKS.values())
ALL_IN_XML: Final = "".join(IN_XML.values())
_OWN_SEQUENCES: Final = re.compile(rb"\x1b\[(?:0|1|2|31;1|31|33|36)m|\x1b\[K|\r")

DOCUMENT: Final = """\
<domain type='kvm'><name>{mark}</name><memory>1024</memory><os><type>hvm</type></os><devices>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file={path}><seclabel model='dac' relabel='yes'>\
<label>{mark}</label></seclabel></source><target dev='vda' bus='virtio'/><serial>{mark}</serial></disk>
<disk type='network' device='disk'><driver name='qemu' type='raw'/><source protocol='http' name={attribute}><host name={attribute} \
port='80'/><cookies><cookie name='a'>{mark}</cookie></cookies></source><target dev='vdb' bus='virtio'/></disk>
<disk type='volume' device='disk'><driver name='qemu' type='raw'/><source pool={attribute} volume={attribute}/><target dev='vdc'/></disk>
<disk type='file' device='disk'><driver name='qemu' type={attribute}/><source file='/a'/><target dev={attribute}/><alias name={attribute}/>\
</disk>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='/b'><encryption format='luks'><secret type='passphrase' \
usage={attribute}/></encryption></source><target dev='vde' bus={attribute}/></disk>
</devices></domain>
"""


def words(verb: str, target: str, directory: str) -> list[list[str]]:
    """What to run of a verb on a target."""
    state = ["--state", directory]
    return {
        "show": [["show", target], ["show", target, "-d", target], ["show", target, "--policy", "strict"]],
        "info": [["info", target], ["info", "--untrusted", target]],
        "check": [["check", target], ["check", target, "--search", directory], ["check", "--policy", "upload", target]],
        "diff": [["diff", target]],
        "complete": [["complete", target, "-o", f"{directory}/out"], ["complete", target, "-d", target]],
        "open": [["open", target, "--nbd", target, "--", "true"], ["open", target, "-d", target, "--", "true"]],
        "secrets": [["secrets", target], ["secrets", target, "--secret", f"{target}=file:{target}"]],
        "edit": [
            ["edit", target, "--layer", target, "--path", target],
            ["edit", target, "--layer", "vda", "--path", "x"],
        ],
        "set-secret": [["set-secret", target, "--layer", target, "--usage", target]],
        "blockdev": [
            ["blockdev", target],
            ["blockdev", target, "--declared"],
            ["blockdev", target, "--declared", "-d", "vda"],
            ["blockdev", target, "--declared", "-d", "vdb"],
            ["blockdev", target, "--as", "qsd", "--secrets", "file"],
            ["blockdev", target, "--profile", target],
        ],
        "map": [["map", target], ["map", target, "--format", "jsonl"], ["map", target, "--blame", target]],
        "access": [["access", target, "--as", "nobody"], ["access", target, "--as", target]],
        "grant": [["grant", target, "--as", "nobody", *state], ["grant", target, "--as", target, *state]],
        "revert": [["revert", "--list", *state], ["revert", target, *state], ["revert", "--state", target]],
        "snapshot": [["snapshot", target, "--plan"], ["snapshot", target, f"{directory}/new", *state]],
        "commit": [["commit", target, "--plan"], ["commit", target, "--top", target, "--plan"]],
        "pull": [["pull", target, "--plan"], ["pull", target, "--base", target, "--plan"]],
        "copy": [["copy", target, f"{directory}/new", "--plan"], ["copy", target, target, "--plan"]],
        "rebase": [["rebase", target, "--onto", target, "--plan"]],
        "relocate": [["relocate", target, "--map", "/a=/b", "--plan"], ["relocate", target, "--map", target]],
        "jobs": [["jobs", *state], ["jobs", "--all", "--state", target]],
        "resume": [["resume", *state], ["resume", target]],
        "rollback": [["rollback", "1", *state], ["rollback", target]],
        "cancel": [["cancel", "1", *state], ["cancel", target]],
        "scan": [["scan", directory], ["scan", target], ["scan", directory, "--load", *state]],
        "catalogue": [["catalogue", "load", target, *state], ["catalogue", "status", *state]],
        "dependents": [["dependents", target, "--search", directory, *state]],
        "unreferenced": [["unreferenced", "--min-age", "0d", "--search", directory, *state]],
        "what-if": [["what-if", "delete", target, "--search", directory, *state], ["what-if", target, target, *state]],
        "explain": [["explain", target]],
        "completion": [["completion", target]],
    }[verb]


def with_options(verb: str, target: str) -> list[list[str]]:
    """Usage errors, which argparse words."""
    return [[verb, target, f"--{target}"], [verb, f"--format={target}", target], [verb], [target]]


def on_a_pipe(*command: str) -> bytes:
    done = subprocess.run(
        [sys.executable, "-m", "diskchain", *command],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=60,
        check=False,
    )
    return done.stdout + b"\n" + done.stderr


def on_a_terminal(*command: str) -> bytes:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    with subprocess.Popen(
        [sys.executable, "-m", "diskchain", *command], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    ) as process:
        os.close(theirs)
        said = b""
        while select.select([ours], [], [], 60)[0]:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # EIO: nobody has the terminal any more
                break
            if not piece:
                break
            said += piece
        process.wait(60)
    os.close(ours)
    return _OWN_SEQUENCES.sub(b"", said)  # the terminal made CR LF of each line break


def assert_clean(said: bytes, command: list[str]) -> None:
    text = said.decode("utf-8", "surrogateescape")
    for line in text.split("\n"):
        raw = [f"{ord(c):#x}" for c in line if printable(c) != c and c != "\t"]
        assert not raw, (command, raw, line)
        assert not line.lstrip().startswith("error: INJECTED"), (command, text)
    assert "Traceback" not in text, (command, text)


def image(qemu_img: QemuImg, directory: Path, mark: str) -> str:
    """An image called by the mark, over one called by the mark, with a snapshot and a bitmap of that name."""
    base, top = directory / f"base-{mark}", directory / f"top-{mark}"
    for file, more in ((base, ()), (top, ("-b", f"./{base.name}-missing", "-F", "qcow2", "-u"))):
        plain = directory / "plain"
        qemu_img("create", "-q", "-f", "qcow2", *more, plain, "1M")
        if not more:
            qemu_img("snapshot", "-c", mark, plain)
            qemu_img("bitmap", "--add", plain, mark)
        plain.rename(file)
    return str(top)


@pytest.mark.parametrize("verb", VERBS)
def test_file_names_and_headers(qemu_img: QemuImg, tmp_path: Path, verb: str) -> None:
    target = image(qemu_img, tmp_path, ALL)
    for command in words(verb, target, str(tmp_path)):
        assert_clean(on_a_pipe(*command), command)
    assert_clean(on_a_terminal(*(command := words(verb, target, str(tmp_path))[0])), command)


@pytest.mark.parametrize("verb", VERBS)
def test_documents(tmp_path: Path, verb: str) -> None:
    mark = ALL_IN_XML
    written = "".join(f"&#x{ord(c):x};" if printable(c) != c else c for c in mark)
    attribute = quoteattr(mark).translate({ord(c): f"&#x{ord(c):x};" for c in mark if printable(c) != c})
    path = tmp_path / f"vm-{mark}.xml"
    path.write_text(DOCUMENT.format(mark=written, attribute=attribute, path=quoteattr(f"{tmp_path}/{'gone'}")))
    for command in words(verb, str(path), str(tmp_path)):
        assert_clean(on_a_pipe(*command), command)


@pytest.mark.parametrize("verb", VERBS)
def test_a_document_with_raw_marks_on_a_terminal(tmp_path: Path, verb: str) -> None:
    # What complete prints is the document, whose line breaks are its own.
    mark = ALL_IN_XML.replace("\n", "") if verb == "complete" else ALL_IN_XML
    path = tmp_path / "vm.xml"
    path.write_text(DOCUMENT.format(mark=mark, attribute=quoteattr(mark), path=quoteattr(f"{tmp_path}/{mark}")))
    for command in [*words(verb, str(path), str(tmp_path)), [verb, str(path)]]:
        assert_clean(on_a_terminal(*command), command)


@pytest.mark.parametrize("verb", VERBS)
def test_arguments(verb: str) -> None:
    for command in with_options(verb, ALL):
        assert_clean(on_a_pipe(*command), command)


def test_what_goes_through_a_pipe_or_into_a_file_is_exact(tmp_path: Path) -> None:
    mark = MARKS["c1"] + MARKS["direction"]
    document = (
        f"<disk type='file' device='disk'><source file='/{mark}'/><target dev='vda'/><backingStore/></disk>".encode()
    )
    (tmp_path / "vm.xml").write_bytes(document)
    said = subprocess.run(
        [sys.executable, "-m", "diskchain", "complete", tmp_path / "vm.xml"], capture_output=True, check=False
    )
    assert document in said.stdout


def test_json_is_ascii_and_exact(qemu_img: QemuImg, tmp_path: Path) -> None:
    target = image(qemu_img, tmp_path, ALL)
    asked: dict[str, Callable[[dict[str, object]], object]] = {
        "show": lambda found: found["target"],
        "info": lambda found: found["filename"],
    }
    for verb, name in asked.items():
        said = on_a_pipe(verb, "--json", target)
        assert said.isascii()
        assert name(json.JSONDecoder().raw_decode(said.decode())[0]) == target


@requires("qemu-storage-daemon")
@pytest.mark.qemu
def test_a_node_with_marks_in_its_file_name_is_what_qemu_opens(qemu_img: QemuImg, tmp_path: Path) -> None:
    path = tmp_path / "".join(MARKS[name] for name in ("escape", "delete", "c1", "direction", "no width", "line"))
    plain = tmp_path / "plain"
    qemu_img("create", "-q", "-f", "qcow2", plain, "1M")
    plain.rename(path)
    said = on_a_pipe("blockdev", "--as", "qsd", "-f", "qcow2", str(path)).split(b"\n\n")[0].decode()
    pid = tmp_path / "pid"
    command = f"exec qemu-storage-daemon {said} --pidfile {pid} --chardev null,id=c --monitor c --daemonize"
    assert subprocess.run(["bash", "-c", command], capture_output=True, check=False).stderr == b""
    os.kill(int(pid.read_text()), 9)


def test_on_a_terminal_our_own_sequences_pass_and_no_other() -> None:
    ours = "\x1b[31;1merror:\x1b[0m \x1b[2m[missing]\x1b[0m\r\x1b[K"
    assert shown(ours, to_terminal=True) == ours
    assert shown("\x1b[8m\x1b]0;x\x07", to_terminal=True) == r"\x1b[8m\x1b]0;x\x07"
    assert shown(ours) == ours.replace("\x1b", r"\x1b").replace("\r", r"\r")


def test_a_document_for_a_terminal_means_the_same() -> None:
    assert shown_document("<a b='\x9b\u202e'>é\tx\n</a>".encode()) == "<a b='&#x9b;&#x202e;'>é\tx\n</a>".encode()
    assert shown_document(b"<a>\xff</a>") == rb"<a>\xff</a>"


def test_json_for_a_terminal_means_the_same() -> None:
    text = json.dumps([*list(MARKS.values())[:-2], "é漢"], ensure_ascii=False)
    assert json.loads(shown_json(text)) == json.loads(text)
    assert printable(shown_json(text)) == shown_json(text)
    assert "é漢" in shown_json(text)
