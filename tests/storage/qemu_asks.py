"""What QEMU asks of librados, libgfapi, libnfs and libiscsi for a reference, and the same said from ours, to be compared.

No server is needed: `qemu_asks.c` stands between QEMU and the libraries and reports the names that QEMU hands over.
"""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple

from tests.live.storage import run

from diskchain.storage.location import NetworkHost, NetworkLocation
from diskchain.storage.protocol_options import NfsOptions, RbdOptions
from diskchain.storage.reference.rbd import KEY_VALUES
from diskchain.storage.reference.value import Reference
from diskchain.storage.terms import Protocol, Transport
from diskchain.versions import Versions

_SOURCE = Path(__file__).with_name("qemu_asks.c")
_SECRET_OPTIONS = ("key", "password")
#: The call at which a library would open something: without it QEMU refused the string by itself.
_LAST_CALLS = ("image", "path", "portal")
#: QEMU leaves IPv6 addresses in brackets when a gluster or nfs URI had them; the libraries want them without.
_BRACKETS = re.compile(r"\[(.*)\]")


class Asked(NamedTuple):
    """What is opened. ``servers`` as ``TRANSPORT HOST:PORT``; ``options`` are librados'; ``user`` logs in."""

    name: tuple[str, ...]
    servers: tuple[str, ...] = ()
    user: str = ""
    secret: bool = False
    snapshot: str = ""
    config: str = ""
    options: tuple[tuple[str, str], ...] = ()


class Listener:
    """Asks qemu-img to open references."""

    def __init__(self, directory: Path, versions: Versions) -> None:
        self.versions = versions
        self._library = directory / "qemu_asks.so"
        run("gcc", "-shared", "-fPIC", "-o", self._library, _SOURCE)

    def ask(self, text: str) -> Asked | None:
        """What QEMU asks for; None when it refuses the string."""
        done = subprocess.run(
            ["qemu-img", "info", text],
            env={**os.environ, "LD_PRELOAD": str(self._library)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            check=False,
            timeout=30,
        )
        assert done.returncode == 1, done.stderr  # nothing was opened, and nothing crashed
        reports = os.fsdecode(done.stderr).split("\x1e")[1::2]
        calls = [tuple(report.split("\x1f")) for report in reports]
        return _understood(calls) if calls and calls[-1][0] in _LAST_CALLS else None


def _understood(calls: list[tuple[str, ...]]) -> Asked:
    said: dict[str, tuple[str, ...]] = {call[0]: call[1:] for call in calls}
    if "pool" in said:
        options = {call[1]: call[2] for call in calls if call[0] == "set"}
        del options["rbd_cache"]
        monitors = options.pop("mon_host", "")
        secret = [options.pop(key, None) for key in _SECRET_OPTIONS]
        image, snapshot = said["image"]
        return Asked(
            (*said["pool"], *said.get("namespace", ("",)), image),
            tuple(f"tcp {part}" for part in re.split("[,; ]+", monitors.strip(",; ")) if part),
            said["user"][0],
            any(value is not None for value in secret),
            snapshot,
            said["conf"][0],
            tuple(options.items()),
        )
    if "volume" in said:
        servers = tuple(_server(*call[1:]) for call in calls if call[0] == "server")
        return Asked((*said["volume"], *said["path"]), servers)
    if "mount" in said:
        host, export = said["mount"]
        host = _BRACKETS.sub(r"\1", host)
        user = ":".join(said.get(key, ("",))[0] for key in ("uid", "gid"))
        return Asked((export + said["path"][0],), (f"tcp {host}",), user)
    portal, unit = said["portal"]
    user, password = said.get("login", ("", ""))
    port = "" if re.search(r":[0-9]+\Z", re.sub(r"\[.*\]", "", portal)) else ":3260"
    return Asked((*said["target"], unit), (f"tcp {portal}{port}",), user, bool(password))


def _server(transport: str, host: str, port: str) -> str:
    if transport == "unix":
        return f"unix {host}"
    bare = _BRACKETS.sub(r"\1", host)
    return f"tcp {bare}:{port}"


def as_asked(reference: Reference) -> Asked:
    """What a library would be asked for, were `reference` to be opened."""
    location = reference.location
    assert isinstance(location, NetworkLocation)
    secret = "password" in reference.credentials or "key" in reference.credentials
    servers = tuple(
        _shown(host, bracketed=location.protocol not in (Protocol.GLUSTER, Protocol.NFS)) for host in location.hosts
    )
    name = location.name or ""
    if location.protocol is Protocol.RBD:
        pool, _, image = name.partition("/")
        namespace, slash, inner = image.partition("/")
        pairs = json.loads(str(dict(reference.unknown).get(KEY_VALUES, "[]")))
        options = dict(zip(pairs[::2], pairs[1::2], strict=True))
        rich = options.pop("mon_host", "")
        servers += tuple(f"tcp {part}" for part in re.split("[,; ]+", rich.strip(",; ")) if part)
        return Asked(
            (pool, namespace if slash else "", inner if slash else image),
            servers,
            location.options.user or "" if isinstance(location.options, RbdOptions) else "",
            secret,
            location.snapshot or "",
            location.config_file or "",
            tuple(options.items()),
        )
    if location.protocol is Protocol.NFS:
        ids = location.options if isinstance(location.options, NfsOptions) else NfsOptions()
        user = ":".join((each or "").removeprefix("+") for each in (ids.user, ids.group))
        return Asked((name,), servers, user)
    if location.protocol is Protocol.ISCSI:
        # Nobody is logged in without a password.
        return Asked(tuple(name.rsplit("/", 1)), servers, reference.user or "" if secret else "", secret)
    return Asked(tuple(name.split("/", 1)), servers)


def _shown(host: NetworkHost, *, bracketed: bool) -> str:
    if host.transport is Transport.UNIX:
        return f"unix {host.socket}"
    name = f"[{host.name}]" if bracketed and ":" in (host.name or "") else host.name
    # QEMU has fallen back from RDMA to TCP since 2.8, on gluster's usual port.
    port = 24007 if host.transport is Transport.RDMA and host.port is None else host.port
    return f"tcp {name}" if port is None else f"tcp {name}:{port}"
