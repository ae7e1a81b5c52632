"""A command that gets no answer from storage says so in time, and ends."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.commands import diskchain
from tests.discover.written import write_qcow2
from tests.live.hung import Served

from diskchain.errors import StorageTimeout
from diskchain.system.atomic_write import replace_file, state_of

_POLL_SECONDS = 0.01

Serve = Callable[[Path], Served]


@pytest.fixture
def base(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    path = tmp_path / "images" / "base"
    path.write_bytes(bytes(1 << 16))
    return path


def test_show_tells_the_chain_down_to_the_layer_that_does_not_answer(base: Path, serve: Serve) -> None:
    top = write_qcow2(base.with_name("top"), "base", "raw")
    serve(base).hang()
    shown = diskchain("show", "--timeout", "0.5", top, seconds=10)
    assert shown.code == 3
    assert "error: no answer within 0.5 s, named by top [timeout]" in shown.out
    assert shown.out.splitlines()[0].startswith(str(top))
    assert shown.err == ""


def test_check_could_not_tell(base: Path, serve: Serve) -> None:
    top = write_qcow2(base.with_name("top"), "base", "raw")
    serve(base).hang()
    assert diskchain("check", "--timeout", "0.5", top, seconds=10).code == 3


def test_a_search_passes_over_what_does_not_answer(base: Path, serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "attic").mkdir()
    (tmp_path / "attic" / "gone").write_bytes(bytes(1 << 16))
    top = write_qcow2(tmp_path / "top", "gone", "raw")
    serve(base).hang()
    shown = diskchain("check", "--timeout", "0.5", "--search", tmp_path, top, seconds=20)
    assert f"{tmp_path}/attic/gone could be the missing {tmp_path}/gone" in shown.out


@pytest.mark.parametrize("words", [("show", "--timeout", "0.5"), ("show", "--timeout", "0.5", "-f", "raw"), ("info",)])
def test_a_target_that_does_not_answer_is_an_error_of_the_host(
    base: Path, serve: Serve, words: tuple[str, ...]
) -> None:
    serve(base).hang()
    told = diskchain(*words, base, seconds=20)
    assert told.code == 3
    assert "no answer within" in told.err


def test_ctrl_c_does_not_wait_for_the_answer(base: Path, serve: Serve) -> None:
    top = write_qcow2(base.with_name("top"), "base", "raw")
    serve(base).hang()
    process = subprocess.Popen(
        [sys.executable, "-m", "diskchain", "show", "--timeout", "60", top], stderr=subprocess.PIPE
    )
    threads = Path(f"/proc/{process.pid}/task")
    while len(list(threads.iterdir())) < 2:  # it is past its imports, and asks
        assert process.poll() is None
        time.sleep(_POLL_SECONDS)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=10)
    assert process.returncode == 130
    assert err == b""


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "soon"])
def test_a_timeout_is_a_number_of_seconds(text: str) -> None:
    told = diskchain("show", f"--timeout={text}", "image")
    assert told.code == 2
    assert "is no number of seconds" in told.err


@pytest.mark.parametrize("words", [("blockdev",), ("secrets",), ("complete",)])
def test_verbs_without_the_option_do_not_wait_for_ever_either(base: Path, serve: Serve, words: tuple[str, ...]) -> None:
    top = write_qcow2(base.with_name("top"), "base", "raw")
    document = base.with_name("disk.xml")
    document.write_text(f"<disk><driver name='qemu' type='qcow2'/><source file='{top}'/><target dev='vda'/></disk>")
    serve(base).hang()
    assert diskchain(*words, document, seconds=20).code == 3


def test_a_layer_that_does_not_answer_can_be_asked_for_by_its_path(base: Path, serve: Serve) -> None:
    top = write_qcow2(base.with_name("top"), "base", "raw")
    serve(base).hang()
    shown = diskchain("show", "--timeout", "0.5", "-f", "qcow2", top, "-d", base, seconds=20)
    assert (shown.code, shown.out.splitlines()[0]) == (3, f"{top}[1]  1 layer: 1 error")


@pytest.mark.parametrize("words", [(), ("--in-place",)])
def test_a_document_that_does_not_answer_is_an_error_of_the_host(
    base: Path, serve: Serve, words: tuple[str, ...]
) -> None:
    serve(base).hang()
    told = diskchain("complete", base, *words, seconds=20)
    assert (told.code, told.err) == (3, f"diskchain: {base}: no answer within 5 s\n")


@pytest.mark.parametrize("below", ["", "/vm.xml"])
def test_an_output_that_does_not_answer_is_an_error_of_the_host(base: Path, serve: Serve, below: str) -> None:
    document = base.with_name("disk.xml")
    document.write_text("<disk><source file='/none'/><target dev='vda'/></disk>")
    serve(base).hang()
    told = diskchain("complete", "--strip", document, "-o", f"{base}{below}", "--timeout", "0.5", seconds=20)
    assert (told.code, told.err) == (3, f"diskchain: {base}{below}: no answer within 0.5 s\n")


def test_a_document_that_stops_answering_before_it_is_replaced_is_as_it_was(base: Path, serve: Serve) -> None:
    base.write_bytes(b"<disk><source file='/none'/><target dev='vda'/></disk>".ljust(1 << 16))
    before = base.read_bytes()
    served = serve(base)
    seen = state_of(str(base))
    served.hang()
    with pytest.raises(StorageTimeout):
        replace_file(str(base), b"<disk/>", seen, 0.5)
    served.answer()
    assert base.read_bytes() == before
    assert sorted(path.name for path in base.parent.iterdir()) == [base.name]
