"""All cures of one file, run by a shell in their order: then the kernel lets the user in, whatever mounts and flags are in the way.

The trees are those of the prediction test. A second suite gives files away on file systems where that works, fails, or is ignored.
"""

import os
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from diskchain.access.by_kernel import Hindrance
from diskchain.access.evidence import examine
from diskchain.access.judge import Verdict, judge
from diskchain.access.kernel.chown_check import give
from diskchain.access.kernel.path_walk import walk_path
from diskchain.access.requirements import Access, Need, Role
from diskchain.storage.location import FileLocation
from diskchain.storage.source import Source
from tests.access import kernel
from tests.access.trees import identity, reached_through, tree
from tests.access.world import STRANGER
from tests.live.peers import requires

_TREES = 400
_NOT_OURS = ("path", "kind", "image-lock", "protected-symlink")


@pytest.mark.timeout(300)
@requires("root", "setfacl", "chattr", "mount")
def test_the_cures_of_a_file_are_enough_together_and_none_is_refused(image_dir: Path) -> None:
    outcome = kernel.in_a_child(lambda: _cure_all(image_dir))
    cured, lifted, hopeless, wrong = eval(outcome)  # noqa: S307 - the repr of our own child's tuple
    assert wrong == []
    assert cured > 100
    assert lifted > 20  # mounts and flags lifted for a moment, or for good
    assert hopeless < cured // 10


def _cure_all(stage: Path) -> tuple[int, int, int, list[str]]:
    kernel.own_mounts()
    cured = lifted = hopeless = 0
    wrong: list[str] = []
    for seed in range(_TREES):
        chance = random.Random(seed)  # noqa: S311 - numbered cases, no secrets
        with reached_through(chance, stage) as (root, seal), tree(chance, root, seal) as path:
            who = identity(chance)
            access = chance.choice(list(Access))
            need = Need(Source(FileLocation(path)), 0, Role.ACTIVE, access, "it is asked for")
            (found,) = judge([need], examine, who)
            if found.verdict is not Verdict.DENIED or any(each.rule in _NOT_OURS for each in found.hindrances):
                continue
            commands = _commands(found.hindrances)
            if commands is None:
                hopeless += 1
                continue
            done = subprocess.run(["sh", "-c", commands], check=False, capture_output=True, text=True)
            flags = os.O_RDWR if access is Access.WRITE else os.O_RDONLY
            (code,) = kernel.opens_as(who, [(path, flags)])
            if done.returncode or code:
                wrong.append(f"seed {seed}: {commands}: {done.stderr} {code}")
            cured += 1
            lifted += "chattr" in commands or "mount" in commands
    return cured, lifted, hopeless, wrong[:5]


def _commands(hindrances: tuple[Hindrance, ...]) -> str | None:
    commands = [each.command for each in hindrances]
    return None if None in commands else " && ".join(command for command in commands if command)


@contextmanager
def bindfs(at: Path, *options: str) -> Iterator[Path]:
    """What a FUSE server makes of a directory with one file in it; gives the file's path."""
    back, front = at / "back", at / "front"
    back.mkdir()
    front.mkdir()
    (back / "image").write_bytes(b"x")
    subprocess.run(["bindfs", *options, back, front], check=True)
    try:
        yield front / "image"
    finally:
        subprocess.run(["umount", front], check=True)


@requires("root", "bindfs")
@pytest.mark.parametrize("options", [(), ("--chown-ignore",), ("--chown-deny",)])
def test_whether_an_owner_changes_behind_a_fuse_server_nobody_can_tell(
    options: tuple[str, ...], image_dir: Path
) -> None:
    with bindfs(image_dir, *options) as image:
        file = walk_path(str(image)).file
        assert file is not None
        assert give(file, STRANGER.uid, STRANGER.gid).works is None
        assert give(file, file.uid, file.gid).works is True
        try:
            os.chown(image, STRANGER.uid, STRANGER.gid)
        except PermissionError:
            assert options == ("--chown-deny",)
        assert (image.stat().st_uid == STRANGER.uid) is (options == ())


@requires("root", "bindfs")
def test_the_cure_of_a_fuse_mount_is_its_options(image_dir: Path) -> None:
    with bindfs(image_dir, "--force-user=daemon", "--perms=0700:u+D") as image:
        need = Need(Source(FileLocation(str(image))), 0, Role.ACTIVE, Access.READ, "it is asked for")
        (found,) = judge([need], examine, STRANGER)
        assert found.verdict is Verdict.DENIED
        assert [each.command for each in found.hindrances] == [None] * len(found.hindrances)
        assert all(not each.changes for each in found.hindrances)
        (advice,) = {each.advice for each in found.hindrances}
        assert advice is not None
        assert f"uid={STRANGER.uid}" in advice


@requires("root", "chattr")
@pytest.mark.parametrize("kind", ["plain", "immutable", "append", "read-only bind", "read-only file system"])
def test_whether_root_can_give_a_file_away_is_what_chown_does(kind: str, image_dir: Path) -> None:
    def attempt() -> tuple[bool | None, bool]:
        kernel.own_mounts()
        place = image_dir / "place"
        place.mkdir()
        if kind == "read-only file system":
            kernel.mount("tmpfs", place, "tmpfs", 0, "mode=755")
        elif kind == "read-only bind":
            kernel.mount(place, place, None, kernel.MS_BIND)
        image = place / "image"
        image.write_bytes(b"x")
        if kind in ("immutable", "append"):
            kernel.set_flags(image, kernel.FS_IMMUTABLE if kind == "immutable" else kernel.FS_APPEND)
        if kind.startswith("read-only"):
            bind = kernel.MS_BIND if kind == "read-only bind" else 0
            kernel.mount(None, place, None, kernel.MS_REMOUNT | bind | kernel.MS_RDONLY)
        file = walk_path(str(image)).file
        assert file is not None
        told = give(file, STRANGER.uid, STRANGER.gid).works
        with suppress(OSError):
            os.chown(image, STRANGER.uid, STRANGER.gid)
        changed = image.stat().st_uid == STRANGER.uid
        if kind in ("immutable", "append"):
            kernel.set_flags(image, 0)
        return told, changed

    told, changed = eval(kernel.in_a_child(attempt))  # noqa: S307 - the repr of our own child's tuple
    assert told is changed is (kind == "plain")
