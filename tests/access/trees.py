"""Generated trees of real files: directories, symlinks, odd modes and ACLs, inode flags, mounts that forbid things.

Everything follows from the seed of the `random.Random` it is given, so a failure names what to rebuild. To be used in a
mount namespace of one's own, as root.
"""

import os
import random
import shutil
import socket
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from diskchain.access.kernel.identity import ALL_CAPABILITIES, Capability, Identity
from diskchain.access.kernel.path_facts import Inode, PathFacts, Search
from diskchain.system.posix_acl import ACL_XATTR, Entry, Tag, encode, minimal
from tests.access import kernel

UIDS = (0, 64101, 64102, 64103)
GIDS = (0, 64201, 64202, 64203)
_MODES = (0o777, 0o755, 0o750, 0o711, 0o710, 0o700, 0o701, 0o000, 0o070, 0o007, 0o644, 0o660, 0o640, 0o600, 0o1777)
_MOUNTS = ("plain", "plain", "plain", "read-only bind", "read-only file system", "nosymfollow", "nodev")
_MOUNT_FLAGS = {
    "read-only bind": kernel.MS_RDONLY,
    "nosymfollow": kernel.MS_NOSYMFOLLOW,
    "nodev": kernel.MS_NODEV,
}


def inodes(facts: PathFacts) -> list[Inode]:
    """The directories searched on the way, and the file at the end."""
    found = [step.directory for step in facts.steps if isinstance(step, Search)]
    return [*found, facts.file] if facts.file else found


@contextmanager
def reached_through(chance: random.Random, stage: Path) -> Iterator[tuple[Path, Callable[[int], None]]]:
    """A directory to build in, and a function that turns on what the mount forbids once the tree is there."""
    kind = chance.choice(_MOUNTS)
    root = stage / "root"
    root.mkdir()
    if kind == "read-only file system":
        kernel.mount("tmpfs", root, "tmpfs", 0, "mode=755")
    elif kind != "plain":
        kernel.mount(root, root, None, kernel.MS_BIND)

    def seal(on: int) -> None:
        if kind == "read-only file system":
            kernel.mount(None, root, None, kernel.MS_REMOUNT | (kernel.MS_RDONLY if on else 0))
        elif kind != "plain":
            kernel.mount(None, root, None, kernel.MS_REMOUNT | kernel.MS_BIND | (_MOUNT_FLAGS[kind] if on else 0))

    try:
        yield root, seal
    finally:
        if kind != "plain":
            kernel.unmount(root)
        remove(root)


@contextmanager
def tree(chance: random.Random, root: Path, seal: Callable[[int], None]) -> Iterator[str]:
    """Builds a tree below `root`; gives the path to open."""
    flagged: list[Path] = []
    names = [f"d{depth}" for depth in range(chance.randint(0, 3))]
    directory = root.joinpath(*names)
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "image"
    _make_file(chance, file)
    path = _entangle(chance, root, names)
    for inode in [*(root.joinpath(*names[: n + 1]) for n in range(len(names))), file]:
        if inode == file or chance.random() < 0.5:
            own(chance, inode)
    if file.is_file() and chance.random() < 0.2:
        with suppress(OSError):  # a file system without these flags
            kernel.set_flags(file, chance.choice((kernel.FS_IMMUTABLE, kernel.FS_APPEND)))
            flagged.append(file)
    seal(1)
    try:
        yield path
    finally:
        seal(0)
        for inode in flagged:
            kernel.set_flags(inode, 0)


def _make_file(chance: random.Random, path: Path) -> None:
    kind = chance.choice(("file",) * 6 + ("directory", "device", "socket"))
    if kind == "file":
        path.write_bytes(b"x")
    elif kind == "directory":
        path.mkdir()
    elif kind == "device":
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))  # null
    else:
        here = Path.cwd()
        os.chdir(path.parent)  # a socket's address is short
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
        os.chdir(here)


def _entangle(chance: random.Random, root: Path, names: list[str]) -> str:
    """A path to the image that may lead through symlinks, dots and doubled slashes."""
    parts = [*names, "image"]
    way = str(root)
    if chance.random() < 0.4:
        for number in range(chance.randint(1, 3)):
            cut = chance.randint(1, len(parts))
            link = root / f"l{number}"
            target = "/".join(parts[:cut])
            link.symlink_to(chance.choice((target, str(root / target), f"./{target}", f"../{root.name}/{target}")))
            os.chown(link, chance.choice(UIDS), 0, follow_symlinks=False)
            parts = [link.name, *parts[cut:]]
    if chance.random() < 0.2:
        root.chmod(0o1777)
        os.chown(root, chance.choice(UIDS), 0)
    if chance.random() < 0.2 and len(parts) > 1:
        parts.insert(1, chance.choice((".", "..", "")))
        if parts[1] == ".." and root.name:
            parts.insert(2, root.name if parts[0].startswith("l") else parts[0])
    ending = "/" if chance.random() < 0.05 else ""
    if chance.random() < 0.04:
        parts[-1] = chance.choice(("missing", "n" * 300))
    return f"{way}/{'/'.join(parts)}{ending}"


def own(chance: random.Random, path: Path) -> None:
    os.chown(path, chance.choice(UIDS), chance.choice(GIDS))
    mode = chance.choice(_MODES) if chance.random() < 0.7 else chance.randrange(0o1000)
    path.chmod(mode)
    if chance.random() < 0.5:
        entries = list(minimal(mode))
        entries += [
            Entry(tag, chance.randrange(8), id)
            for tag, ids in ((Tag.USER, UIDS), (Tag.GROUP, GIDS))
            for id in chance.sample(ids, chance.randint(0, 2))
        ]
        entries.append(Entry(Tag.MASK, chance.choice((0, 4, 6, 7, chance.randrange(8)))))
        os.setxattr(path, ACL_XATTR, encode(tuple(entries)))


def identity(chance: random.Random) -> Identity:
    gid = chance.choice(GIDS)
    groups = frozenset({gid, *chance.sample(GIDS, chance.randint(0, 2))})
    capabilities = frozenset(
        chance.choice(((), (), (), (Capability.DAC_READ_SEARCH,), (Capability.DAC_OVERRIDE,), tuple(ALL_CAPABILITIES)))
    )
    return Identity(chance.choice(UIDS), gid, groups, capabilities)


def remove(root: Path) -> None:
    shutil.rmtree(root)
