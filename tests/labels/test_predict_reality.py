"""The prediction against the kernel: a forked process that is somebody else really opens each file.

Trees are generated from numbered seeds, so a failure names what to rebuild. They live in a mount namespace of the
test's own, on ext4-like storage with ACLs and inode flags, and are reached through plain, read-only, no-symlink and
no-device mounts.
"""

import os
import random
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from diskchain.labels.acl import ACL_XATTR, READ, WRITE, Entry, Tag, encode, minimal
from diskchain.labels.facts import PathFacts
from diskchain.labels.identity import ALL_CAPABILITIES, Capability, Identity
from diskchain.labels.predict import answer
from diskchain.labels.present import look
from tests.labels import kernel
from tests.live.peers import requires

_UIDS = (0, 64101, 64102, 64103)
_GIDS = (0, 64201, 64202, 64203)
_TREES = 300
_WANTS = {os.O_RDONLY: READ, os.O_WRONLY: WRITE, os.O_RDWR: READ | WRITE}
_MODES = (0o777, 0o755, 0o750, 0o711, 0o710, 0o700, 0o701, 0o000, 0o070, 0o007, 0o644, 0o660, 0o640, 0o600, 0o1777)


class Tree(NamedTuple):
    """A built tree: the path to open, and the inodes with flags that have to be cleared before it can go."""

    path: str
    flagged: list[Path]


@requires("root")
def test_prediction_agrees_with_the_kernel_on_generated_trees(image_dir: Path) -> None:
    outcome = kernel.in_a_child(lambda: _compare(image_dir, range(_TREES)))
    compared, refused, disagreements = eval(outcome)  # noqa: S307 - the repr of our own child's tuple
    assert disagreements == []
    assert compared >= 2000
    assert compared // 4 < refused < compared  # neither answer is rare


def _compare(stage: Path, seeds: range) -> tuple[int, int, list[str]]:
    kernel.own_mounts()
    compared = refused = 0
    disagreements = []
    for seed in seeds:
        chance = random.Random(seed)  # noqa: S311 - numbered cases, no secrets
        with _reached_through(chance, stage) as (root, seal), _tree(chance, root, seal) as tree:
            facts = look(tree.path)
            for who in [_identity(chance) for _ in range(4)]:
                real = kernel.opens_as(who, [(tree.path, flags) for flags in _WANTS])
                for want, code in zip(_WANTS.values(), real, strict=True):
                    compared += 1
                    refused += code != 0
                    predicted = answer(facts, who, want)
                    if predicted != code:
                        disagreements.append(_describe(seed, facts, who, want, predicted, code))
    return compared, refused, disagreements[:5]


@contextmanager
def _reached_through(chance: random.Random, stage: Path) -> Iterator[tuple[Path, object]]:
    """A directory to build in, and a function that turns on what the mount forbids once the tree is there."""
    kind = chance.choice(("plain", "plain", "plain", "read-only bind", "read-only file system", "nosymfollow", "nodev"))
    root = stage / "root"
    root.mkdir()
    flags = {"read-only bind": kernel.MS_RDONLY, "nosymfollow": kernel.MS_NOSYMFOLLOW, "nodev": kernel.MS_NODEV}
    if kind == "read-only file system":
        kernel.mount("tmpfs", root, "tmpfs", 0, "mode=755")
    elif kind != "plain":
        kernel.mount(root, root, None, kernel.MS_BIND)

    def seal(*, on: bool) -> None:
        if kind == "read-only file system":
            kernel.mount(None, root, None, kernel.MS_REMOUNT | (kernel.MS_RDONLY if on else 0))
        elif kind != "plain":
            kernel.mount(None, root, None, kernel.MS_REMOUNT | kernel.MS_BIND | (flags[kind] if on else 0))

    try:
        yield root, seal
    finally:
        if kind != "plain":
            kernel.unmount(root)
        _remove(root)


@contextmanager
def _tree(chance: random.Random, root: Path, seal) -> Iterator[Tree]:  # type: ignore[no-untyped-def]
    flagged: list[Path] = []
    names = [f"d{depth}" for depth in range(chance.randint(0, 3))]
    directory = root.joinpath(*names)
    directory.mkdir(parents=True, exist_ok=True)
    file = directory / "image"
    _make_file(chance, file)
    path = _entangle(chance, root, names)
    for inode in [*(root.joinpath(*names[: n + 1]) for n in range(len(names))), file]:
        if inode == file or chance.random() < 0.5:
            _own(chance, inode)
    if file.is_file() and chance.random() < 0.2:
        try:
            kernel.set_flags(file, chance.choice((kernel.FS_IMMUTABLE, kernel.FS_APPEND)))
            flagged.append(file)
        except OSError:
            pass  # a file system without these flags
    seal(on=True)
    try:
        yield Tree(path, flagged)
    finally:
        seal(on=False)
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
        here = os.getcwd()
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
            os.chown(link, chance.choice(_UIDS), 0, follow_symlinks=False)
            parts = [link.name, *parts[cut:]]
    if chance.random() < 0.2:
        os.chmod(root, 0o1777)
        os.chown(root, chance.choice(_UIDS), 0)
    if chance.random() < 0.2 and len(parts) > 1:
        parts.insert(1, chance.choice((".", "..", "")))
        if parts[1] == ".." and root.name:
            parts.insert(2, root.name if parts[0].startswith("l") else parts[0])
    ending = "/" if chance.random() < 0.05 else ""
    if chance.random() < 0.04:
        parts[-1] = chance.choice(("missing", "n" * 300))
    return f"{way}/{'/'.join(parts)}{ending}"


def _own(chance: random.Random, path: Path) -> None:
    os.chown(path, chance.choice(_UIDS), chance.choice(_GIDS))
    mode = chance.choice(_MODES) if chance.random() < 0.7 else chance.randrange(0o1000)
    os.chmod(path, mode)
    if chance.random() < 0.5:
        entries = list(minimal(mode))
        entries += [
            Entry(tag, chance.randrange(8), id)
            for tag, ids in ((Tag.USER, _UIDS), (Tag.GROUP, _GIDS))
            for id in chance.sample(ids, chance.randint(0, 2))
        ]
        entries.append(Entry(Tag.MASK, chance.choice((0, 4, 6, 7, chance.randrange(8)))))
        os.setxattr(path, ACL_XATTR, encode(tuple(entries)))


def _identity(chance: random.Random) -> Identity:
    gid = chance.choice(_GIDS)
    groups = frozenset({gid, *chance.sample(_GIDS, chance.randint(0, 2))})
    capabilities = frozenset(
        chance.choice(((), (), (), (Capability.DAC_READ_SEARCH,), (Capability.DAC_OVERRIDE,), tuple(ALL_CAPABILITIES)))
    )
    return Identity(chance.choice(_UIDS), gid, groups, capabilities)


def _describe(seed: int, facts: PathFacts, who: Identity, want: int, predicted: int | None, real: int) -> str:
    steps = [
        f"{step.type} {step.directory.path} {step.directory.uid}:{step.directory.gid} {step.directory.mode:o}"
        for step in facts.steps
    ]
    return f"seed {seed}: {who} wants {want}: predicted {predicted}, kernel {real}; {steps}; {facts.file}; {facts.end}"


def _remove(root: Path) -> None:
    for directory, _, files in os.walk(root, topdown=False):
        for name in files:
            os.unlink(os.path.join(directory, name))
        for name in os.listdir(directory):
            entry = os.path.join(directory, name)
            (os.unlink if os.path.islink(entry) else os.rmdir)(entry)
    root.rmdir()
