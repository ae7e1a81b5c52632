"""`diskchain open`: every layer with its own key, the bytes the guest would see, and nothing left behind on any way out."""

import hashlib
import itertools
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from diskchain.schema import read_as
from diskchain.schema.open import OpenDocument
from tests.cli.commands import Outcome, diskchain
from tests.live.daemons import Libvirtd
from tests.live.domains import PausedDomain
from tests.live.encrypted import PASSPHRASES, EncryptedChain, make_encrypted_chain
from tests.live.peers import give_up, requires
from tests.live.storage import QemuImg
from tests.readers.servers import answering, nbdkit_file
from tests.storage.servers import HOST

pytestmark = [pytest.mark.qemu, requires("qemu-storage-daemon", "qemu-img", "qemu-io")]

SECONDS = 60
_DIGEST = "import hashlib,sys; print(hashlib.sha256(open(sys.argv[1],'rb').read()).hexdigest())"


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory, qemu_img: QemuImg) -> EncryptedChain:
    return make_encrypted_chain(tmp_path_factory.mktemp("encrypted"), qemu_img)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command puts its temporary files, and nobody else."""
    directory = tmp_path / "t"
    directory.mkdir()
    monkeypatch.setenv("TMPDIR", str(directory))
    return directory


def document(path: Path, disk: str) -> Path:
    path.write_text(f"<domain><name>vm</name><devices>{disk}</devices></domain>")
    return path


def key_options(chain: EncryptedChain, *, wrong: int | None = None, without: int | None = None) -> list[str]:
    options = []
    for layer, key in enumerate(chain.keys):
        if layer != without:
            options += ["--secret", f"vda[{layer}]=file:{chain.keys[layer - 1] if layer == wrong else key}"]
    return options


def test_an_encrypted_chain_opened_from_its_document_shows_what_was_written(
    chain: EncryptedChain,
    libvirtd: Libvirtd,
    libvirt_secret: Callable[..., str],
    tmp_path: Path,
    temporary: Path,
) -> None:
    secrets = tuple(libvirt_secret(passphrase) for passphrase in PASSPHRASES)
    assert len(secrets) == 3
    vm = document(tmp_path / "vm.xml", chain.disk_xml(secrets))
    before, out = chain.digests(), tmp_path / "out.raw"
    command = ["qemu-img", "convert", "-f", "raw", "{}", "-O", "raw", str(out)]
    done = diskchain("open", vm, "--secrets-from", libvirtd.uri, "--", *command, seconds=SECONDS)
    assert (done.code, done.err) == (0, "")
    assert hashlib.sha256(out.read_bytes()).hexdigest() == chain.sha256
    assert chain.digests() == before
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("layer", range(3))
def test_one_wrong_passphrase_names_the_layer_and_changes_nothing(
    layer: int, chain: EncryptedChain, tmp_path: Path, temporary: Path
) -> None:
    vm, ran = document(tmp_path / "vm.xml", chain.disk_xml()), tmp_path / "ran"
    before = chain.digests()
    done = diskchain("open", vm, *key_options(chain, wrong=layer), "--", "touch", str(ran), seconds=SECONDS)
    assert (done.code, done.err) == (2, f"diskchain: vda[{layer}]: the key does not open it\n")
    assert not ran.exists()
    assert chain.digests() == before
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("layer", range(3))
def test_one_missing_passphrase_names_the_layer_and_starts_nothing(
    layer: int, chain: EncryptedChain, tmp_path: Path, temporary: Path
) -> None:
    vm, ran = document(tmp_path / "vm.xml", chain.disk_xml()), tmp_path / "ran"
    done = diskchain("open", vm, *key_options(chain, without=layer), "--", "touch", str(ran), seconds=SECONDS)
    assert done.code == 2
    assert done.err.startswith(f"diskchain: vda[{layer}]: encrypted, and no secret is named for it")
    assert not ran.exists()
    assert list(temporary.iterdir()) == []


def test_a_secret_libvirt_does_not_know_is_named_with_its_layer(
    chain: EncryptedChain, libvirtd: Libvirtd, tmp_path: Path
) -> None:
    uuid = "00000000-0000-4000-8000-00000000d15c"
    vm = document(tmp_path / "vm.xml", chain.disk_xml((uuid, uuid, uuid)))
    options = key_options(chain, without=1)
    done = diskchain("open", vm, *options, "--secrets-from", libvirtd.uri, "--", "true", seconds=SECONDS)
    assert done.code == 2
    assert "vda[1]" in done.err
    assert uuid in done.err


def test_a_private_secret_stays_with_libvirt_and_that_is_said(
    chain: EncryptedChain, libvirtd: Libvirtd, libvirt_secret: Callable[..., str], tmp_path: Path
) -> None:
    uuid = libvirt_secret(PASSPHRASES[1], private=True)
    vm = document(tmp_path / "vm.xml", chain.disk_xml((uuid, uuid, uuid)))
    options = key_options(chain, without=1)
    done = diskchain("open", vm, *options, "--secrets-from", libvirtd.uri, "--", "true", seconds=SECONDS)
    assert done.code == 3
    assert "private" in done.err


_LOOK_EVERYWHERE = """
import glob, os, sys
needles = [b"passphrase"]
for pattern in ("/proc/*/cmdline", "/proc/*/environ", os.environ["TMPDIR"] + "/**/*"):
    for name in glob.glob(pattern, recursive=True):
        if name.split("/")[2] == str(os.getpid()) or not os.path.isfile(name):
            continue
        try:
            content = open(name, "rb").read()
        except OSError:
            continue
        if any(needle in content for needle in needles):
            print(name, content[:200])
"""


def test_no_passphrase_is_in_an_argument_an_environment_or_a_file(
    chain: EncryptedChain, tmp_path: Path, temporary: Path
) -> None:
    vm, script = document(tmp_path / "vm.xml", chain.disk_xml()), temporary / "look.py"
    script.write_text(
        _LOOK_EVERYWHERE.replace('b"passphrase"', ", ".join(f"{p[:6]!r} + {p[6:]!r}" for p in PASSPHRASES))
    )
    options = [*key_options(chain), "--write-overlay"]
    done = diskchain("open", vm, *options, "--", sys.executable, str(script), seconds=SECONDS)
    assert done == Outcome(0, "", "")


def test_writes_go_to_an_overlay_that_is_forgotten(chain: EncryptedChain, tmp_path: Path, temporary: Path) -> None:
    vm, before = document(tmp_path / "vm.xml", chain.disk_xml()), chain.digests()
    script = "qemu-io -f raw -c 'write -P 1 0 64k' {} && qemu-io -f raw -c 'read -P 1 0 64k' {}; ls -R $TMPDIR"
    options = [*key_options(chain), "--write-overlay"]
    done = diskchain("open", vm, *options, "--", "sh", "-c", script, seconds=SECONDS)
    assert done.code == 0
    assert "verification failed" not in done.out
    assert "overlay.qcow2" not in done.out  # has no name any more while it is in use
    assert chain.digests() == before
    assert list(temporary.iterdir()) == []


def test_without_an_overlay_writes_are_refused(chain: EncryptedChain, tmp_path: Path) -> None:
    vm, before = document(tmp_path / "vm.xml", chain.disk_xml()), chain.digests()
    command = ["qemu-io", "-f", "raw", "-c", "write 0 64k", "{}"]
    done = diskchain("open", vm, *key_options(chain), "--", *command, seconds=SECONDS)
    assert done.code == 1
    assert chain.digests() == before


def test_fuse_shows_the_disk_as_a_file_and_leaves_no_file_behind(chain: EncryptedChain, tmp_path: Path) -> None:
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        give_up("needs /dev/fuse")
    vm, file = document(tmp_path / "vm.xml", chain.disk_xml()), tmp_path / "disk.raw"
    options = [*key_options(chain), "--fuse", str(file)]
    done = diskchain("open", vm, *options, "--", sys.executable, "-c", _DIGEST, "{}", seconds=SECONDS)
    assert done == Outcome(0, f"{chain.sha256}\n", "")
    assert not file.exists()


def test_the_exit_code_is_the_commands_and_the_uri_is_in_its_environment(chain: EncryptedChain, tmp_path: Path) -> None:
    vm, socket = document(tmp_path / "vm.xml", chain.disk_xml()), tmp_path / "s"
    options = [*key_options(chain), "--nbd", str(socket)]
    done = diskchain("open", vm, *options, "--", "sh", "-c", "echo $DISKCHAIN_URI; exit 7", seconds=SECONDS)
    assert done == Outcome(7, f"nbd+unix:///?socket={socket}\n", "")
    assert not socket.exists()


@contextmanager
def opened(vm: Path, *words: str, ready: Path) -> Iterator[subprocess.Popen[str]]:
    """A running `diskchain open` that has got as far as making ``ready``."""
    process = subprocess.Popen(
        [sys.executable, "-m", "diskchain", "open", str(vm), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        until(lambda: ready.exists() or process.poll() is not None)
        assert process.poll() is None, process.communicate()
        yield process
    finally:
        process.kill()
        process.communicate()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.02)


def children(pid: int) -> dict[str, int]:
    """Names and process ids of what a process has started; not the copy of itself that tidies up after it."""
    found = {}
    started = [thread.read_text().split() for thread in Path(f"/proc/{pid}/task").glob("*/children")]
    for child in itertools.chain(*started):
        if Path(f"/proc/{child}/cmdline").read_bytes() != Path(f"/proc/{pid}/cmdline").read_bytes():
            found[Path(f"/proc/{child}/comm").read_text().strip()] = int(child)
    return found


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """The document of a disk without encryption."""
    image = tmp_path / "plain.raw"
    image.write_bytes(bytes(1 << 20))
    return document(
        tmp_path / "plain.xml",
        f"<disk type='file'><driver name='qemu' type='raw'/><source file='{image}'/><target dev='vda'/></disk>",
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_command_and_everything_else(
    number: signal.Signals, plain: Path, tmp_path: Path, temporary: Path
) -> None:
    ready = tmp_path / "ready"
    script = f"touch {ready}; exec sleep 1000"
    with opened(plain, "--", "sh", "-c", script, ready=ready) as process:
        started = children(process.pid)
        assert len(started) == 2
        process.send_signal(number)
        assert process.wait(SECONDS) == 128 + number
        assert all(gone(pid) for pid in started.values())
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_serving_without_a_command_ends_well_with_a_signal(
    number: signal.Signals, plain: Path, tmp_path: Path, temporary: Path
) -> None:
    socket = tmp_path / "s"
    with opened(plain, "--nbd", str(socket), ready=socket) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == f"nbd+unix:///?socket={socket}\n"
        (daemon,) = children(process.pid).values()
        process.send_signal(number)
        assert process.wait(SECONDS) == 0
        assert gone(daemon)
    assert not socket.exists()
    assert list(temporary.iterdir()) == []


def test_where_it_is_served_is_a_json_document_on_request(plain: Path, tmp_path: Path) -> None:
    socket = tmp_path / "s"
    with opened(plain, "--json", "--nbd", str(socket), ready=socket) as process:
        assert process.stdout is not None
        document, _ = json.JSONDecoder().raw_decode("".join(iter(process.stdout.readline, "}\n")) + "}")
        assert read_as(OpenDocument, json.dumps(document)).uri == f"nbd+unix:///?socket={socket}"
        process.send_signal(signal.SIGTERM)
        assert process.wait(SECONDS) == 0
    done = diskchain("open", "--json", plain, "--", "true")
    assert (done.code, json.loads(done.out)["exit-code"]) == (2, 2)
    done = diskchain("open", plain, "--", "echo", "--json", "--missing")
    assert (done.code, done.out) == (0, "--json --missing\n")


def test_a_killed_daemon_ends_the_command_and_is_told(plain: Path, tmp_path: Path, temporary: Path) -> None:
    ready, socket = tmp_path / "ready", tmp_path / "s"
    script = f"touch {ready}; exec sleep 1000"
    with opened(plain, "--nbd", str(socket), "--", "sh", "-c", script, ready=ready) as process:
        started = children(process.pid)
        os.kill(started["qemu-storage-da"], signal.SIGKILL)
        assert process.wait(SECONDS) == 3
        assert process.stderr is not None
        assert "ended before its time" in process.stderr.read()
        assert all(gone(pid) for pid in started.values())
    assert not socket.exists()
    assert list(temporary.iterdir()) == []


def test_a_killed_daemon_leaves_no_stale_mount(plain: Path, tmp_path: Path) -> None:
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        give_up("needs /dev/fuse")
    ready, file = tmp_path / "ready", tmp_path / "disk.raw"
    script = f"touch {ready}; exec sleep 1000"
    with opened(plain, "--fuse", str(file), "--", "sh", "-c", script, ready=ready) as process:
        os.kill(children(process.pid)["qemu-storage-da"], signal.SIGKILL)
        assert process.wait(SECONDS) == 3
    assert str(file) not in Path("/proc/self/mountinfo").read_text()
    assert not file.exists()


def left_behind(temporary: Path) -> list[str]:
    """The processes that have ``temporary`` in their environment: whatever a command of ours started."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            ours = f"TMPDIR={temporary}".encode() in (process / "environ").read_bytes().split(b"\0")
            if ours and int(process.name) != os.getpid() and not gone(int(process.name)):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def mounted(path: Path) -> bool:
    return str(path) in Path("/proc/self/mountinfo").read_text()


@pytest.mark.parametrize("overlay", [(), ("--write-overlay",)], ids=["read-only", "overlay"])
@pytest.mark.parametrize("place", ["default", "nbd", "fuse"])
def test_a_killed_diskchain_leaves_nothing_behind(
    place: str, overlay: tuple[str, ...], plain: Path, tmp_path: Path, temporary: Path
) -> None:
    if place == "fuse" and not os.access("/dev/fuse", os.R_OK | os.W_OK):
        give_up("needs /dev/fuse")
    ready, target = tmp_path / "ready", tmp_path / "target"
    options = {"default": (), "nbd": ("--nbd", str(target)), "fuse": ("--fuse", str(target))}[place]
    with opened(plain, *overlay, *options, "--", "sh", "-c", f"touch {ready}; exec sleep 1000", ready=ready) as process:
        assert len(children(process.pid)) == 2
        assert left_behind(temporary)  # as long as it lives
        process.kill()
        process.wait(SECONDS)
        until(lambda: not left_behind(temporary))
    assert not mounted(target)
    assert not target.exists()
    assert list(temporary.iterdir()) == []


def test_a_command_that_ignores_its_end_is_killed_after_a_killed_diskchain(
    plain: Path, tmp_path: Path, temporary: Path
) -> None:
    ready = tmp_path / "ready"
    script = f"trap '' TERM; touch {ready}; while :; do sleep 0.1; done"
    with opened(plain, "--", "sh", "-c", script, ready=ready) as process:
        process.kill()
        process.wait(SECONDS)
        until(lambda: not left_behind(temporary))
    assert list(temporary.iterdir()) == []


def test_a_file_that_was_there_before_stays_when_diskchain_is_killed(
    plain: Path, tmp_path: Path, temporary: Path
) -> None:
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        give_up("needs /dev/fuse")
    ready, target = tmp_path / "ready", tmp_path / "target"
    target.write_text("mine")
    with opened(
        plain, "--fuse", str(target), "--", "sh", "-c", f"touch {ready}; exec sleep 1000", ready=ready
    ) as process:
        assert target.stat().st_size == 1 << 20
        process.kill()
        process.wait(SECONDS)
        until(lambda: not left_behind(temporary))
    assert target.read_text() == "mine"


@pytest.mark.parametrize(
    "numbers", [(signal.SIGTERM,), (signal.SIGINT, signal.SIGINT), (signal.SIGHUP, signal.SIGTERM)]
)
def test_a_signal_at_any_moment_leaves_nothing_behind(
    numbers: tuple[signal.Signals, ...], plain: Path, tmp_path: Path, temporary: Path
) -> None:
    socket = tmp_path / "s"
    words = [sys.executable, "-m", "diskchain", "open", str(plain), "--write-overlay", "--nbd", str(socket)]
    started = time.monotonic()
    with opened(plain, "--write-overlay", "--nbd", str(socket), ready=socket):
        whole = time.monotonic() - started
    until(lambda: not left_behind(temporary))
    for part in range(16):
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        time.sleep(whole * (0.2 + part / 16))
        for number in numbers:
            process.send_signal(number)
        out, err = process.communicate(timeout=SECONDS)
        if process.returncode < 0 or "KeyboardInterrupt" in err:
            assert out == ""  # it was the interpreter that was ended, before diskchain had begun anything
        else:
            assert process.returncode in ({0} if out else {0, *(128 + number for number in numbers)}), (out, err)
            assert err == ""
        until(lambda: not left_behind(temporary))
        assert not socket.exists()
        assert list(temporary.iterdir()) == [], (part, out, err)


def test_a_reader_of_the_uri_that_is_gone_ends_it_well(plain: Path, temporary: Path) -> None:
    words = [sys.executable, "-m", "diskchain", "open", str(plain)]
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(words, stdout=writing, stderr=subprocess.PIPE, timeout=SECONDS, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (0, b"")
    assert left_behind(temporary) == []
    assert list(temporary.iterdir()) == []


def test_the_command_is_told_of_a_broken_pipe_as_by_a_shell(plain: Path) -> None:
    done = diskchain("open", plain, "--", "sh", "-c", "(yes; echo $? >&2) | head -n 1 >/dev/null", seconds=SECONDS)
    assert (done.code, done.err) == (0, "141\n")


def test_a_chain_with_a_fault_is_not_opened(qemu_img: QemuImg, tmp_path: Path) -> None:
    top = tmp_path / "top.qcow2"
    qemu_img("create", "-q", "-u", "-f", "qcow2", "-b", tmp_path / "absent.raw", "-F", "raw", top, "1M")
    done = diskchain("open", top, "--", "true")
    assert done.code == 1
    assert "absent.raw" in done.err


def test_a_socket_that_is_there_already_is_left_alone(plain: Path, tmp_path: Path) -> None:
    (tmp_path / "s").write_text("mine")
    done = diskchain("open", plain, "--nbd", str(tmp_path / "s"), "--", "true")
    assert done.code == 2
    assert (tmp_path / "s").read_text() == "mine"


def test_a_command_that_does_not_exist_is_a_usage_error(plain: Path) -> None:
    done = diskchain("open", plain, "--", "no-such-command-of-ours")
    assert (done.code, done.err) == (2, "diskchain: cannot run no-such-command-of-ours: No such file or directory\n")


def test_a_raw_disk_is_shown_as_the_guest_gets_it_also_when_that_decrypts_it(
    chain: EncryptedChain, tmp_path: Path
) -> None:
    disk = f"<disk type='file'><driver type='raw'/><source file='{chain.layers[2]}'/><target dev='vda'/></disk>"
    vm, out = document(tmp_path / "vm.xml", disk), tmp_path / "out"
    command = ["qemu-img", "convert", "-f", "raw", "{}", "-O", "raw", str(out)]
    assert diskchain("open", vm, "--", *command, seconds=SECONDS).code == 0
    assert out.read_bytes() == chain.layers[2].read_bytes()


@requires("nbdkit")
def test_a_layer_on_a_server_is_opened_with_the_rest(qemu_img: QemuImg, tmp_path: Path) -> None:
    base, top = tmp_path / "base.raw", tmp_path / "top.qcow2"
    base.write_bytes(b"from afar".ljust(1 << 20, b"\0"))
    qemu_img("create", "-q", "-u", "-f", "qcow2", "-b", "nbd://ignored", "-F", "raw", top, "1M")
    with nbdkit_file(base) as port:
        below = f"<source protocol='nbd' name=''><host name='{HOST}' port='{port}'/></source>"
        vm = document(
            tmp_path / "vm.xml",
            f"<disk type='file'><driver name='qemu' type='qcow2'/><source file='{top}'/>"
            f"<backingStore type='network'><format type='raw'/>{below}</backingStore><target dev='vda'/></disk>",
        )
        out = tmp_path / "out"
        done = diskchain(
            "open", vm, "--", "qemu-img", "convert", "-f", "raw", "{}", "-O", "raw", str(out), seconds=SECONDS
        )
    assert done.code == 0
    assert out.read_bytes() == base.read_bytes()


def test_images_of_a_running_domain_are_opened_only_when_asked_for(
    image_dir: Path, qemu_img: QemuImg, libvirtd: Libvirtd, paused_domain: Callable[..., PausedDomain]
) -> None:
    base, top = image_dir / "base.raw", image_dir / "top.qcow2"
    base.write_bytes(b"underneath".ljust(1 << 20, b"\0"))
    qemu_img("create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", top)
    domain = paused_domain(
        f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{top}'/>"
        "<target dev='vda' bus='virtio'/></disk>"
    )
    words = ("open", "-c", libvirtd.uri, domain.name, "-d", "vda")
    command = ("--", "sh", "-c", "qemu-io -f raw -r -c 'read -P 0x75 0 1' {} | grep -v failed")
    refused = diskchain(*words, *command, seconds=SECONDS)
    assert refused.code == 3
    assert refused.err.startswith("diskchain: vda[1]: ")
    assert "lock" in refused.err
    assert refused.err.endswith("a VM or another program has it open: --in-use\n")
    done = diskchain(*words, "--in-use", *command, seconds=SECONDS)
    assert (done.code, done.err) == (0, "")


def test_a_lower_layer_is_opened_by_its_index_and_by_its_path(qemu_img: QemuImg, tmp_path: Path) -> None:
    base, middle, top = (tmp_path / name for name in ("base.raw", "middle.qcow2", "top.qcow2"))
    base.write_bytes(b"b" * (1 << 20))
    qemu_img("create", "-q", "-f", "qcow2", "-b", base, "-F", "raw", middle, "2M")
    qemu_img("create", "-q", "-f", "qcow2", "-b", middle, "-F", "qcow2", top, "3M")
    command = ("--", "sh", "-c", "qemu-img info -f raw {} | grep virtual")
    for wanted, size in ((f"{top}[1]", 2), (str(middle), 2), (f"{top}[2]", 1), (str(base), 1), (str(top), 3)):
        done = diskchain("open", top, "-d", wanted, *command, seconds=SECONDS)
        assert (done.code, done.out) == (0, f"virtual size: {size} MiB ({size << 20} bytes)\n")
    absent = diskchain("open", top, "-d", f"{top}[3]", *command)
    assert (absent.code, absent.err.endswith(f"the layers are: {top}[0], {top}[1], {top}[2]\n")) == (2, True)


def test_a_layer_opens_with_its_key_alone_and_keys_of_others_may_be_named(
    chain: EncryptedChain, tmp_path: Path
) -> None:
    vm = document(tmp_path / "vm.xml", chain.disk_xml())
    command = ("--", "qemu-img", "info", "-f", "raw", "{}")
    for options in (key_options(chain), key_options(chain, without=0), key_options(chain, wrong=0)):
        assert diskchain("open", vm, "-d", "vda[1]", *options, *command, seconds=SECONDS).code == 0


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--nbd", "{gone}/s"), 3, "no socket can be made there"),
        (("--fuse", "{gone}/s"), 3, "nothing can be shown in it: No such file"),
        (("--write-overlay", "--overlay-dir", "{gone}"), 3, "no directory can be made there: No such file"),
        (("--nbd", "{long}"), 2, "at most 107 bytes"),
        (("--fuse", "{here}"), 2, "is no regular file"),
        (("--secret", "vda=file:/none"), 2, "--secret vda fits no layer and no secret: no layer wants a key"),
    ],
)
def test_what_cannot_be_is_one_line(
    options: tuple[str, ...], code: int, words: str, plain: Path, tmp_path: Path, temporary: Path
) -> None:
    names = {"gone": tmp_path / "gone", "long": tmp_path / ("x" * 120), "here": tmp_path}
    done = diskchain("open", plain, *(each.format(**names) for each in options), "--", "true", seconds=SECONDS)
    assert (done.code, words in done.err, done.err.count("\n")) == (code, True, 1), done.err
    assert list(temporary.iterdir()) == []
    assert left_behind(temporary) == []


@requires("root", "mount")
def test_a_full_disk_under_the_overlay_is_the_commands_to_tell(plain: Path, tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(small)]
    if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        give_up("needs to mount a tmpfs")
    try:
        command = ("--", "qemu-io", "-f", "raw", "-c", "write 0 1M", "{}")
        done = diskchain("open", plain, "--write-overlay", "--overlay-dir", small, *command, seconds=SECONDS)
        assert (done.code, "No space left" in done.out + done.err) == (1, True)
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_server_that_is_not_there_is_one_line(tmp_path: Path, temporary: Path) -> None:
    disk = (
        "<disk type='network'><driver type='raw'/><source protocol='nbd' name='x'><host name='127.0.0.1' port='1'/></source>"
        "<target dev='vda'/></disk>"
    )
    done = diskchain("open", document(tmp_path / "vm.xml", disk), "--", "true", seconds=SECONDS)
    refused = "diskchain: vda[0]: Failed to connect to '127.0.0.1:1': Connection refused\n"
    assert (done.code, done.err) == (3, refused)
    assert list(temporary.iterdir()) == []


def test_a_document_without_a_medium_has_nothing_to_open(tmp_path: Path) -> None:
    vm = document(tmp_path / "vm.xml", "<disk type='file' device='cdrom'><target dev='sda'/></disk>")
    done = diskchain("open", vm, "--", "true")
    assert (done.code, done.err) == (2, f"diskchain: {vm} has no disk with a medium\n")


def test_without_the_storage_daemon_its_package_is_named(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    done = diskchain("open", plain, "--", "true")
    assert (done.code, "qemu-storage-daemon is not installed (Debian" in done.err) == (2, True)


_WHAT_CHILDREN_HAVE = """
import os, resource
from contextlib import suppress
from pathlib import Path
def facts(process):
    with suppress(OSError):  # others' processes end meanwhile
        if (process / "stat").read_text().rpartition(")")[2].split()[1] == str(os.getppid()):
            if (process / "comm").read_text().startswith("qemu-storage"):
                core, = [line for line in (process / "limits").read_text().splitlines() if "core" in line]
                print(b"DISKCHAIN_TEST_KEY" in (process / "environ").read_bytes(), core.split()[4])
for process in Path("/proc").glob("[0-9]*"):
    facts(process)
print("DISKCHAIN_TEST_KEY" in os.environ, resource.getrlimit(resource.RLIMIT_CORE))
"""


def test_a_key_from_the_environment_is_in_that_of_no_child_and_in_no_core(
    chain: EncryptedChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISKCHAIN_TEST_KEY", PASSPHRASES[1].decode())
    vm = document(tmp_path / "vm.xml", chain.disk_xml())
    options = [*key_options(chain, without=1), "--secret", "vda[1]=env:DISKCHAIN_TEST_KEY"]
    before = resource.getrlimit(resource.RLIMIT_CORE)
    allowed = (before[1], before[1])
    try:
        resource.setrlimit(resource.RLIMIT_CORE, allowed)
        done = diskchain("open", vm, *options, "--", sys.executable, "-c", _WHAT_CHILDREN_HAVE, seconds=SECONDS)
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, before)
    assert done == Outcome(0, f"False 0\nFalse {allowed}\n", "")


def test_a_key_that_is_no_text_is_told_apart_from_a_wrong_one(chain: EncryptedChain, tmp_path: Path) -> None:
    vm, key = document(tmp_path / "vm.xml", chain.disk_xml()), tmp_path / "key"
    key.write_bytes(b"\xff\xfe")
    options = [*key_options(chain, without=1), "--secret", f"vda[1]=file:{key}"]
    done = diskchain("open", vm, *options, "--", "true", seconds=SECONDS)
    assert (done.code, done.err) == (2, "diskchain: vda[1]: the key is no UTF-8 text, and QEMU takes no other\n")


@pytest.mark.parametrize("declared", [(), ("-f", "vmdk")])
def test_the_text_of_a_vmdk_image_is_opened_as_one(
    qemu_img: QemuImg, tmp_path: Path, declared: tuple[str, ...]
) -> None:
    image, read = tmp_path / "disk.vmdk", tmp_path / "read"
    qemu_img("create", "-q", "-f", "vmdk", "-o", "subformat=monolithicFlat", image, "1M")
    (tmp_path / "disk-flat.vmdk").write_bytes(bytes(range(256)) * 4096)
    copy = ("qemu-img", "convert", "-O", "raw", "{}", read)
    assert diskchain("open", image, *declared, "--", *copy, seconds=SECONDS) == Outcome(0, "", "")
    assert read.read_bytes() == bytes(range(256)) * 4096


def test_a_place_for_an_overlay_nobody_asked_for_is_a_usage_error(qemu_img: QemuImg, tmp_path: Path) -> None:
    image = tmp_path / "disk.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", image, "1M")
    done = diskchain("open", image, "--overlay-dir", tmp_path, "--", "true", seconds=SECONDS)
    assert done.code == 2
    assert "--write-overlay" in done.err


def test_a_signal_ends_it_at_once_while_a_server_does_not_answer(tmp_path: Path, temporary: Path) -> None:
    with answering(None) as port:
        vm = document(
            tmp_path / "vm.xml",
            f"""<disk type="network" device="disk"><driver name="qemu" type="raw"/><source protocol="nbd" name="x">
            <host name="{HOST}" port="{port}"/></source><target dev="vda" bus="virtio"/></disk>""",
        )
        process = subprocess.Popen([sys.executable, "-m", "diskchain", "open", vm, "--", "true"])
        deadline = time.monotonic() + SECONDS
        while not any(b"qemu-storage-daemon" in line for line in children_of(process.pid)):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        started = time.monotonic()
        process.terminate()
        assert process.wait(SECONDS) == 128 + signal.SIGTERM
        assert time.monotonic() - started < 6
        assert list(temporary.iterdir()) == []


def children_of(pid: int) -> list[bytes]:
    """The command lines of its children."""
    children = Path(f"/proc/{pid}/task").glob("*/children")
    pids = " ".join(each.read_text() for each in children).split()
    return [Path(f"/proc/{each}/cmdline").read_bytes() for each in pids if Path(f"/proc/{each}").exists()]
