"""Real servers on loopback, each run for the tests that need it and stopped after them: nbdkit, nginx, sshd."""

import ipaddress
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.live.peers import demand
from tests.live.storage import run

#: An address of loopback, 127.0.0.0/8, that no other test run has: a process id has 22 bits. So nobody else's server takes a port
#: between looking for a free one and serving there.
HOST = str(ipaddress.IPv4Address("127.0.0.0") + os.getpid())
_START_SECONDS = 20
_STOP_SECONDS = 5
_POLL_SECONDS = 0.02


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    assert isinstance(port, int)
    return port


@contextmanager
def serving(ready: Callable[[], bool], *command: str | Path) -> Iterator[None]:
    """Run `command` in the foreground until the tests are done with it."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        deadline = time.monotonic() + _START_SECONDS
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                _, complaint = process.communicate()
                pytest.fail(f"{command[0]} does not serve: {complaint.decode(errors='replace')[-1000:]}", pytrace=False)
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        process.terminate()
        try:
            process.communicate(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:  # nbdkit waits for its clients
            process.kill()
            process.communicate()


def accepts(address: tuple[str, int] | str) -> Callable[[], bool]:
    """Whether somebody listens at a port of this host, or at a unix socket."""

    def probe() -> bool:
        with socket.socket(socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX) as client:
            return client.connect_ex(address) == 0

    return probe


class Nbd(NamedTuple):
    """Two NBD servers; each export's content is its own name."""

    port: int
    socket: Path


@contextmanager
def nbd_servers(directory: Path) -> Iterator[Nbd]:
    demand("nbdkit")
    nbd = Nbd(free_port(), directory / "nbd sock")
    with (
        serving(accepts((HOST, nbd.port)), "nbdkit", "-f", "-i", HOST, "-p", str(nbd.port), "info"),
        serving(accepts(str(nbd.socket)), "nbdkit", "-f", "-U", nbd.socket, "info"),
    ):
        yield nbd


class Web(NamedTuple):
    """An HTTP server that answers everything with one image and notes what it was asked for."""

    port: int
    log: Path

    def requests(self) -> list[str]:
        """Paths, queries and cookies asked for since the last call."""
        lines = self.log.read_text().splitlines()
        self.log.write_text("")
        return lines


_NGINX = """\
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log stderr;
events {{}}
http {{
    log_format asked escape=none '$request_uri cookie=$http_cookie';
    access_log {directory}/asked asked;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    server {{
        listen {host}:{port};
        merge_slashes off;
        location / {{ root {directory}; try_files /image.raw =404; }}
    }}
}}
"""


@contextmanager
def web_server(directory: Path) -> Iterator[Web]:
    demand("nginx")
    web = Web(free_port(), directory / "asked")
    config = directory / "nginx.conf"
    config.write_text(_NGINX.format(directory=directory, host=HOST, port=web.port))
    (directory / "image.raw").write_bytes(bytes(8192))
    with serving(accepts((HOST, web.port)), "nginx", "-c", config, "-e", "stderr"):
        yield web


class Sftp(NamedTuple):
    """An ssh server, the user it lets in, the directory relative paths start at, and what a client needs around it."""

    port: int
    user: str
    home: Path
    environment: dict[str, str]


_SSHD = """\
Port {port}
ListenAddress {host}
HostKey {directory}/host
AuthorizedKeysFile {directory}/user.pub
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
Subsystem sftp internal-sftp -d {directory}
"""


@contextmanager
def sftp_server(directory: Path) -> Iterator[Sftp]:
    demand("sshd", "ssh-agent", "ssh-add", "ssh-keygen", "root")
    Path("/run/sshd").mkdir(exist_ok=True)  # where sshd locks its unprivileged half in; a service manager would make it
    port = free_port()
    for key in ("host", "user"):
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", directory / key)
    config, agent = directory / "sshd_config", directory / "agent"
    config.write_text(_SSHD.format(port=port, host=HOST, directory=directory))
    environment = {**os.environ, "SSH_AUTH_SOCK": str(agent)}
    with (
        serving(accepts((HOST, port)), "/usr/sbin/sshd", "-D", "-e", "-f", config),
        serving(accepts(str(agent)), "ssh-agent", "-D", "-a", agent),
    ):
        subprocess.run(["ssh-add", "-q", directory / "user"], env=environment, check=True, timeout=30)
        yield Sftp(port, "root", directory, environment)
