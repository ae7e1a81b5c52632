"""Whose access a question is about: the sources asked in their order, and what follows for what libvirt gives."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from diskchain.access.actor import Actor, Libvirtd, Origin
from diskchain.access.evidence import Present
from diskchain.access.image_locks import Holder, ImageLocks, Right
from diskchain.access.judge import Verdict, judge
from diskchain.access.kernel.chown_check import Giving
from diskchain.access.kernel.identity import ALL_CAPABILITIES, Identity
from diskchain.access.kernel.path_facts import Inode, Kind, PathFacts
from diskchain.access.kernel.path_walk import walk_path
from diskchain.access.requirements import Access, Need, Role
from diskchain.access.security.relabelled import Owner, as_relabelled
from diskchain.actions.actor import Acting, Host, acting_for
from diskchain.errors import DiskchainError, PeerError, UsageError
from diskchain.hypervisor.configuration_file import Setting
from diskchain.hypervisor.daemon import Daemon
from diskchain.hypervisor.domain_log import opened_before
from diskchain.hypervisor.qemu_conf import PATH, QemuConf, read_qemu_conf
from diskchain.libvirtxml.documents.domain_labels import DomainLabels, parse_domain_labels
from diskchain.qemu.process import domain_of
from diskchain.storage.location import FileLocation
from diskchain.storage.source import Source
from diskchain.system.process_rights import credentials, open_files
from diskchain.versions import Version, Versions
from tests.live.peers import requires

UUID = "5d0bd0a4-2c1a-4f5f-8f0c-9d2b3f3f0a11"
LABEL = "+64999:+64998"


def labels(seclabel: str = "", *, running: bool = False) -> DomainLabels:
    found = parse_domain_labels(
        f"<domain{' id=' + repr('1') if running else ''}><name>web</name><uuid>{UUID}</uuid>{seclabel}</domain>"
    )
    assert found is not None
    return found


def system(label: str | None = "+107:+107", *, version: Version = (9, 0), **settings: object) -> Host:
    conf = QemuConf(**{name: Setting(name, value, 7) for name, value in settings.items()})  # type: ignore[arg-type]
    return Host("qemu:///system", label, Daemon(1, 0, 0, conf), Versions(version))


STATIC = f"<seclabel type='static' model='dac'><label>{LABEL}</label></seclabel>"


def known(acting: Acting) -> tuple[int, Origin]:
    return acting.actor.identity.uid, acting.actor.origin


def test_a_seclabel_comes_before_the_connection_and_that_before_its_settings() -> None:
    assert known(acting_for(labels(STATIC), system(user="daemon"))) == (64999, Origin.SECLABEL)
    assert known(acting_for(labels(), system())) == (107, Origin.CAPABILITIES)
    session = Host("qemu:///session", None, Daemon(5, 1000, 1000, QemuConf()), Versions((9, 0)))
    assert known(acting_for(labels(STATIC), session)) == (1000, Origin.SESSION)


def test_a_setting_is_named_by_its_line_and_only_where_the_daemon_has_read_it() -> None:
    agreed = acting_for(labels(), system("+1:+1", user="daemon"))
    assert known(agreed) == (1, Origin.CONFIGURATION)
    assert agreed.actor.where == f"{PATH}:7"
    assert known(acting_for(labels(), system("+107:+107", user="daemon"))) == (107, Origin.CAPABILITIES)


def test_what_is_asked_for_comes_before_everything() -> None:
    assert known(acting_for(labels(STATIC), system(), who="+5")) == (5, Origin.ASKED)


def test_nobody_is_guessed() -> None:
    with pytest.raises(PeerError, match="does not tell"):
        acting_for(labels(), system(None))
    with pytest.raises(DiskchainError):
        acting_for(labels(), Host(daemon=Daemon(None, None, None, QemuConf())))


@requires("root")  # whose daemon is the system's
def test_a_running_process_is_taken_as_it_is(tmp_path: Path) -> None:
    owner = os.geteuid()
    daemon = Daemon(1, owner, os.getegid(), QemuConf(), state=str(tmp_path))
    host = Host("qemu:///system", "+107:+107", daemon, Versions((9, 0)))
    file = tmp_path / "image"
    file.write_bytes(b"x")
    code = "import sys; f=open(sys.argv[1],'r+b'); print('ready', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, str(file), "-uuid", UUID, "-x"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        asked = labels(STATIC, running=True)
        assert acting_for(asked, host).actor.origin is Origin.SECLABEL  # anybody may call themselves a domain's QEMU
        (tmp_path / "web.pid").write_text(f"{process.pid}\n")
        acting = acting_for(asked, host)
        assert (acting.process, acting.actor.origin) == (process.pid, Origin.PROCESS)
        seen = credentials(os.getpid())
        assert seen is not None
        assert acting.actor.identity.uid == seen.uid == os.geteuid()
        assert acting.actor.identity.groups == seen.groups | {seen.gid}
        inode = walk_path(str(file)).file
        assert inode is not None
        opened = open_files(process.pid, {inode.number})
        assert Actor(acting.actor.identity, opened=opened).has_open(inode, writable=True)
        process.communicate(b"")
    assert acting_for(labels(STATIC, running=True), host).process is None


def test_a_qemu_of_root_keeps_its_capabilities_where_that_is_known() -> None:
    now = acting_for(labels(), system("+0:+0")).actor
    assert (now.identity.capabilities, now.maybe) == (ALL_CAPABILITIES, ())
    before = acting_for(labels(), system("+0:+0", version=(4, 0))).actor
    assert [each.capabilities for each in before.maybe] == [frozenset()]
    told = acting_for(labels(), system("+0:+0"), capabilities=False).actor
    assert (told.identity.capabilities, told.maybe) == (frozenset(), ())


def test_what_libvirt_gives_follows_from_the_settings() -> None:
    def gives(host: Host) -> bool | None:
        libvirtd = acting_for(labels(STATIC), host).actor.libvirtd
        assert libvirtd is not None
        return libvirtd.gives

    assert gives(system()) is True
    assert gives(system(dynamic_ownership=1)) is True
    assert gives(system(dynamic_ownership=0)) is False
    assert gives(Host("qemu:///system", None, Daemon(1, 0, 0, QemuConf(problem="no")))) is None
    session = acting_for(labels(), Host("qemu:///session", None, Daemon(5, 1000, 1000, QemuConf())))
    assert session.domain is None
    assert session.actor.libvirtd is not None
    assert session.actor.libvirtd.gives is False


def test_a_file_that_is_the_user_s_already_need_not_be_given() -> None:
    inode = Inode("/i", Kind.FILE, 1, 1, 5, 6, 0o600)
    assert Libvirtd(gives=False, because="off").give(inode, 5, 6).works is True
    assert Libvirtd(gives=False, because="off").give(inode, 5, 7) == Giving(works=False, reason="off")
    assert Libvirtd(gives=None, because="unread").give(inode, 5, 7) == Giving(works=None, reason="unread")
    assert Libvirtd(Identity(0, 0)).give(inode, 5, 7).works is True


@pytest.mark.parametrize(
    ("text", "problem"),
    [("user = 5", "user is no string"), ("dynamic_ownership = 'no'", "neither 0 nor 1"), ("user 'x'", "expecting")],
)
def test_a_file_that_libvirt_refuses_says_nothing(text: str, problem: str, tmp_path: Path) -> None:
    path = Path(f"{tmp_path}{PATH}")
    path.parent.mkdir(parents=True)
    path.write_text(text)
    found = read_qemu_conf(str(tmp_path))
    assert problem in (found.problem or "")
    assert (found.user, found.dynamic_ownership) == (None, None)


def test_no_file_means_that_nothing_is_set(tmp_path: Path) -> None:
    assert read_qemu_conf(str(tmp_path)) == QemuConf()


def test_a_file_that_may_not_be_read_is_a_problem_and_no_default(tmp_path: Path) -> None:
    assert read_qemu_conf(f"{tmp_path}/gone").problem is not None


def test_files_in_a_log_are_those_that_qemu_was_given(tmp_path: Path) -> None:
    log = Path(f"{tmp_path}/var/log/libvirt/qemu/web.log")
    log.parent.mkdir(parents=True)
    log.write_bytes(
        b"""-blockdev '{"driver":"file","filename":"/i/a \\"b\\".qcow2","node-name":"n"}' \\\n"""
        b"""-blockdev '{"driver":"file","filename":"/i/base"}' \\\n\xff"filename":"cut"""
    )
    assert opened_before("web", str(tmp_path)) == {'/i/a "b".qcow2', "/i/base"}
    assert opened_before("other", str(tmp_path)) == opened_before("../web", str(tmp_path)) == frozenset()


def test_a_usage_error_says_what_to_do_without_a_connection() -> None:
    host = Host(daemon=None)
    if host.settings.user is None:  # this host's own qemu.conf would say
        with pytest.raises(UsageError, match="--as"):
            acting_for(labels(), host)


def test_a_lock_that_may_be_the_running_domain_s_own_denies_nothing() -> None:
    locks = ImageLocks(used=frozenset({Right.WRITE}), unshared=frozenset({Right.WRITE}))
    there = Present(PathFacts("/i", file=Inode("/i", Kind.FILE, 1, 1, 5, 5, 0o600)), locks=locks)
    need = Need(Source(FileLocation("/i")), 0, Role.ACTIVE, Access.WRITE, "it is asked for")
    stopped = Actor(Identity(5, 5))
    assert judge([need], lambda _: there, stopped)[0].verdict is Verdict.DENIED
    assert judge([need], lambda _: there, replace(stopped, running=True))[0].verdict is Verdict.UNKNOWN
    seen = replace(there, locks=replace(locks, holders=(Holder(7, "qemu-img"),)))
    (found,) = judge([need], lambda _: seen, replace(stopped, running=True))
    assert found.verdict is Verdict.DENIED
    assert found.first is not None
    assert "qemu-img (process 7)" in found.first.reason


def test_the_holder_of_a_lock_is_named_by_its_domain() -> None:
    assert str(Holder(7, "qemu-system-x86", "web")) == "domain web (process 7)"
    code = "import sys; print('ready', flush=True); sys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "-name", "guest=a,,b,debug-threads=on", "-S"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        assert domain_of(process.pid) == "a,b"
        process.communicate(b"")
    assert domain_of(os.getpid()) is None


def test_a_data_file_that_could_not_be_given_away_stays_whichever_libvirt_it_is() -> None:
    file = Inode("/images/data", Kind.FILE, 1, 2, 64997, 64997, 0o600)
    present = Present(PathFacts("/images/data", file=file))
    owners = {"/images/data": Owner(64999, 64998, data_file=True)}
    for gives, otherwise in ((False, None), (True, present)):
        libvirtd = Libvirtd(gives=gives, because="dynamic_ownership = 0", knows_data_files=None)
        outlook = as_relabelled(owners, libvirtd, frozenset())("/images/data", present)
        assert outlook.otherwise == otherwise
        assert bool(outlook.kept) is not gives
