"""The libvirt daemon behind a connection: which process it is, whose, and what it was configured with.

Asks the kernel who listens at the other end of the connection's socket, and the daemon's own root directory for its files. Knows
no domain. Source: libvirt ``daemon/`` and ``qemu_driver.c`` (``qemuConnectURIProbe``: a daemon of root's serves the system).
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from diskchain.hypervisor.qemu_conf import QemuConf, read_qemu_conf
from diskchain.qemu.process import runs_domain
from diskchain.system.process_rights import credentials, started_at
from diskchain.system.unix_peer import Peer

_PROGRAMS: Final = ("virtqemud", "libvirtd")
#: Where libvirtd of the system keeps the process id of each guest (``virPidFileBuildPath`` of ``cfg->stateDir``).
SYSTEM_STATE: Final = "/run/libvirt/qemu"
_MOST_DIGITS: Final = 20
#: The process that listens for every service under systemd.
_INIT: Final = 1
#: A file that is newer than its daemon by less is what the daemon has read: clocks of files are coarse.
_TOLERANCE: Final = 2.0


@dataclass(frozen=True, slots=True)
class Daemon:
    """``pid`` None: it is not seen here. ``uid`` None: nobody can tell. ``settings``: what it was configured with, as far as that is known.

    ``root``: the directory that it sees as ``/``, empty when it is ours. ``state``: where it keeps the process ids of its guests.
    """

    pid: int | None
    uid: int | None
    gid: int | None
    settings: QemuConf
    root: str = ""
    state: str = SYSTEM_STATE

    @property
    def is_session(self) -> bool:
        """Whether it is a user's own: QEMU runs as that user, and no file is given to anybody."""
        return bool(self.uid)

    def process_of(self, domain: str, uuid: str | None) -> int | None:
        """The QEMU that runs ``domain`` now, by the daemon's own note of it; None when there is none, or the note is old.

        Any process may call itself a domain's QEMU on its command line, so that alone is not believed.
        """
        return noted_process(f"{self.root}{self.state}", domain, uuid, self.uid or 0)


def daemon_behind(peers: Iterable[Peer]) -> Daemon:
    """The daemon at the other end of a connection's sockets ``peers``. Never raises."""
    peer = next(iter(peers), None)
    if peer is None:
        return Daemon(None, None, None, QemuConf(problem="the daemon is not on this host"))
    pid = peer.pid if peer.pid > _INIT else _running(peer.uid)
    root = "" if pid is None or _is_ours(pid) else f"/proc/{pid}/root"
    settings = read_qemu_conf(root)
    began = None if pid is None else started_at(pid)
    if began is not None and settings.modified is not None and settings.modified > began + _TOLERANCE:
        settings = QemuConf(problem=f"{settings.path} has changed since the daemon started")
    state = f"{os.path.dirname(peer.path)}/qemu/run" if peer.uid else SYSTEM_STATE
    return Daemon(pid, peer.uid, peer.gid, settings, root, state)


def noted_process(state: str, domain: str, uuid: str | None, owner: int) -> int | None:
    """The process in the note on ``domain`` in the directory ``state``, if ``owner`` wrote that and the process fits it."""
    if not domain or "/" in domain or uuid is None:
        return None
    try:
        with Path(f"{state}/{domain}.pid").open("rb") as stream:
            writer, text = os.fstat(stream.fileno()).st_uid, stream.read(_MOST_DIGITS + 1)
    except (OSError, ValueError):
        return None
    if writer != owner or not text.strip().isdigit():
        return None
    pid = int(text)
    return pid if runs_domain(pid, uuid) else None


def _running(uid: int) -> int | None:
    """The daemon of ``uid`` among all processes, if there is exactly one."""
    found = []
    for process in Path("/proc").iterdir():
        with suppress(OSError):
            if process.name.isdigit() and (process / "comm").read_text().strip() in _PROGRAMS:
                who = credentials(int(process.name))
                found += [int(process.name)] if who is not None and who.uid == uid else []
    return found[0] if len(found) == 1 else None


def _is_ours(pid: int) -> bool:
    """Whether the process sees the mounts that we see; also when we may not ask, as then we may not look there either."""
    try:
        ours, its = Path("/proc/self/ns/mnt").readlink(), Path(f"/proc/{pid}/ns/mnt").readlink()
    except OSError:
        return True
    return ours == its
