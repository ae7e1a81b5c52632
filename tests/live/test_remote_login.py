"""``--remote`` logs in where a document says how; a login that is refused is "could not tell", and names its layer."""

import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from diskchain.errors import StorageError
from diskchain.qemu.bridge import Bridge
from diskchain.readers.credentials import Credentials
from diskchain.secrets.value import SecretValue
from diskchain.storage.location import NetworkHost, NetworkLocation
from diskchain.storage.terms import Protocol
from tests.cli.commands import Outcome, diskchain
from tests.live.daemons import Libvirtd
from tests.live.peers import requires
from tests.live.storage import QemuImg
from tests.readers.servers import ACCOUNT, certificates, iscsi_server, nbdkit_file, web_server
from tests.storage.servers import HOST, sftp_server

pytestmark = [pytest.mark.qemu, requires("qemu-img")]

SECONDS = 60
USER, PASSWORD = ACCOUNT


class Served(NamedTuple):
    """How a document names an image on a server: what goes into ``<source>``, the ``<auth>`` apart."""

    attributes: str
    inside: str
    shown: str

    def disk(self, auth: str = "", *, dev: str = "vda") -> str:
        return (
            f"<disk type='network' device='disk'><driver name='qemu' type='qcow2'/><source {self.attributes}>{self.inside}"
            f"{auth}</source><target dev='{dev}' bus='virtio'/></disk>"
        )


def document(directory: Path, *disks: str) -> Path:
    path = directory / "vm.xml"
    path.write_text(f"<domain type='kvm'><name>vm</name><devices>{''.join(disks)}</devices></domain>")
    return path


def login(uuid: str = "0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f", *, by: str = "uuid") -> str:
    return f"<auth username='{USER}'><secret type='iscsi' {by}='{uuid}'/></auth>"


def host(port: int) -> str:
    return f"<host name='{HOST}' port='{port}'/>"


@pytest.fixture(scope="module")
def world() -> Iterator[Path]:
    """A directory that servers without privileges may enter, which pytest's own is not."""
    with tempfile.TemporaryDirectory(prefix="diskchain-login-") as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


def image(path: Path, qemu_img: QemuImg) -> Path:
    qemu_img("create", "-q", "-f", "qcow2", path, "3M")
    os.truncate(path, 1 << 20)  # an iSCSI target shows whole sectors, and a file's last part of one not at all
    return path


@pytest.fixture(scope="module")
def iscsi(world: Path, qemu_img: QemuImg) -> Iterator[Served]:
    (world / "iscsi").mkdir()
    with iscsi_server(world / "iscsi") as server:
        name = server.add(image(world / "iscsi.qcow2", qemu_img))
        server.guard(name)
        shown = f"iscsi://{HOST}:{server.port}/{name}/1"
        yield Served(f"protocol='iscsi' name='{name}/1'", host(server.port), shown)


@pytest.fixture(scope="module")
def web(world: Path, qemu_img: QemuImg) -> Iterator[tuple[Served, Served]]:
    (world / "web").mkdir()
    with web_server(world / "web") as server:
        image(server.files / "a.qcow2", qemu_img)
        yield (
            Served(
                "protocol='http' name='private/a.qcow2'",
                host(server.port),
                f"http://{HOST}:{server.port}/private/a.qcow2",
            ),
            Served(
                "protocol='https' name='private/a.qcow2'",
                host(server.tls_port) + "<ssl verify='no'/>",
                f"https://{HOST}:{server.tls_port}/private/a.qcow2",
            ),
        )


@pytest.fixture(params=["iscsi", "http", "https"])
def served(request: pytest.FixtureRequest) -> Served:
    found = request.getfixturevalue("iscsi" if request.param == "iscsi" else "web")
    one: Served = found if isinstance(found, Served) else found[request.param == "https"]
    return one


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text(PASSWORD)
    return path


def refused(done: Outcome, served: Served) -> bool:
    """Whether that is told as it should be: could not tell, the layer named, nothing called missing, no password."""
    told = done.out + done.err
    return (
        (done.code == 3)
        and served.shown in told
        and "[unreachable]" in told
        and "[missing]" not in told
        and PASSWORD not in told
    )


@requires("tgtd", "nginx", "qemu-storage-daemon", "root")
class TestServersWithPasswords:
    def test_the_key_of_secret_logs_in(self, served: Served, key: Path, tmp_path: Path) -> None:
        vm = document(tmp_path, served.disk(login()))
        for which in ("vda[0]", "vda", "0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f"):
            done = diskchain("show", "--remote", vm, "--secret", f"{which}=file:{key}", seconds=SECONDS)
            assert (done.code, done.err) == (0, ""), done.out
            assert f"[0] {served.shown}" in done.out
            assert "layer: 3 MiB" in done.out

    @pytest.mark.parametrize("by", ["uuid", "usage"])
    def test_the_key_libvirt_keeps_logs_in(
        self, by: str, served: Served, libvirtd: Libvirtd, libvirt_secret: Callable[..., str], tmp_path: Path
    ) -> None:
        usage = f"diskchain-test-{os.getpid()}"
        uuid = libvirt_secret(PASSWORD.encode(), usage=usage, type="iscsi")
        vm = document(tmp_path, served.disk(login(uuid if by == "uuid" else usage, by=by)))
        done = diskchain("check", "--remote", vm, "--secrets-from", libvirtd.uri, "--json", seconds=SECONDS)
        assert (done.code, done.err) == (0, "")

    def test_a_domain_of_a_connection_is_read_with_the_secrets_of_that_libvirt(
        self, served: Served, libvirtd: Libvirtd, libvirt_secret: Callable[..., str]
    ) -> None:
        uuid, name = libvirt_secret(PASSWORD.encode(), type="iscsi"), f"login-{os.getpid()}"
        domain = libvirtd.connection.defineXML(
            f"<domain type='qemu'><name>{name}</name><memory unit='MiB'>32</memory><os><type>hvm</type></os>"
            f"<devices>{served.disk(login(uuid))}</devices></domain>"
        )
        try:
            done = diskchain("show", "--remote", "-c", libvirtd.uri, name, seconds=SECONDS)
            assert (done.code, "layer: 3 MiB" in done.out, done.err) == (0, True, "")
        finally:
            domain.undefine()

    def test_each_disk_of_a_document_has_a_login_of_its_own(self, served: Served, key: Path, tmp_path: Path) -> None:
        wrong, second = (
            tmp_path / "wrong",
            served.disk(login(), dev="vdb").replace(f"username='{USER}'", "username='x'"),
        )
        wrong.write_text("open pepper")
        vm = document(tmp_path, served.disk(login()), second, served.disk(login(), dev="vdc"))
        keys = [f"--secret=vda=file:{key}", f"--secret=vdb=file:{wrong}"]
        done = diskchain("show", "--remote", vm, *keys, seconds=SECONDS)
        assert (done.code, done.out.count("layer: 3 MiB"), done.out.count("login refused")) == (3, 2, 1), done

    def test_a_wrong_key_is_a_refused_login(self, served: Served, tmp_path: Path) -> None:
        wrong, vm = tmp_path / "wrong", document(tmp_path, served.disk(login()))
        wrong.write_text("open pepper")
        for verb in ("show", "check"):
            done = diskchain(verb, "--remote", vm, "--secret", f"vda=file:{wrong}", seconds=SECONDS)
            assert refused(done, served), done
            assert "login refused" in done.out

    def test_no_login_where_one_is_wanted_is_refused(self, served: Served, tmp_path: Path) -> None:
        done = diskchain("check", "--remote", document(tmp_path, served.disk()), seconds=SECONDS)
        assert refused(done, served), done
        assert "login refused" in done.out

    def test_a_key_nobody_has_is_told_with_its_secret(self, served: Served, tmp_path: Path) -> None:
        done = diskchain("check", "--remote", document(tmp_path, served.disk(login())), seconds=SECONDS)
        assert refused(done, served), done
        assert "its key is the secret 0a81f5b2-8403-7b23-c8d6-21ccc2f80d6f" in done.out

    def test_open_tells_a_refused_login_too(self, served: Served, key: Path, tmp_path: Path) -> None:
        wrong, vm = tmp_path / "wrong", document(tmp_path, served.disk(login()))
        wrong.write_text("open pepper")
        end = served.disk(login()).replace("</source>", "</source><backingStore/>")
        vm = document(tmp_path, end)
        done = diskchain("open", vm, "--secret", f"vda=file:{wrong}", "--", "true", seconds=SECONDS)
        assert done.code == 3
        assert "vda[0]: login refused" in done.err
        command = ("qemu-img", "info", "-f", "raw", "{}")
        done = diskchain("open", vm, "--secret", f"vda=file:{key}", "--", *command, seconds=SECONDS)
        assert done.code == 0
        assert "3 MiB (3145728 bytes)" in done.out

    def test_open_looks_at_what_is_on_a_server_where_the_document_does_not_say(
        self, served: Served, key: Path, tmp_path: Path
    ) -> None:
        vm, wrong = document(tmp_path, served.disk(login())), tmp_path / "wrong"
        wrong.write_text("open pepper")
        command = ("--", "qemu-img", "info", "-f", "raw", "{}")
        done = diskchain("open", vm, "--secret", f"vda=file:{key}", *command, seconds=SECONDS)
        assert (done.code, "3 MiB (3145728 bytes)" in done.out, done.err) == (0, True, "")
        done = diskchain("open", vm, "--secret", f"vda=file:{wrong}", *command, seconds=SECONDS)
        assert refused(done, served), done
        assert "login refused" in done.err

    def test_secrets_tries_logins(self, served: Served, key: Path, tmp_path: Path) -> None:
        wrong, vm = tmp_path / "wrong", document(tmp_path, served.disk(login()))
        wrong.write_text("open pepper")
        done = diskchain("secrets", vm, "--try", "--secret", f"vda=file:{wrong}", seconds=SECONDS)
        assert (done.code, done.out.split()[-1]) == (1, "no")
        done = diskchain("secrets", vm, "--try", "--secret", f"vda=file:{key}", seconds=SECONDS)
        assert done.out.split()[-1] == "yes"


@requires("sshd", "ssh-keygen", "root")
def test_ssh_logs_in_with_the_key_file_a_document_names(world: Path, qemu_img: QemuImg, tmp_path: Path) -> None:
    directory = world / "ssh"
    directory.mkdir()
    with sftp_server(directory) as server:
        where = image(world / "ssh.qcow2", qemu_img)
        known = tmp_path / "known"
        known.write_text(f"[{HOST}]:{server.port} " + (directory / "host.pub").read_text())

        def told(keyfile: Path, known: Path) -> Outcome:
            inside = f"{host(server.port)}<knownHosts path='{known}'/><identity username='root' keyfile='{keyfile}'/>"
            served = Served(f"protocol='ssh' name='{where}'", inside, "")
            return diskchain("show", "--remote", document(tmp_path, served.disk()), seconds=SECONDS)

        done = told(directory / "user", known)
        assert (done.code, "layer: 3 MiB" in done.out) == (0, True), done
        other = told(directory / "host", known)  # a key the server does not know
        assert (other.code, "login refused" in other.out) == (3, True), other
        (tmp_path / "nobody").write_text("")
        stranger = told(directory / "user", tmp_path / "nobody")
        assert (stranger.code, "host key is not known" in stranger.out) == (3, True), stranger
        nothing = told(tmp_path / "none", known)
        assert (nothing.code, "key file" in nothing.out) == (3, True), nothing


@requires("nbdkit", "qemu-storage-daemon")
def test_nbd_with_tls_shows_our_certificate(qemu_img: QemuImg, tmp_path: Path) -> None:
    mine, other, bare = (tmp_path / name for name in ("mine", "other", "bare"))
    for directory in (mine, other, bare):
        directory.mkdir()
    certificates(mine)
    certificates(other)
    (bare / "ca-cert.pem").write_bytes((mine / "ca-cert.pem").read_bytes())
    options = ("--tls=require", f"--tls-certificates={mine}", "--tls-verify-peer")
    with nbdkit_file(image(tmp_path / "a.qcow2", qemu_img), *options) as port:
        served = Served("protocol='nbd' name='' tls='yes'", host(port), f"nbd://{HOST}:{port}/")
        vm = document(tmp_path, served.disk())
        done = diskchain("show", "--remote", vm, "--tls-dir", mine, seconds=SECONDS)
        assert (done.code, "layer: 3 MiB" in done.out) == (0, True), done
        for directory, words in ((other, "certificate is not"), (bare, "login refused")):
            done = diskchain("show", "--remote", vm, "--tls-dir", directory, seconds=SECONDS)
            assert (done.code, words in done.out) == (3, True), done
        plain = document(tmp_path, served.disk().replace("tls='yes'", "tls='no'"))
        done = diskchain("show", "--remote", plain, seconds=SECONDS)
        assert (done.code, "wants TLS" in done.out) == (3, True), done


@requires("nbdkit", "qemu-storage-daemon")
def test_a_key_is_tried_over_tls_with_our_certificate(qemu_img: QemuImg, tmp_path: Path) -> None:
    mine, other = tmp_path / "mine", tmp_path / "other"
    for directory in (mine, other):
        directory.mkdir()
        certificates(directory)
    (tmp_path / "key").write_text("correct horse")
    locked = ("--object", f"secret,id=s,file={tmp_path}/key", "-o", "key-secret=s,iter-time=10")
    qemu_img("create", "-q", "-f", "luks", *locked, tmp_path / "a.luks", "1M")
    options = ("--tls=require", f"--tls-certificates={mine}", "--tls-verify-peer")
    with nbdkit_file(tmp_path / "a.luks", *options) as port:
        key = "<encryption format='luks'><secret type='passphrase' usage='a'/></encryption>"
        served = Served("protocol='nbd' name='' tls='yes'", host(port) + key, "")
        vm = document(tmp_path, served.disk().replace("type='qcow2'", "type='raw'"))

        def tried(directory: Path) -> Outcome:
            key = f"a=file:{tmp_path}/key"
            return diskchain("secrets", "--try", "--secret", key, "--tls-dir", directory, vm, seconds=SECONDS)

        assert tried(mine).out.splitlines()[1].endswith("yes")
        assert "could not tell" in tried(other).out


@requires("qemu-storage-daemon")
def test_qemu_takes_the_login_of_rbd() -> None:
    """There is no Ceph here: what comes back is librados saying that nobody is there, not QEMU refusing its arguments."""
    location = NetworkLocation(Protocol.RBD, "pool/image", (NetworkHost(HOST, 1),))
    with Bridge() as bridge, SecretValue(b"key") as password, pytest.raises(StorageError, match="error connecting"):
        bridge(location, 30.0, Credentials("me", password))


def test_a_secret_that_fits_no_layer_is_told(tmp_path: Path, key: Path) -> None:
    served = Served("protocol='iscsi' name='iqn.2014-03.test:a/1'", host(1), "")
    vm = document(tmp_path, served.disk(login()))
    done = diskchain("show", "--remote", vm, "--secret", f"vdb=file:{key}")
    assert (done.code, done.err) == (
        2,
        "diskchain: --secret vdb fits no layer and no secret: a key is wanted by vda[0]\n",
    )
    done = diskchain("show", vm, "--secret", f"vda=file:{key}")
    assert (done.code, "--remote" in done.err) == (2, True)


@requires("qemu-storage-daemon")
def test_of_several_targets_it_is_a_warning(tmp_path: Path, key: Path) -> None:
    served = Served("protocol='iscsi' name='iqn.2014-03.test:a/1'", host(1), "")
    vm = document(tmp_path, served.disk(login()))
    words = ("check", "--remote", vm, "--secret", f"vda=file:{key}")
    done = diskchain(*words, "--secret", f"vdc=file:{key}", seconds=SECONDS)
    assert done.code == 3
    assert done.err == "diskchain: warning: --secret vdc fits no layer and no secret: a key is wanted by vda[0]\n"
    assert diskchain(*words, seconds=SECONDS).err == ""
