"""setuid, setgid and file capabilities belong to the content they were given to, and are not given to another one."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from diskchain.access.grants.journal import Journal
from diskchain.access.grants.revert import revert
from diskchain.access.grants.revert_rules import Result, RevertOptions
from tests.access import kernel
from tests.access.world import STRANGER, grant, has_acl, make_chain, state_of
from tests.live.peers import requires

pytestmark = requires("root")

CAPABILITY = "security.capability"
#: cap_net_raw=ep, as setcap(8) writes it: VFS_CAP_REVISION_2, linux/capability.h.
NET_RAW = bytes.fromhex("0100000200200000000000000000000000000000")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "state") as journal:
        yield journal


@pytest.fixture
def image(image_dir: Path, journal: Journal) -> Path:
    """A file with all three, on which a stranger was granted the right to write."""
    chain, (path, _) = make_chain(image_dir, "top", "base")
    path.chmod(0o6750)
    os.setxattr(path, CAPABILITY, NET_RAW)
    grant(chain, journal)
    return path


def content_rights(path: Path) -> tuple[int, bool]:
    return path.stat().st_mode & 0o6000, CAPABILITY in os.listxattr(path)


def as_stranger(work: Callable[[], object]) -> None:
    def become_and_work() -> object:
        kernel.become(STRANGER)
        work()
        return True

    assert kernel.in_a_child(become_and_work) == "True"


def write(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"another program")


def write_as_stranger(path: Path) -> None:
    as_stranger(lambda: write(path))


def write_as_root(path: Path) -> None:
    write(path)


def given_to_the_domain_s_user(path: Path) -> None:
    """As libvirt does it; the user then writes, makes it setuid and sets the time back."""
    status = path.stat()
    os.chown(path, STRANGER.uid, STRANGER.gid)

    def work() -> None:
        write(path)
        path.chmod(0o6750)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))

    as_stranger(work)


def given_and_taken_back(path: Path) -> None:
    given_to_the_domain_s_user(path)
    os.chown(path, 0, 0)


@pytest.mark.parametrize("options", [RevertOptions(), RevertOptions(over=True), RevertOptions(force=True, times=True)])
@pytest.mark.parametrize("change", [write_as_stranger, write_as_root, given_to_the_domain_s_user, given_and_taken_back])
def test_content_that_may_have_changed_gets_none_of_them(
    image: Path, journal: Journal, change: Callable[[Path], None], options: RevertOptions
) -> None:
    change(image)
    outcomes = {outcome.path: outcome for outcome in revert(journal, options=options)}
    said = outcomes[str(image)]
    if said.result is Result.REFUSED:
        (said,) = [each for each in revert(journal, options=RevertOptions(force=True)) if each.path == str(image)]
    assert content_rights(image) == (0, False)
    assert said.result is Result.RESTORED
    assert "setuid, setgid, capabilities; its content may have changed" in said.reason
    status = image.stat()
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (0, 0, 0o750)
    assert not has_acl(image)


def test_a_file_that_nothing_happened_to_keeps_them(image_dir: Path, journal: Journal) -> None:
    chain, (path, _) = make_chain(image_dir, "top", "base")
    path.chmod(0o6750)
    os.setxattr(path, CAPABILITY, NET_RAW)
    before = state_of(path)
    grant(chain, journal)
    assert {outcome.reason for outcome in revert(journal)} == {""}
    assert state_of(path) == before


def test_a_right_is_not_set_anew_with_chmod(image_dir: Path, journal: Journal) -> None:
    chain, (path, _) = make_chain(image_dir, "top", "base", mode=0o440)
    path.chmod(0o4440)
    os.chown(path, STRANGER.uid, STRANGER.gid)
    path.chmod(0o4440)
    grant(chain, journal, kinds=("acl", "mode"))
    assert path.stat().st_mode & 0o7777 == 0o4640
    revert(journal)
    assert path.stat().st_mode & 0o7777 == 0o440


def test_a_new_owner_gets_no_setuid_program(image_dir: Path, tmp_path: Path) -> None:
    def work() -> object:
        kernel.own_mounts()
        kernel.mount("ramfs", image_dir, "ramfs", 0)
        image_dir.chmod(0o755)
        chain, (path, _) = make_chain(image_dir, "top", "base")
        path.chmod(0o4750)
        with Journal(tmp_path / "state") as journal:
            grant(chain, journal, kinds=("acl", "mode", "owner"))
            granted = path.stat()
            revert(journal)
        status = path.stat()
        return granted.st_uid == STRANGER.uid, granted.st_mode & 0o7000, status.st_uid, status.st_mode & 0o7777

    assert kernel.in_a_child(work) == repr((True, 0, 0, 0o750))


def test_a_directory_gives_its_group_and_sticky_bit_to_no_content_and_keeps_them(
    image_dir: Path, journal: Journal
) -> None:
    closed = image_dir / "closed"
    closed.mkdir()
    closed.chmod(0o3700)
    chain, _ = make_chain(closed, "top", "base")
    before = state_of(closed)
    grant(chain, journal)
    (closed / "new").write_bytes(b"x")
    subprocess.run(["rm", closed / "new"], check=True)
    revert(journal)
    assert state_of(closed)[:4] == before[:4]
