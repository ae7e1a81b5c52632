"""The whole story with a real libvirtd: a commit, the daemon killed in the middle, the domain shut down, and the way back.

And the same story without us, which is why the way back is wanted.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from diskchain.actions.rights_audit import label_findings
from diskchain.findings import Finding, Severity
from diskchain.hypervisor.connection import Connection
from diskchain.qemu.process import qemu_process
from diskchain.system.process import holder_of
from tests.access.verbs import verb
from tests.access.world import State, states_of
from tests.live.access_domains import disk, filled_chain, finish_commit, start, start_slow_commit
from tests.live.peers import requires
from tests.live.private_libvirtd import PrivateLibvirtd
from tests.live.storage import QemuImg

pytestmark = requires("root")

#: VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY | VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA
_DISK_ONLY = 16 | 4


def without_times(states: dict[Path, State]) -> dict[str, tuple[object, ...]]:
    """Owner, mode, ACL and attributes. A merged base was written to, and says so."""
    return {path.name: state[:4] for path, state in states.items()}


def owned_chain(directory: Path, qemu_img: QemuImg) -> list[Path]:
    """Four layers with owners, modes, ACLs and attributes that libvirt would not think of."""
    paths = filled_chain(directory, qemu_img, "top", "upper", "lower", "base")
    for number, path in enumerate(paths):
        os.chown(path, 64200 + number, 64300 + number)
        path.chmod(0o640)
    os.setxattr(paths[2], "security.selinux", b"system_u:object_r:virt_image_t:s0\0")
    os.setxattr(paths[3], "user.note", b"golden")
    return paths


def interrupted_commit(daemon: PrivateLibvirtd, domain: Any, top: Path, base: Path) -> Any:
    """A commit during which the daemon dies; a new one sees it to its end, and the domain is shut down."""
    start_slow_commit(domain, top, base)
    daemon.kill()
    daemon.start()
    domain = daemon.domain("story")
    finish_commit(domain)
    domain.destroy()
    return domain


def shut_down_while_nobody_looks(daemon: PrivateLibvirtd, domain: Any, top: Path, base: Path) -> Any:
    """The daemon dies during the commit, and QEMU before a new one is there."""
    start_slow_commit(domain, top, base)
    process = qemu_process(domain.UUIDString())
    assert process is not None
    holder = holder_of(process)
    assert holder is not None
    daemon.kill()
    os.kill(process, 15)
    from tests.live.private_libvirtd import wait_for

    wait_for(lambda: not holder.alive(), "QEMU to end")
    daemon.start()
    return daemon.domain("story")


ENDINGS = [interrupted_commit, shut_down_while_nobody_looks]


@pytest.mark.parametrize("ending", ENDINGS)
def test_without_us_the_layers_stay_with_qemu(
    ending: Callable[..., Any], private_libvirtd: PrivateLibvirtd, image_dir: Path, qemu_img: QemuImg
) -> None:
    top, upper, lower, base = paths = owned_chain(image_dir, qemu_img)
    before = without_times(states_of(paths))
    domain = start(private_libvirtd, "story", disk(top))
    ending(private_libvirtd, domain, upper, lower)
    after = without_times(states_of(paths))
    drifted = {name for name in before if before[name] != after[name]}
    assert drifted >= {upper.name, lower.name, base.name}


@pytest.mark.parametrize("ending", ENDINGS)
def test_with_us_every_file_gets_back_what_it_had(
    ending: Callable[..., Any],
    private_libvirtd: PrivateLibvirtd,
    image_dir: Path,
    qemu_img: QemuImg,
    tmp_path: Path,
) -> None:
    top, upper, lower, base = paths = owned_chain(image_dir, qemu_img)
    before = without_times(states_of(paths))
    state = ("--state", tmp_path / "state")
    granted = verb("grant", top, "--as", "libvirt-qemu", "--for", "commit", "--policy", "libvirt", "--apply", *state)
    assert granted.code == 0, granted
    domain = start(private_libvirtd, "story", disk(top))
    ending(private_libvirtd, domain, upper, lower)
    reverted = verb("revert", *state)
    assert reverted.code == 0, reverted
    assert without_times(states_of(paths)) == before
    assert verb("revert", *state).out == "nothing is granted\n"
    assert base.exists()


def test_rights_stay_while_the_domain_runs_and_go_when_it_ends(
    private_libvirtd: PrivateLibvirtd, image_dir: Path, qemu_img: QemuImg, tmp_path: Path
) -> None:
    top, upper, lower, _ = paths = owned_chain(image_dir, qemu_img)
    before = without_times(states_of(paths))
    state = ("--state", tmp_path / "state")
    assert (
        verb("grant", top, "--as", "libvirt-qemu", "--for", "commit", "--policy", "libvirt", "--apply", *state).code
        == 0
    )
    domain = start(private_libvirtd, "story", disk(top))
    start_slow_commit(domain, upper, lower)
    during = without_times(states_of(paths))
    for words in ((), ("1",)):
        kept = verb("revert", *words, *state)
        assert kept.code == 1
        assert kept.out.count("kept, in use") == len(paths)
        assert without_times(states_of(paths)) == during
    finish_commit(domain)
    domain.destroy()
    assert verb("revert", *state).code == 0
    assert without_times(states_of(paths)) == before


def test_the_way_to_a_running_domain_s_files_stays_open_and_a_snapshot_beside_them_works(
    private_libvirtd: PrivateLibvirtd, image_dir: Path, qemu_img: QemuImg, tmp_path: Path
) -> None:
    closed = image_dir / "closed"
    closed.mkdir(mode=0o700)
    top, *_ = paths = filled_chain(closed, qemu_img, "top", "base")
    before = without_times(states_of([closed, *paths]))
    state = ("--state", tmp_path / "state")
    assert verb("grant", top, "--as", "libvirt-qemu", "--apply", *state).code == 0
    domain = start(private_libvirtd, "story", disk(top))
    for words in ((), ("1",)):
        kept = verb("revert", *words, *state)
        assert kept.code == 1
        assert f"{closed}: kept, in use: it is the way to {top}" in kept.out
    overlay = f"<disk name='vda' snapshot='external'><source file='{closed / 'new'}'/></disk>"
    domain.snapshotCreateXML(f"<domainsnapshot><disks>{overlay}</disks></domainsnapshot>", _DISK_ONLY)
    kept = verb("revert", *state)
    assert f"{closed}: kept, in use" in kept.out
    domain.destroy()
    assert verb("revert", *state).code == 0
    assert without_times(states_of([closed, *paths])) == before


@pytest.mark.parametrize("ending", ENDINGS)
def test_a_grant_to_a_running_domain_gives_the_top_back_to_whom_libvirt_noted(
    ending: Callable[..., Any],
    private_libvirtd: PrivateLibvirtd,
    image_dir: Path,
    qemu_img: QemuImg,
    tmp_path: Path,
) -> None:
    top, upper, lower, _ = paths = owned_chain(image_dir, qemu_img)
    before = without_times(states_of([top]))
    domain = start(private_libvirtd, "story", disk(top))
    running = without_times(states_of(paths))
    state = ("--state", tmp_path / "state")
    words = ("-c", private_libvirtd.uri, "story", "-d", "vda", "--for", "commit", "--top", "1", "--base", "2")
    granted = verb("grant", *words, "--apply", *state)
    assert granted.code == 0, granted
    assert "whose they were before is not recorded" in granted.out
    assert "its process still runs" in verb("revert", *state).out
    assert verb("revert", "1", *state).code == 1  # the top is being written
    assert without_times(states_of(paths)) == running
    verb("grant", *words, "--apply", *state)
    ending(private_libvirtd, domain, upper, lower)
    assert verb("revert", *state).code == 0
    assert without_times(states_of([top])) == before


def test_a_running_domain_s_commit_is_judged_by_its_own_user_and_locks(
    private_libvirtd: PrivateLibvirtd, image_dir: Path, qemu_img: QemuImg
) -> None:
    top, upper, lower, _ = owned_chain(image_dir, qemu_img)
    domain = start(private_libvirtd, "story", disk(top))
    words = ("-c", private_libvirtd.uri, "story", "-d", "vda", "--for", "commit", "--top", upper, "--base", lower)
    allowed = verb("access", *words)
    assert allowed.code == 0, allowed
    lower.chmod(0o440)
    denied = verb("access", *words)
    assert denied.code == 1
    assert "libvirt-qemu lacks +w" in denied.out
    assert f"chmod u+w -- {lower}" in denied.out
    # QEMU is of the same opinion.
    with pytest.raises(Exception, match="Permission denied"):
        domain.blockCommit("vda", str(lower), str(upper), 0, 0)


def test_findings_about_all_domains_of_the_host(
    private_libvirtd: PrivateLibvirtd, image_dir: Path, qemu_img: QemuImg, tmp_path: Path
) -> None:
    paths = top, upper, lower, _ = owned_chain(image_dir, qemu_img)
    domain = start(private_libvirtd, "story", disk(top))

    def found() -> dict[str, list[Finding]]:
        with Connection(private_libvirtd.uri) as connection:
            findings = label_findings(connection, state=tmp_path / "state")
        ids: dict[str, list[Finding]] = {}
        for finding in findings:
            ids.setdefault(finding.id, []).append(finding)
        return ids

    assert found() == {}
    shut_down_while_nobody_looks(private_libvirtd, domain, upper, lower)
    (left,) = found()["label-left-behind"]
    assert left.severity is Severity.INFO
    assert left.message.startswith("3 backing files still belong to libvirt-qemu:")
    assert all(str(path) in left.message for path in paths[1:])
    closed = image_dir / "closed"
    closed.mkdir(mode=0o700)
    moved = top.rename(closed / "top.qcow2")
    xml = domain_xml(private_libvirtd, str(top), str(moved))
    private_libvirtd.connection.defineXML(xml)
    assert [Path(each.file or "").name for each in found()["access-denied"]] == ["top.qcow2"]


def domain_xml(daemon: PrivateLibvirtd, old: str, new: str) -> str:
    xml: str = daemon.domain("story").XMLDesc(0)
    assert old in xml
    return xml.replace(old, new)
