"""Generated domains, each with a fault: `access` and `check -c` say beforehand what starting them with a real libvirtd does.

DISKCHAIN_FORECASTS sets how many domains are tried with each configuration of the daemon.
"""

import ast
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from diskchain.access.security.saved_labels import saved_labels
from diskchain.actions.access import ask
from diskchain.actions.rights_audit import label_findings
from diskchain.actions.target import TargetName
from diskchain.hypervisor.connection import Connection
from tests.access import kernel
from tests.live.access_domains import DOMAIN, disk
from tests.live.daemons import libvirt
from tests.live.forecast_cases import OTHER, Case, make_mounts, qemu_user, remove_mounts
from tests.live.peers import requires
from tests.live.private_libvirtd import PrivateLibvirtd, started, wait_for
from tests.live.storage import QemuImg

pytestmark = [requires("root", "qemu-io", "bindfs", "chattr"), pytest.mark.timeout(3600)]

URI = "qemu:///system"
_CASES = int(os.environ.get("DISKCHAIN_FORECASTS", "20"))
CONFIGURATIONS = {
    "as shipped": "remember_owner = 1",
    "no dynamic ownership": "dynamic_ownership = 0",
    "root": 'user = "root"\ngroup = "root"',
    "forgetful, another user": 'user = "daemon"\ngroup = "kvm"\nremember_owner = 0',
}


@dataclass(frozen=True, slots=True)
class Forecast:
    """What was said before: the verdict on each file, the reason, and the ids that `check -c` has for the domain."""

    verdicts: dict[str, str]
    reasons: list[str]
    rules: list[str]
    check: list[str]

    @property
    def starts(self) -> bool | None:
        if "denied" in self.verdicts.values():
            return False
        return None if "cannot tell" in self.verdicts.values() else True


@pytest.fixture(scope="module", params=CONFIGURATIONS)
def daemon(request: pytest.FixtureRequest) -> Iterator[PrivateLibvirtd]:
    with started(CONFIGURATIONS[request.param]) as private:
        yield private


@contextmanager
def prepared(daemon: PrivateLibvirtd, case: Case) -> Iterator[Any]:
    """The case as a defined domain, its mounts made and its image locked; all of it is gone afterwards."""
    xml = DOMAIN.format(name=case.name, disks=case.disks, seclabel=case.seclabel)
    kernel.in_a_child(lambda: in_daemon(daemon, lambda: make_mounts(case.mounts)))
    holder = None
    try:
        if case.lock is not None and Path(case.lock[-1]).exists():
            holder = subprocess.Popen(case.lock, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            wait_for(lambda: holder.poll() is not None or has_locked(case, holder), "the lock")
        domain = daemon.connection.defineXML(xml)
        yield domain
        with suppress(libvirt.libvirtError):
            domain.destroy()
        domain.undefine()
    finally:
        if holder is not None:
            holder.communicate(b"quit\n")
        kernel.in_a_child(lambda: in_daemon(daemon, lambda: remove_mounts(case.mounts)))
        case.clear()


def has_locked(case: Case, holder: "subprocess.Popen[bytes]") -> bool:
    assert case.lock is not None
    wanted = Path(case.lock[-1]).stat().st_ino
    return any(link.exists() and link.stat().st_ino == wanted for link in Path(f"/proc/{holder.pid}/fd").iterdir())


def in_daemon(daemon: PrivateLibvirtd, work: Callable[[], Any]) -> Any:
    """Does `work` where the daemon's mounts are seen; for a forked process."""
    kernel.enter_mounts(daemon.pid)
    return work()


def forecast(daemon: PrivateLibvirtd, name: str) -> Forecast:
    """What `access` and `check -c` say of a domain, as the daemon sees the files."""
    text = kernel.in_a_child(lambda: in_daemon(daemon, lambda: _forecast(name)))
    return Forecast(*ast.literal_eval(text))


def _forecast(name: str) -> tuple[dict[str, str], list[str], list[str], list[str]]:
    with Connection(URI) as connection:
        findings = label_findings(connection, state=Path("/nonexistent"))
    asked = ask(TargetName(name, URI))
    accesses = [access for subject in asked.subjects for access in asked.answer(subject)]
    verdicts = {access.need.path or "": str(access.verdict) for access in accesses}
    hindrances = [each for access in accesses for each in access.hindrances]
    return (
        verdicts,
        [f"{each.rule}: {each.reason}" for each in hindrances],
        [str(each.rule) for each in hindrances if not each.unknown],
        [str(each.id) for each in findings if each.referrer == name],
    )


def start(domain: Any) -> str:
    """What libvirt says against starting the domain, empty when it starts."""
    try:
        domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    except libvirt.libvirtError as error:
        return str(error)
    return ""


def last_words(daemon: PrivateLibvirtd, name: str) -> str:
    """The last line of the domain's log that QEMU wrote."""
    try:
        lines = (daemon.directory / "log" / "qemu" / f"{name}.log").read_text(errors="replace").splitlines()
    except FileNotFoundError:  # libvirt gave up before it started QEMU
        return ""
    return next((line for line in reversed(lines) if "qemu-system" in line and "-blockdev" in line), "")


def agrees(case: Case, said: Forecast, problem: str) -> bool:
    """Whether libvirt does what was said, about a file that was said; and `check -c` says what `access` does."""
    in_check = bool({"access-denied", "image-locked"} & set(said.check))
    told_elsewhere = bool(said.rules) and all(rule == "path" for rule in said.rules)
    if said.starts is None:
        return any(mount.kind == "fuse" for mount in case.mounts) or (is_counted(case, said) and not in_check)
    if said.starts:
        return not problem and not in_check
    denied = [path for path, verdict in said.verdicts.items() if verdict == "denied"]
    return any(path in problem for path in denied) and in_check is not told_elsewhere


def is_counted(case: Case, said: Forecast) -> bool:
    return "a_note_that_counts_a_user" in case.about and any(reason.startswith("owner:") for reason in said.reasons)


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


def base_label(daemon: PrivateLibvirtd) -> str:
    """The DAC label that the daemon gives domains without one."""
    found = re.search(r"<model>dac</model>.*?<baselabel[^>]*>([^<]*)<", daemon.connection.getCapabilities(), re.DOTALL)
    assert found is not None
    return found[1]


def test_a_start_is_forecast(daemon: PrivateLibvirtd, image_dir: Path, qemu_img: QemuImg) -> None:
    user = qemu_user(base_label(daemon))
    boot = reckoned_boot(daemon, image_dir, qemu_img)
    wrong, unsure = [], 0
    outcomes = {True: 0, False: 0}
    for seed in range(_CASES):
        case = Case(seed, image_dir, qemu_img, (0, user, OTHER), boot)
        with prepared(daemon, case) as domain:
            said = forecast(daemon, case.name)
            problem = start(domain)
            # libvirt is sometimes too quick to read what QEMU said.
            problem += f"\n{last_words(daemon, case.name)}" if problem else ""
        outcomes[not problem] += 1
        unsure += said.starts is None
        wrong += [] if agrees(case, said, problem) else [f"{case.name} {case.about} {said} {problem}"]
    assert not wrong, "\n".join(wrong)
    assert unsure <= _CASES // 10, f"{unsure} of {_CASES} could not be told"
    assert min(outcomes.values()) > _CASES // 10, outcomes  # neither answer is rare
