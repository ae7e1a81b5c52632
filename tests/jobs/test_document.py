"""A job's change of a document: all of it or nothing, also after a kill at any change it makes."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from diskchain.jobs import document
from diskchain.jobs.plan import DocumentChange
from tests.jobs.recorder.recording import Action, Recorder

_WRITE = """
import sys
from diskchain.jobs import document
from diskchain.jobs.plan import DocumentChange
sys.exit(document.write(DocumentChange(sys.argv[1], b"old", b"new")))
"""


@pytest.mark.parametrize("then", [document.write, document.take_back], ids=["resumed", "taken back"])
def test_what_a_kill_leaves_beside_a_document_is_removed(
    then: Callable[[DocumentChange], str | None], recorder: Recorder
) -> None:
    path = recorder.root / "vm.xml"
    left = set()
    for number in range(1, 20):
        path.write_bytes(b"old")
        recorder.reset(Action.KILL_ALL, number)
        done = subprocess.run(
            [sys.executable, "-c", _WRITE, path], env=recorder.environment, capture_output=True, check=False
        )
        left.add(len(list(recorder.root.iterdir())))
        assert path.read_bytes() in {b"old", b"new"}
        assert then(DocumentChange(str(path), b"old", b"new")) is None
        assert list(recorder.root.iterdir()) == [path]
        assert path.read_bytes() == (b"new" if then is document.write else b"old")
        if not done.returncode:
            break
    else:
        pytest.fail("it never came to its end")
    assert left == {1, 2}, "a kill left nothing that could be removed"
