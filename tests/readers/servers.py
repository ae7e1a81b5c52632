"""Servers that readers are tried on, each on loopback and ended by its own test: nginx, nbdkit with TLS, tgt, and liars.

Those for backing strings, in `tests.storage.servers`, serve one fixed image; these serve what a test puts into a directory.
"""

import datetime as dt
import ipaddress
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.live.peers import demand
from tests.live.storage import run
from tests.storage.servers import HOST, accepts, free_port, serving

_NGINX = """\
daemon off;
master_process off;
pid {state}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log {state}/asked;
    log_format sent '$http_cookie|$http_authorization|$server_port';
    client_body_temp_path {state}/body;
    proxy_temp_path {state}/proxy;
    fastcgi_temp_path {state}/fastcgi;
    uwsgi_temp_path {state}/uwsgi;
    scgi_temp_path {state}/scgi;
    server {{
        listen {host}:{port};
        listen {host}:{tls_port} ssl;
        ssl_certificate {state}/server-cert.pem;
        ssl_certificate_key {state}/server-key.pem;
        location / {{ root {files}; }}
        location /whole/ {{ alias {files}/; max_ranges 0; }}
        location /private/ {{ alias {files}/; auth_basic "who"; auth_basic_user_file {state}/users; }}
        location /guarded/ {{ alias {files}/; if ($http_cookie != "who=me; what=read") {{ return 403; }} }}
        location ~ ^/moved/(.*) {{ return 302 http://{host}:{other_port}/$1?signed=yes; }}
        location ~ ^/secured/(.*) {{ return 301 https://{host}:{other_tls_port}/$1; }}
        location ~ ^/upgraded/(.*) {{ return 308 https://{host}:{tls_port}/$1; }}
        location ~ ^/renamed/(.*) {{ return 303 /guarded/$1; }}
        location ~ ^/bounced/(.*) {{ return 302 http://{host}:{other_port}/back/$1; }}
        location /circle/ {{ return 302 /circle/; }}
        location /abroad/ {{ return 302 ftp://{host}/; }}
        location /nowhere/ {{ return 302 ""; }}
    }}
    server {{
        listen {host}:{other_port};
        listen {host}:{other_tls_port} ssl;
        ssl_certificate {state}/server-cert.pem;
        ssl_certificate_key {state}/server-key.pem;
        access_log {state}/sent sent;
        location / {{ root {files}; }}
        location ~ ^/back/(.*) {{ return 302 http://{host}:{port}/guarded/$1; }}
    }}
}}
"""


#: Whom the servers let in.
ACCOUNT = ("somebody", "open sesame, please")


class WebServer(NamedTuple):
    """nginx. ``files`` is what it serves at ``/``.

    Below ``/whole/`` it gives no parts, ``/guarded/`` wants two cookies, ``/private/`` the user and password of :data:`ACCOUNT`.
    ``/renamed/`` redirects to ``/guarded/``, ``/upgraded/`` to https, ``/moved/`` and ``/secured/`` to another server, which serves the
    same files at ``other_port`` and ``other_tls_port``, ``/bounced/`` there and back again; ``/circle/`` to itself. ``/abroad/`` and
    ``/nowhere/`` redirect to what is no web server.
    """

    port: int
    tls_port: int
    files: Path
    other_port: int
    other_tls_port: int
    log: Path

    def sent_to_the_other(self) -> list[tuple[str, str]]:
        """The cookies and the login of each request that reached the other server; ``-`` for none."""
        return [(line.split("|")[0], line.split("|")[1]) for line in self.log.read_text().splitlines()]


@contextmanager
def web_server(directory: Path) -> Iterator[WebServer]:
    """Serves over http, and over https with a certificate nobody knows."""
    demand("nginx")
    files, state = directory / "files", directory / "state"
    files.mkdir()
    state.mkdir()
    certificates(state)
    (state / "users").write_text("{}:{{PLAIN}}{}\n".format(*ACCOUNT))
    server = WebServer(free_port(), free_port(), files, free_port(), free_port(), state / "sent")
    config = state / "nginx.conf"
    config.write_text(_NGINX.format(state=state, host=HOST, **server._asdict()))
    with serving(accepts((HOST, server.port)), "nginx", "-c", config, "-e", "stderr"):
        yield server


class IscsiServer(NamedTuple):
    """tgt. ``add(path)`` shows a file as a target and returns its name; ``guard(name)`` has it want a login (CHAP)."""

    port: int
    add: Callable[[Path], str]
    guard: Callable[[str], None]


@contextmanager
def iscsi_server(directory: Path) -> Iterator[IscsiServer]:
    """An iSCSI target daemon in user space."""
    demand("tgtd", "tgtadm", "root")
    port, targets = free_port(), 0
    control = f"TGT_IPC_SOCKET={directory / 'control'}"  # where its administrator finds it; else one place for all of the host

    def admin(*words: str | Path) -> None:
        run("env", control, "tgtadm", "--lld", "iscsi", *words)

    def add(path: Path) -> str:
        nonlocal targets
        targets += 1
        os.truncate(path, -(-path.stat().st_size // 512) * 512)  # tgtd serves whole sectors alone
        name, tid = f"iqn.2014-03.test:{directory.name}-{targets}", str(targets)
        admin("--mode", "target", "--op", "new", "--tid", tid, "--targetname", name)
        admin("--mode", "logicalunit", "--op", "new", "--tid", tid, "--lun", "1", "--backing-store", path)
        admin("--mode", "target", "--op", "bind", "--tid", tid, "--initiator-address", "ALL")
        return name

    def guard(name: str) -> None:
        user, password = ACCOUNT
        if not accounts:
            admin("--mode", "account", "--op", "new", "--user", user, "--password", password)
            accounts.append(user)
        admin("--mode", "account", "--op", "bind", "--tid", name.rpartition("-")[2], "--user", user)

    accounts: list[str] = []
    command = ("env", control, "tgtd", "-f", "--iscsi", f"portal={HOST}:{port}")
    with serving(accepts((HOST, port)), *command):
        yield IscsiServer(port, add, guard)


@contextmanager
def nbdkit_file(path: Path, *options: str, settings: tuple[str, ...] = ()) -> Iterator[int]:
    """Serves one file with nbdkit; yields the port. ``settings`` are those of its filters."""
    demand("nbdkit")
    port = free_port()
    words = ("nbdkit", "-f", "-r", "-i", HOST, "-p", str(port), *options, "file")
    with serving(accepts((HOST, port)), *words, path, *settings):
        yield port


@contextmanager
def qemu_nbd(path: Path, socket_path: Path) -> Iterator[None]:
    """Serves one raw file with qemu-nbd on a unix socket."""
    demand("qemu-nbd")
    command = ("qemu-nbd", "--read-only", "--persistent", "-f", "raw", "-x", "disk", "-k", socket_path, path)
    with serving(accepts(str(socket_path)), *command):
        yield


class Relay(NamedTuple):
    """A way to a server that can be cut."""

    port: int
    cut: Callable[[], None]


@contextmanager
def relay(to: int) -> Iterator[Relay]:
    """Passes on what comes to its own port to the port ``to`` and back, until it is cut."""
    listener = socket.create_server((HOST, 0))
    ends: list[socket.socket] = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                far = socket.create_connection((HOST, to))
                ends.extend((near, far))
                for source, sink in ((near, far), (far, near)):
                    threading.Thread(target=pump, args=(source, sink), daemon=True).start()

    def pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(65536):
                sink.sendall(piece)
            sink.shutdown(socket.SHUT_WR)

    def cut() -> None:
        for end in (listener, *ends):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        listener.close()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        port: int = listener.getsockname()[1]
        yield Relay(port, cut)
    finally:
        cut()
        thread.join(5)
        for end in ends:
            end.close()


@contextmanager
def answering(answer: bytes | None, *, again: int = 0, first: bool = False) -> Iterator[int]:
    """A server that sends ``answer`` to whoever connects (None: nothing at all), and repeats it; yields the port.

    ``first``: it speaks before it is asked.
    """
    listener = socket.create_server((HOST, 0))
    held: list[socket.socket] = []
    stop = threading.Event()

    def serve() -> None:
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                held.append(client)
                threading.Thread(target=talk, args=(client,), daemon=True).start()

    def talk(client: socket.socket) -> None:
        with suppress(OSError):
            if answer is None:
                stop.wait()
                return
            client.settimeout(1)
            if not first:
                with suppress(TimeoutError):
                    client.recv(65536)
            for _ in range(again + 1):
                client.sendall(answer)
            client.shutdown(socket.SHUT_RDWR)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        port: int = listener.getsockname()[1]
        yield port
    finally:
        stop.set()
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)
        for client in held:
            client.close()


def certificates(directory: Path) -> None:
    """An authority and a server and a client it vouches for, in the files QEMU and nbdkit look for."""
    authority_key, authority = _certificate("authority", None)
    (directory / "ca-cert.pem").write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    for name in ("server", "client"):
        key, certificate = _certificate(name, (authority_key, authority))
        (directory / f"{name}-cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        (directory / f"{name}-key.pem").write_bytes(private)


def _certificate(
    name: str, issuer: tuple[ec.EllipticCurvePrivateKey, x509.Certificate] | None
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[1].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if issuer is None:
        usage = x509.KeyUsage(
            digital_signature=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        builder = builder.add_extension(usage, critical=True)
    else:
        names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST)), x509.DNSName("localhost")])
        builder = builder.add_extension(names, critical=False)
    return key, builder.sign(issuer[0] if issuer else key, hashes.SHA256())
