"""The same bad input has the same exit code in every verb, with ``--json`` and without it."""

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from tests.cli.commands import diskchain
from tests.live.peers import requires

from diskchain.actions.read_document import LARGEST_DOCUMENT
from diskchain.cli.main import main
from diskchain.cli.verbs import VERBS
from diskchain.report.exit_codes import CLEAN, COULD_NOT_TELL, FINDINGS, INTERRUPTED, OUTCOMES, USAGE

#: Each verb that takes a target, with the least it wants besides.
TAKE_A_TARGET: Final = {
    "show": ["show", "{}"],
    "info": ["info", "{}"],
    "check": ["check", "{}"],
    "diff": ["diff", "{}"],
    "complete": ["complete", "{}"],
    "open": ["open", "{}", "--", "true"],
    "secrets": ["secrets", "{}"],
    "edit": ["edit", "{}", "--layer", "vda", "--path", "/x"],
    "set-secret": ["set-secret", "{}", "--layer", "vda", "--usage", "base-image"],
    "map": ["map", "{}"],
    "blockdev": ["blockdev", "{}"],
    "access": ["access", "{}", "--as", "+60123:+60123"],
    "grant": ["grant", "{}", "--as", "+60123:+60123", "--state", "/nowhere"],
}
#: Verbs that ask a catalogue, or make one: tests/catalogue/test_verbs.py.
FLEET: Final = {"scan", "catalogue", "dependents", "unreferenced", "what-if"}
#: Verbs that work on jobs, or make one: for what they want of a target see ``tests/jobs/test_usage.py``.
JOBS: Final = {"snapshot", "commit", "pull", "copy", "rebase", "relocate", "jobs", "resume", "rollback", "cancel"}
#: How each of them that can is told to print JSON.
JSON: Final = {
    "show": ["--json"],
    "info": ["--json"],
    "check": ["--json"],
    "diff": ["--json"],
    "secrets": ["--json"],
    "map": ["--json"],
    "blockdev": ["--as", "json"],
    "complete": ["--json"],
    "access": ["--json"],
    "grant": ["--json"],
}
PAGE: Final = Path(__file__).parents[2] / "docs" / "exit-codes.md"


def words(verb: str, target: str | Path, *more: str) -> list[str]:
    """The command line, with ``more`` options right after the verb."""
    verb, *rest = TAKE_A_TARGET[verb]
    return [verb, *more, *(str(target) if word == "{}" else word for word in rest)]


def code(*words: str, stdin: bytes = b"") -> int:
    """What the process would end with, without starting one; ``open``, which gives the process handlers of signals, has one."""
    if words[:1] == ("open",):
        return diskchain(*words, stdin=stdin.decode()).code
    given = io.TextIOWrapper(io.BytesIO(stdin))
    with (
        contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())),
        contextlib.redirect_stderr(io.StringIO()),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(sys, "stdin", given)
        return main(list(words))


def codes(target: str | Path, *more: str, stdin: bytes = b"") -> dict[str, int]:
    """The exit code of every verb for one target."""
    return {verb: code(*words(verb, target, *more), stdin=stdin) for verb in TAKE_A_TARGET}


def alike(code: int) -> dict[str, int]:
    return dict.fromkeys(TAKE_A_TARGET, code)


def test_every_verb_that_takes_a_target_is_asked() -> None:
    assert set(VERBS) - set(TAKE_A_TARGET) == {"explain", "revert", "completion", *FLEET, *JOBS}


@pytest.mark.parametrize("name", ["absent.qcow2", "absent.xml", "absent/absent.qcow2", "absent\udcff"])
def test_what_is_not_there_is_could_not_tell(name: str, tmp_path: Path) -> None:
    assert codes(tmp_path / name) == alike(COULD_NOT_TELL)


def test_a_link_that_leads_nowhere_is_could_not_tell(tmp_path: Path) -> None:
    (tmp_path / "link.qcow2").symlink_to("gone")
    assert codes(tmp_path / "link.qcow2") == alike(COULD_NOT_TELL)


def test_a_file_as_a_directory_is_could_not_tell(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert codes(tmp_path / "file" / "image") == alike(COULD_NOT_TELL)


def test_a_link_that_leads_to_itself_is_could_not_tell(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert codes(tmp_path / "loop") == alike(COULD_NOT_TELL)


@pytest.mark.parametrize("name", ["fifo", "fifo.xml"])
def test_what_is_no_storage_is_could_not_tell_and_nobody_waits_for_it(name: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / name)
    assert codes(tmp_path / name) == alike(COULD_NOT_TELL)


@requires("root", "setpriv")
@pytest.mark.parametrize("name", ["secret.qcow2", "secret.xml"])
def test_what_may_not_be_read_is_could_not_tell(name: str, image_dir: Path) -> None:
    (image_dir / name).write_bytes(b"<domain/>")
    (image_dir / name).chmod(0o600)
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-m", "diskchain"]
    found = {
        verb: subprocess.run(
            [*as_nobody, *words(verb, image_dir / name)],
            capture_output=True,
            check=False,
            cwd=image_dir,
            env={"PATH": os.environ["PATH"], "HOME": str(image_dir)},
        ).returncode
        for verb in TAKE_A_TARGET
    }
    assert found == alike(COULD_NOT_TELL)


@pytest.mark.parametrize("name", ["directory", "directory.xml"])
def test_a_directory_with_nothing_to_look_at_is_a_usage_error(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    assert codes(tmp_path / name) == alike(USAGE)


@pytest.mark.parametrize(
    "text",
    [
        "<domain><devices><disk></devices></domain>",
        "<domain>",
        "<domain><devices><disk type='file'/></devices></domain>&",
        "<domain a='1' a='2'/>",
        "<domain>\udcff</domain>",
    ],
)
def test_a_malformed_document_is_a_usage_error(text: str, tmp_path: Path) -> None:
    document = tmp_path / "bad.xml"
    document.write_bytes(os.fsencode(text))
    assert codes(document) == alike(USAGE)


def test_a_document_without_the_name_of_one_is_a_document(tmp_path: Path) -> None:
    (tmp_path / "domain").write_text("<domain>")
    assert codes(tmp_path / "domain") == alike(USAGE)


def test_a_document_that_is_nested_without_end_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "deep.xml").write_text("<domain>" + "<a>" * 100_000)
    assert codes(tmp_path / "deep.xml") == alike(USAGE)


def test_a_document_larger_than_any_domain_is_a_usage_error(tmp_path: Path) -> None:
    with (tmp_path / "large.xml").open("wb") as file:
        file.write(b"<domain>")
        file.truncate(LARGEST_DOCUMENT + 1)
    assert codes(tmp_path / "large.xml") == alike(USAGE)


@pytest.mark.parametrize("text", [b"", b"<domain>", b"<network/>", b"no XML", b"QFI", b"\0"], ids=repr)
def test_a_stream_that_is_no_domain_is_a_usage_error(text: bytes) -> None:
    """``info`` reads an image from a stream: tests/cli/test_named_targets.py."""
    found = {verb: code(*words(verb, "-"), stdin=text) for verb in TAKE_A_TARGET if verb != "info"}
    assert found == dict.fromkeys(found, USAGE)


def test_a_disk_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    document = tmp_path / "vm.xml"
    document.write_text(
        "<domain type='kvm'><name>a</name><memory>1</memory><os><type>hvm</type></os><devices><disk type='file'>"
        f"<driver name='qemu' type='raw'/><source file='{tmp_path}/image'/><target dev='vda' bus='virtio'/></disk></devices></domain>"
    )
    (tmp_path / "image").write_bytes(bytes(512))
    found = {
        verb: code(*words(verb, document, "-d", "vdz")) for verb in set(TAKE_A_TARGET) - {"info", "set-secret", "edit"}
    }
    assert found == dict.fromkeys(found, USAGE)
    assert code(*[word.replace("vda", "vdz") for word in words("set-secret", document)]) == USAGE


@pytest.mark.parametrize(
    "text", ["<network><name>n</name></network>", "<?xml version='1.0'?>\n<html/>", "<!-- nothing -->", "", "no XML"]
)
def test_a_document_that_is_no_domain_is_a_usage_error(text: str, tmp_path: Path) -> None:
    document = tmp_path / "other.xml"
    document.write_text(text)
    assert codes(document) == alike(USAGE)


def test_an_empty_name_is_a_usage_error() -> None:
    assert codes("") == alike(USAGE)


def test_an_unknown_option_is_a_usage_error(tmp_path: Path) -> None:
    assert {verb: code(verb, "--no-such-option", str(tmp_path)) for verb in VERBS} == dict.fromkeys(VERBS, USAGE)


def test_no_word_is_a_usage_error() -> None:
    assert code() == USAGE


@pytest.mark.parametrize("verb", JSON)
def test_the_code_is_the_same_with_json(verb: str, tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "bad.xml").write_text("<domain>")
    for name in ("absent.qcow2", "directory", "bad.xml"):
        assert code(*words(verb, tmp_path / name, *JSON[verb])) == code(*words(verb, tmp_path / name))


def test_the_page_lists_the_table() -> None:
    rows = [
        line.split("|")[1:3] for line in PAGE.read_text().splitlines() if line.startswith("| ") and line[2].isdigit()
    ]
    assert [(int(code), meaning.strip().partition(":")[0].split()[0]) for code, meaning in rows] == [
        (code, OUTCOMES[code].partition("-not")[0]) for code in (CLEAN, FINDINGS, USAGE, COULD_NOT_TELL, INTERRUPTED)
    ]
