"""What may be named as a target besides a file: a URL, ``json:``, a pipe, all domains of a connection; and what is said of what may be meant."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.commands import diskchain
from tests.discover.written import write_qcow2
from tests.live.daemons import libvirt
from tests.live.peers import give_up
from tests.readers.servers import qemu_nbd

DISK = (
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{}'/>"
    "<target dev='vda' bus='virtio'/></disk>"
)


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    write_qcow2(tmp_path / "base.qcow2")
    return write_qcow2(tmp_path / "top.qcow2", "base.qcow2")


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A qcow2 image over another server's, on an NBD server."""
    image = write_qcow2(tmp_path / "served.qcow2", "nbd://127.0.0.1:9/nothing", "raw")
    with qemu_nbd(image, tmp_path / "socket"):
        yield f"nbd+unix:///disk?socket={tmp_path}/socket"


@pytest.mark.parametrize("verb", ["show", "check", "info", "blockdev", "secrets"])
@pytest.mark.parametrize(
    "reference",
    [
        "file:{}",
        'json:{{"driver":"qcow2","file":{{"driver":"file","filename":"{}"}}}}',
        'json:{{"driver":"file","filename":"{}"}}',
    ],
)
def test_a_reference_is_the_image_it_names(verb: str, reference: str, chain: Path) -> None:
    shown = diskchain(verb, reference.format(chain))
    assert shown.code == 0, shown.err
    if verb == "show":
        assert "base.qcow2" in shown.out


def test_a_file_that_is_called_like_a_reference_is_a_file(tmp_path: Path) -> None:
    write_qcow2(tmp_path / "file:a.qcow2")
    assert diskchain("check", "file:a.qcow2", directory=tmp_path).code == 0


@pytest.mark.parametrize("target", ["json:{", 'json:{"driver":"unheard-of"}', "nbd://"])
@pytest.mark.parametrize("verb", ["show", "check", "info"])
def test_a_reference_that_makes_no_sense_is_a_usage_error(verb: str, target: str) -> None:
    assert diskchain(verb, target).code == 2


def test_no_password_of_a_reference_is_shown(tmp_path: Path) -> None:
    named = 'json:{"driver":"https","url":"https://127.0.0.1:9/x","username":"me","password":"hunter2"'
    for target in (named, named + "}", "https://me:hunter2@127.0.0.1:9/x"):
        for verb in ("show", "check", "info"):
            shown = diskchain(verb, target, directory=tmp_path)
            assert "hunter2" not in shown.out + shown.err


@pytest.mark.qemu
@pytest.mark.parametrize("verb", ["show", "check", "blockdev"])
def test_a_server_that_is_named_is_asked_and_none_that_its_image_names(verb: str, url: str) -> None:
    shown = diskchain(verb, url)
    assert shown.code == 3
    said = shown.out + shown.err
    assert (
        "nbd://127.0.0.1:9/nothing is not a local file: it was not looked at; show and check look at it with --remote"
        in said
    )
    assert "served" not in said
    if verb != "blockdev":
        assert "could not tell whether nbd://127.0.0.1:9/nothing is there" in diskchain(verb, url, "--remote").out


@pytest.mark.qemu
def test_the_header_of_an_image_on_a_server_is_read(url: str) -> None:
    shown = json.loads(diskchain("info", "--json", url).out)
    assert (shown["format"], shown["backing-filename"]) == ("qcow2", "nbd://127.0.0.1:9/nothing")


@pytest.mark.qemu
def test_an_image_on_a_server_is_opened_in_its_own_format(tmp_path: Path) -> None:
    with qemu_nbd(write_qcow2(tmp_path / "alone.qcow2"), tmp_path / "socket"):
        shown = diskchain("open", f"nbd+unix:///disk?socket={tmp_path}/socket", "--", "qemu-img", "info", "{}")
    assert (shown.code, "file format: raw" in shown.out) == (0, True)  # the guest's bytes, not the qcow2 file


def test_info_reads_a_pipe_and_a_file_that_is_standard_input(chain: Path) -> None:
    command = [sys.executable, "-m", "diskchain", "info", "-", "--json"]
    by_name = json.loads(diskchain("info", "--json", chain).out)
    with chain.open("rb") as file:
        from_file = subprocess.run(command, stdin=file, capture_output=True, check=True)
    from_pipe = subprocess.run(command, input=chain.read_bytes(), capture_output=True, check=True)
    for shown in (from_file, from_pipe):
        document = json.loads(shown.stdout)
        assert document["virtual-size"] == by_name["virtual-size"]
        assert document["backing-filename"] == "base.qcow2"
    nothing = subprocess.run(command, input=b"<domain/>", capture_output=True, check=False)
    assert nothing.returncode == 2


def test_a_name_without_a_file_may_be_a_domains(tmp_path: Path) -> None:
    for verb in ("show", "check", "diff", "blockdev"):
        shown = diskchain(verb, "web01", directory=tmp_path)
        assert shown.code == 3
        assert "if it is a domain: -c qemu:///system web01" in shown.err
    shown = diskchain("check", "web 01", "other", directory=tmp_path)
    assert "if it is a domain: -c qemu:///system 'web 01'" in shown.out
    for name in ("gone.qcow2", "gone.xml", "sub/web01"):
        assert "if it is a domain" not in diskchain("show", name, directory=tmp_path).err


def test_complete_of_an_image_is_a_disk_with_its_chain(chain: Path, tmp_path: Path) -> None:
    shown = diskchain("complete", chain)
    assert shown.code == 0
    for part in (
        f"<source file='{chain}'/>",
        f"<source file='{tmp_path}/base.qcow2'/>",
        "<backingStore/>",
        "dev='vda'",
    ):
        assert part in shown.out
    assert diskchain("check", "-", stdin=shown.out).code == 0
    (tmp_path / "raw").write_bytes(bytes(4096))
    assert "type='raw'" in diskchain("complete", tmp_path / "raw").out


def test_complete_changes_no_image(chain: Path) -> None:
    before = chain.read_bytes()
    for option in ("--in-place", "--strip"):
        assert diskchain("complete", option, chain).code == 2
    assert chain.read_bytes() == before


def test_a_connection_alone_shows_the_images_of_all_its_domains(tmp_path: Path) -> None:
    if libvirt is None:
        give_up("needs libvirt-python")
    shown = diskchain("show", "-c", "test:///default", directory=tmp_path)
    assert shown.code == 1
    assert shown.out.startswith("test:///default: 1 image")
    assert "used by vda of test" in shown.out
    document = json.loads(diskchain("show", "--json", "-c", "test:///default").out)
    assert (document["schema"], document["images"][0]["users"]) == (
        "diskchain/forest/1",
        [{"document": "test", "disk": "vda"}],
    )
    assert diskchain("show", "-c", "test:///default", "-d", "vda").code == 2


def test_nothing_to_show_is_a_usage_error() -> None:
    assert diskchain("show").code == 2


def test_several_disks_and_layers_are_shown(chain: Path, tmp_path: Path) -> None:
    (tmp_path / "vm.xml").write_text(
        f"<domain><devices>{DISK.format(chain)}{DISK.format(tmp_path / 'base.qcow2').replace('vda', 'vdb')}</devices></domain>"
    )
    shown = diskchain("show", tmp_path / "vm.xml", "-d", "vdb", "-d", "vda[1]").out
    assert ("vda[1]" in shown, "vdb" in shown, "top.qcow2" in shown) == (True, True, False)
