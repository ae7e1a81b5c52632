"""Access on storage that is no plain file: a FUSE mount, a block device; and what somebody without rights can tell."""

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from diskchain.access.assess import survey
from diskchain.access.grants.journal import Journal
from diskchain.access.grants.revert import revert
from diskchain.access.judge import Verdict
from diskchain.access.kernel.identity import Identity, identify
from diskchain.access.kernel.open_check import Rule, answer, obstacles
from diskchain.access.kernel.path_walk import walk_path
from diskchain.storage.location import BlockLocation
from diskchain.storage.operation import Start
from diskchain.storage.source import TERMINATOR, Source
from diskchain.system.posix_acl import READ, WRITE
from tests.access import kernel
from tests.access.world import STRANGER, chain_of, grant, make_chain, plan_for, state_of
from tests.live.peers import give_up, requires
from tests.live.private_libvirtd import wait_for
from tests.live.storage import QemuImg

pytestmark = requires("root")


@contextmanager
def fuse_export(image: Path, at: Path, allow_other: str) -> Iterator[None]:
    """The image as a file that a qemu-storage-daemon shows through FUSE."""
    if not Path("/dev/fuse").exists():
        give_up("needs /dev/fuse")
    at.touch()
    log = image.with_name("log")
    with log.open("wb") as sink:
        daemon = subprocess.Popen(
            [
                "qemu-storage-daemon",
                *("--blockdev", f"driver=file,node-name=f,filename={image}"),
                *("--export", f"type=fuse,id=e,node-name=f,mountpoint={at},writable=on,allow-other={allow_other}"),
            ],
            stderr=sink,
        )
    try:
        wait_for(lambda: daemon.poll() is not None or os.path.ismount(at), "the FUSE export", 20)
        if daemon.returncode is not None:
            give_up(f"needs a qemu-storage-daemon with FUSE exports: {log.read_text()}")
        yield
    finally:
        daemon.terminate()
        daemon.wait(20)


@requires("qemu-storage-daemon")
@pytest.mark.parametrize("allow_other", ["off", "on"])
def test_fuse_answers_as_predicted(image_dir: Path, qemu_img: QemuImg, allow_other: str) -> None:
    image = image_dir / "image.raw"
    qemu_img("create", "-q", "-f", "raw", image, "1M")
    at = image_dir / "shown"
    with fuse_export(image, at, allow_other):
        facts = walk_path(str(at))
        for who in (STRANGER, identify("root"), Identity(0, 64999)):
            for flags, want in ((os.O_RDONLY, READ), (os.O_RDWR, READ | WRITE)):
                (real,) = kernel.opens_as(who, [(str(at), flags)])
                assert answer(facts, who, want) == real, (who, want, facts.file)


def test_a_block_device_is_granted_and_given_back(
    image_dir: Path, tmp_path: Path, loop_device: Callable[[Path], Path]
) -> None:
    backing = image_dir / "disk"
    backing.write_bytes(bytes(1 << 20))
    device = loop_device(backing)
    before = state_of(device)[:4]
    with Journal(tmp_path / "state") as journal:
        chain = Source(BlockLocation(str(device)), backing=TERMINATOR)
        below = chain_of(image_dir / "top")._replace(backing=chain)
        (image_dir / "top").write_bytes(b"x")
        assert kernel.opens_as(STRANGER, [(str(device), os.O_RDWR)]) != [0]
        grant(below, journal)
        assert kernel.opens_as(STRANGER, [(str(device), os.O_RDWR)]) == [0]
        revert(journal)
    assert state_of(device)[:4] == before


def test_a_device_on_a_nodev_mount_is_no_device() -> None:
    facts = walk_path("/dev/null")
    assert facts.file is not None
    assert facts.file.mount is not None
    nodev = replace(facts.file, mount=replace(facts.file.mount, options=frozenset({"nodev"})))
    (found,) = obstacles(replace(facts, file=nodev), identify("root"), READ)
    assert found.rule is Rule.NODEV


def test_somebody_who_may_not_look_cannot_tell(image_dir: Path) -> None:
    closed = image_dir / "closed"
    closed.mkdir(mode=0o700)
    chain, _ = make_chain(closed, "top", "base", mode=0o666)

    def judged() -> list[str]:
        kernel.become(STRANGER)
        return [str(access.verdict) for access in survey(chain, Start(), identify("root"))]

    assert kernel.in_a_child(judged) == repr([str(Verdict.UNKNOWN)] * 2)


def test_somebody_without_rights_can_still_judge_others_where_they_may_look(image_dir: Path) -> None:
    chain, _ = make_chain(image_dir, "top", "base", mode=0o600)

    def judged() -> list[str]:
        kernel.become(STRANGER)
        return [str(access.verdict) for access in survey(chain, Start(), Identity(64998, 64998))]

    assert kernel.in_a_child(judged) == repr([str(Verdict.DENIED)] * 2)


def test_an_owner_may_grant_and_give_back_without_being_root(image_dir: Path) -> None:
    chain, paths = make_chain(image_dir, "top", "base")
    for path in paths:
        os.chown(path, STRANGER.uid, STRANGER.gid)
    before = [state_of(path) for path in paths]
    state = image_dir / "state"
    state.mkdir()
    os.chown(state, STRANGER.uid, STRANGER.gid)
    friend = Identity(64998, 64998, frozenset({64998}))

    def work() -> list[int]:
        kernel.become(STRANGER)
        with Journal(state) as journal:
            grant(chain, journal, friend)
        return []

    kernel.in_a_child(work)
    assert kernel.opens_as(friend, [(str(path), os.O_RDWR) for path in paths]) == [0, 0]

    def undo() -> bool:
        kernel.become(STRANGER)
        with Journal(state) as journal:
            return all(outcome.done for outcome in revert(journal))

    assert kernel.in_a_child(undo) == "True"
    assert [state_of(path) for path in paths] == before


@pytest.mark.parametrize("kind", ["read-only", "immutable"])
def test_what_only_an_administrator_can_mend_is_left_to_one(image_dir: Path, tmp_path: Path, kind: str) -> None:
    def work() -> object:
        kernel.own_mounts()
        chain, (_, base) = make_chain(image_dir, "top", "base", mode=0o666)
        if kind == "immutable":
            kernel.set_flags(base, kernel.FS_IMMUTABLE)
        else:
            kernel.mount(image_dir, image_dir, None, kernel.MS_BIND)
            kernel.mount(None, image_dir, None, kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY)
        with Journal(tmp_path / "state") as journal:
            plan = plan_for(chain, journal)
        if kind == "immutable":
            kernel.set_flags(base, 0)
        return plan.complete, plan.changing, sorted({str(rest.command) for rest in plan.left})

    command = f"chattr -i -- {image_dir}/base" if kind == "immutable" else f"mount -o remount,bind,rw {image_dir}"
    assert kernel.in_a_child(work) == repr((False, (), [command]))
