"""`diskchain blockdev`: what it prints for programs is taken by them, and holds no key."""

import json
import os
import shlex
import signal
import subprocess
import time
from pathlib import Path

import pytest

from diskchain.qemu.daemon import StorageDaemon
from tests.cli.commands import diskchain
from tests.live.peers import requires
from tests.live.storage import QemuImg
from tests.qemu.images import KINDS, PASSPHRASE, Templates

pytestmark = [pytest.mark.qemu, requires("qemu-storage-daemon", "qemu-img")]

SECONDS = 30


@pytest.fixture
def encrypted(qemu_img: QemuImg, tmp_path: Path) -> Path:
    """An image that opens with the key in the file ``key`` beside it."""
    path = tmp_path / "it's encrypted.qcow2"
    Templates(tmp_path, qemu_img).copy(KINDS["qcow2-luks"], path)
    return path


def test_the_arguments_for_a_storage_daemon_start_one(encrypted: Path, tmp_path: Path) -> None:
    key = f"{encrypted}=file:{tmp_path / 'key'}"
    done = diskchain("blockdev", encrypted, "--as", "qsd", "--secrets", "file", "--secret", key)
    assert done.code == 0
    words = shlex.split(done.out.replace("\\\n", ""))
    pidfile = tmp_path / "pid"
    daemon = subprocess.Popen(["qemu-storage-daemon", "--pidfile", pidfile, *words], stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + SECONDS
        while not pidfile.exists():
            assert daemon.poll() is None, daemon.communicate()[1]
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        daemon.terminate()
        daemon.communicate()
    assert daemon.returncode in (0, -signal.SIGTERM)


def test_a_shell_reads_the_lines_as_they_are(encrypted: Path) -> None:
    done = diskchain("blockdev", encrypted)
    shown = subprocess.run(
        ["sh", "-c", f"printf '%s\\n' {done.out}"], capture_output=True, check=True, text=True, timeout=SECONDS
    )
    options = shown.stdout.splitlines()
    assert options[::2] == ["-object", "-blockdev", "-blockdev"]
    assert json.loads(options[3])["filename"] == str(encrypted)


def test_a_placeholder_names_the_layer_and_no_key_is_read(encrypted: Path) -> None:
    done = diskchain("blockdev", encrypted, "--as", "json", "--secret", f"{encrypted}=file:/nonexistent")
    document = json.loads(done.out)
    (disk,) = document["disks"]
    secret = disk["commands"][0]
    assert document["schema"] == "diskchain/blockdev/1"
    assert secret["execute"] == "object-add"
    assert secret["arguments"]["file"] == f"<the encryption secret of {encrypted}[0]>"
    assert PASSPHRASE.decode() not in done.out


def test_a_secret_in_no_file_is_missing_where_files_are_wanted(encrypted: Path) -> None:
    done = diskchain("blockdev", encrypted, "--secrets", "file", "--secret", f"{encrypted}=env:HOME")
    assert done.code == 2
    assert f"{encrypted}[0]" in done.err
    assert done.out == ""


def test_the_json_form_names_the_node_of_each_layer(qemu_img: QemuImg, tmp_path: Path) -> None:
    base, top = tmp_path / "base.raw", tmp_path / "top.qcow2"
    qemu_img("create", "-q", "-f", "raw", base, "1M")
    qemu_img("create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", top)
    (disk,) = json.loads(diskchain("blockdev", top, "-f", "qcow2", "--as", "json").out)["disks"]
    assert disk["node"] == "libvirt-1-format"
    assert [layer["node"] for layer in disk["layers"]] == ["libvirt-1-format", "libvirt-2-format"]
    assert [each["execute"] for each in disk["commands"]] == ["blockdev-add"] * 4


def test_an_image_that_is_missing_below_is_told_and_the_rest_printed(qemu_img: QemuImg, tmp_path: Path) -> None:
    top = tmp_path / "top.qcow2"
    qemu_img("create", "-q", "-u", "-f", "qcow2", "-b", tmp_path / "none.raw", "-F", "raw", top, "1M")
    done = diskchain("blockdev", top, "-f", "qcow2")
    assert done.code == 1
    assert "none.raw" in done.err
    assert done.out.count("-blockdev") == 2 + 2 * done.out.count("none.raw")


def test_a_disk_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    vm = tmp_path / "vm.xml"
    vm.write_text("<domain><devices><disk type='file'><source file='/a'/><target dev='vda'/></disk></devices></domain>")
    done = diskchain("blockdev", vm, "-d", "vdb", "--declared")
    assert (done.code, done.out) == (2, "")
    assert "the disks are: vda" in done.err


def test_what_a_domain_says_about_throttling_is_taken_by_qemu(qemu_img: QemuImg, tmp_path: Path) -> None:
    image = tmp_path / "a.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", image, "1M")
    qemu_img("create", "-q", "-f", "qcow2", tmp_path / "b.qcow2", "1M")
    disks = "".join(
        f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='{tmp_path}/{name}.qcow2'/><target dev='{dev}'/>"
        "<throttlefilters><throttlefilter group='slow'/><throttlefilter group='burst'/></throttlefilters></disk>"
        for name, dev in (("a", "vda"), ("b", "vdb"))
    )
    vm = tmp_path / "vm.xml"
    vm.write_text(
        "<domain><throttlegroups><throttlegroup><group_name>slow</group_name><total_iops_sec>100</total_iops_sec>"
        "<size_iops_sec>4096</size_iops_sec></throttlegroup><throttlegroup><group_name>burst</group_name>"
        "<read_bytes_sec>1000</read_bytes_sec><read_bytes_sec_max>2000</read_bytes_sec_max>"
        "<read_bytes_sec_max_length>5</read_bytes_sec_max_length></throttlegroup></throttlegroups>"
        f"<devices>{disks}</devices></domain>"
    )
    done = diskchain("blockdev", vm, "--as", "json")
    assert done.code == 0
    commands = [each for disk in json.loads(done.out)["disks"] for each in disk["commands"]]
    assert [each["arguments"].get("limits") for each in commands if each["execute"] == "object-add"] == [
        {"iops-total": 100, "iops-size": 4096},
        {"bps-read": 1000, "bps-read-max": 2000, "bps-read-max-length": 5},
    ]
    with StorageDaemon() as daemon:
        for each in commands:
            daemon.execute(each["execute"], each["arguments"])
        nodes = daemon.execute("query-named-block-nodes", {"flat": True})
    assert sum(node["drv"] == "throttle" for node in nodes) == 4


@pytest.mark.parametrize("form", ["qemu", "qsd", "json"])
def test_a_name_that_qemu_cannot_be_told_is_refused(form: str, tmp_path: Path) -> None:
    image = tmp_path / os.fsdecode(b"\xff.raw")
    image.write_bytes(bytes(512))
    done = diskchain("blockdev", image, "-f", "raw", "--as", form)
    assert done.code == 2
    assert "UTF-8" in done.err
    if form == "json":  # who reads documents gets the error as one, too
        assert json.loads(done.out)["schema"] == "diskchain/error/1"
    else:
        assert done.out == ""
