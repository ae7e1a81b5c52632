"""Whatever the host has against it, discovery says so of a layer and raises nothing: other targets of a run are still told."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.discover.chains import ids
from tests.discover.written import write_qcow2
from tests.live.peers import requires

from diskchain.discover import Discoverer
from diskchain.readers.open import Image
from diskchain.readers.policy import LIBVIRT, STRICT, UPLOAD, OpenPolicy
from diskchain.storage.location import FileLocation, NetworkLocation
from diskchain.storage.source import Source
from diskchain.storage.terms import Format, Protocol

POLICIES = [
    LIBVIRT,
    STRICT,
    UPLOAD,
    OpenPolicy(name="mine", directories=("images",)),
    OpenPolicy(name="there", directories=("/",)),
]
by_policy = pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.name)


def source(path: Path | str, format: Format | None = Format.QCOW2) -> Source:
    return Source(FileLocation(str(path)), format)


@by_policy
def test_without_a_working_directory(tmp_path: Path, policy: OpenPolicy, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    top = write_qcow2(tmp_path / "top", "json:" + json.dumps({"driver": "qcow2", "file.filename": "base"}), "qcow2")
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert not Discoverer(policy).discover(source(top)).complete
    assert ids(Discoverer(policy).discover(source("top"))) == ["missing"]


@by_policy
@pytest.mark.parametrize("name", ["a\ud800b", "a\0b", "a" * 300, "a/" * 3000, "loop", "loop/a", "", "."])
def test_names_that_no_file_can_have(tmp_path: Path, policy: OpenPolicy, name: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    document = "json:" + json.dumps({"driver": "file", "filename": f"{tmp_path}/{name}"})
    top = tmp_path / "top"
    if len(document) < 1000:
        write_qcow2(top, document, "raw")
        chain = Discoverer(policy).discover(source(top))
        assert ids(chain) or name in ("", ".")
    named = Discoverer(policy).discover(source(f"{tmp_path}/{name}", None), probe=True)
    assert ids(named) or name in ("", ".")


@by_policy
@pytest.mark.parametrize("error", [ConnectionResetError(104, "reset"), OSError(), TimeoutError("late")], ids=repr)
def test_an_error_of_a_server_that_no_reader_expected(policy: OpenPolicy, error: OSError) -> None:
    def elsewhere(_: Source) -> Image:
        raise error

    top = Source(NetworkLocation(Protocol.HTTPS, "image"), Format.QCOW2)
    assert ids(Discoverer(policy, elsewhere).discover(top)) == ["unreachable"]


_WITHOUT = """
import resource, sys
from diskchain import Discoverer, FileLocation, Format, Source
from diskchain.readers.policy import LIBVIRT, STRICT, UPLOAD
top = Source(FileLocation(sys.argv[1]), Format.QCOW2)
for policy in (LIBVIRT, STRICT, UPLOAD):
    Discoverer(policy).discover(top._replace(location=FileLocation("/none")))  # loads what there is to load
exec(sys.argv[2])
for policy in (LIBVIRT, STRICT, UPLOAD):
    print(*[each.id for each in Discoverer(policy).discover(top).findings], sep=",")
"""


def without(top: Path, what: str, *before: str) -> list[str]:
    command = [*before, sys.executable, "-c", _WITHOUT, str(top), what]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()


def test_without_descriptors(tmp_path: Path) -> None:
    top = write_qcow2(tmp_path / "top")
    assert without(top, "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))") == ["unreadable"] * 3


@requires("root")
def test_without_proc(tmp_path: Path) -> None:
    (tmp_path / "base").write_bytes(bytes(512))
    top = write_qcow2(tmp_path / "top", "base", "raw")
    hidden = "import ctypes; ctypes.CDLL(None).umount2(b'/proc', 2); import os; assert not os.path.exists('/proc/self')"
    libvirt, strict, upload = without(top, hidden, "unshare", "--mount")
    assert libvirt == ""
    assert strict == "unreadable"  # it cannot be held while its place is asked for
    assert upload == "reference-refused"


def test_descriptors_do_not_run_out_over_many_faults(tmp_path: Path) -> None:
    top = write_qcow2(tmp_path / "top", str(tmp_path), "qcow2")
    before = len([*Path("/proc/self/fd").iterdir()])
    for policy in POLICIES:
        for _ in range(20):
            Discoverer(policy).discover(source(top))
    assert len([*Path("/proc/self/fd").iterdir()]) == before
