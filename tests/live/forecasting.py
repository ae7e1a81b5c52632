"""What `access` and `check -c` say of a domain of a private libvirtd, asked where that daemon sees its files; and what it then does."""

import ast
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diskchain.access.security.saved_labels import saved_labels
from diskchain.actions.access import ask
from diskchain.actions.operation import START, Wanted
from diskchain.actions.rights_audit import label_findings
from diskchain.actions.target import TargetName
from diskchain.hypervisor.connection import Connection
from tests.access import kernel
from tests.live.access_domains import DOMAIN, disk
from tests.live.daemons import libvirt
from tests.live.forecast_cases import Mount, make_mounts, remove_mounts
from tests.live.private_libvirtd import PrivateLibvirtd, wait_for
from tests.live.storage import QemuImg

URI = "qemu:///system"


@dataclass(frozen=True, slots=True)
class Forecast:
    """What was said before: the verdict on each file, what is in the way, and the ids that `check -c` has for the domain."""

    verdicts: dict[str, str]
    reasons: list[str]
    rules: list[str]
    check: list[str]

    @property
    def works(self) -> bool | None:
        """Whether it works; None: could not tell."""
        if "denied" in self.verdicts.values():
            return False
        return None if "cannot tell" in self.verdicts.values() else True

    @property
    def denied(self) -> list[str]:
        return [path for path, verdict in self.verdicts.items() if verdict == "denied"]


def forecast(daemon: PrivateLibvirtd, name: str, wanted: Wanted = START) -> Forecast:
    """What is said of an operation on a domain, by whoever sees the files as the daemon does."""
    text = kernel.in_a_child(lambda: in_daemon(daemon, lambda: _forecast(name, wanted)))
    return Forecast(*ast.literal_eval(text))


def _forecast(name: str, wanted: Wanted) -> tuple[dict[str, str], list[str], list[str], list[str]]:
    with Connection(URI) as connection:
        findings = label_findings(connection, state=Path("/nonexistent"))
    asked = ask(TargetName(name, connect=URI), wanted, ("vda",))
    accesses = [access for subject in asked.subjects for access in asked.answer(subject)]
    verdicts = {access.need.path or "": str(access.verdict) for access in accesses}
    hindrances = [each for access in accesses for each in access.hindrances]
    return (
        verdicts,
        [f"{each.rule}: {each.reason}" for each in hindrances],
        [str(each.rule) for each in hindrances if not each.unknown],
        [each.id for each in findings if each.referrer == name],
    )


def in_daemon(daemon: PrivateLibvirtd, work: Callable[[], Any]) -> Any:
    """Does `work` where the daemon's mounts are seen; for a forked process."""
    kernel.enter_mounts(daemon.pid)
    return work()


@contextmanager
def circumstances(daemon: PrivateLibvirtd, mounts: tuple[Mount, ...], lock: tuple[str, ...] | None) -> Iterator[None]:
    """Mounts made, and an image held open by another program; both are gone afterwards."""
    kernel.in_a_child(lambda: in_daemon(daemon, lambda: make_mounts(mounts)))
    holder = None
    try:
        if lock is not None and Path(lock[-1]).exists():
            holder = subprocess.Popen(lock, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            wait_for(lambda: holder.poll() is not None or _has_open(holder.pid, Path(lock[-1])), "the lock")
        yield
    finally:
        if holder is not None:
            holder.communicate(b"quit\n")
        kernel.in_a_child(lambda: in_daemon(daemon, lambda: remove_mounts(mounts)))


def _has_open(pid: int, path: Path) -> bool:
    wanted = path.stat().st_ino
    return any(link.exists() and link.stat().st_ino == wanted for link in Path(f"/proc/{pid}/fd").iterdir())


def start(daemon: PrivateLibvirtd, domain: Any) -> str:
    """What libvirt, or QEMU in the domain's log, says against starting it; empty when it starts."""
    try:
        domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    except libvirt.libvirtError as error:
        # libvirt is sometimes too quick to read what QEMU said.
        return f"{error}\n{_last_words(daemon, domain.name())}"
    return ""


def _last_words(daemon: PrivateLibvirtd, name: str) -> str:
    """The last line of the domain's log that QEMU wrote."""
    try:
        lines = (daemon.directory / "log" / "qemu" / f"{name}.log").read_text(errors="replace").splitlines()
    except FileNotFoundError:  # libvirt gave up before it started QEMU
        return ""
    return next((line for line in reversed(lines) if "qemu-system" in line and "-blockdev" in line), "")


def reckoned_boot(daemon: PrivateLibvirtd, directory: Path, qemu_img: QemuImg) -> int:
    """The boot time that this daemon notes on files; 0 when it notes none."""
    path = directory / "noted"
    qemu_img("create", "-q", "-f", "raw", path, "1M")
    path.chmod(0o666)
    domain = daemon.connection.defineXML(DOMAIN.format(name="noted", disks=disk(path, format="raw"), seclabel=""))
    daemon.start_paused(domain)
    noted = [note.timestamp for note in saved_labels(str(path))]
    domain.destroy()
    domain.undefine()
    return noted[0] or 0 if noted else 0


def qemu_user(daemon: PrivateLibvirtd) -> int:
    """The uid that the daemon runs domains without a label as."""
    found = re.search(r"<model>dac</model>.*?<baselabel[^>]*>\+(\d+):", daemon.connection.getCapabilities(), re.DOTALL)
    assert found is not None
    return int(found[1])
