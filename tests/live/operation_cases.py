"""Block jobs and snapshots of a running domain, generated from seeds: where the new file goes, which layers take part, what is wrong."""

import os
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diskchain.actions.operation import Wanted
from tests.access import kernel
from tests.live.daemons import libvirt
from tests.live.forecast_cases import OTHER, Mount
from tests.live.storage import QemuImg

#: The top of a commit that is not of the active layer has one above it, and one below.
_LAYERS_OF_A_COMMIT = 3
_KINDS = ("snapshot", "snapshot", "copy", "copy", "backup", "commit", "pull")


@dataclass(frozen=True, slots=True)
class Step:
    """One operation. ``paths``: the chain from its top; ``to``: the new file. ``about`` says what is special, for a failure."""

    wanted: Wanted
    about: tuple[str, ...]
    mounts: tuple[Mount, ...] = ()
    flagged: tuple[Path, ...] = ()
    lock: tuple[str, ...] | None = None

    def clear(self) -> None:
        """Takes flags away, so that the files can be removed."""
        for path in self.flagged:
            kernel.set_flags(path, 0)

    def run(self, domain: Any) -> str:
        """What libvirt says against it, empty when it does it. A job it began is ended."""
        try:
            _RUN[self.wanted.kind](domain, self.wanted)
        except libvirt.libvirtError as error:
            return str(error)
        return ""


class Stage:
    """A directory with a chain of three layers, and the operations that are tried on it."""

    def __init__(self, seed: int, stage: Path, qemu_img: QemuImg, users: tuple[int, ...]) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - numbered cases, no secrets
        self.name = f"stage{seed}"
        self.root = stage / self.name
        self.users = users
        self._qemu_img = qemu_img
        self._number = 0
        self.root.mkdir()
        self.paths = [self.root / name for name in ("top", "middle", "base")]
        backing: tuple[str, ...] = ()
        for path in reversed(self.paths):
            qemu_img("create", "-q", "-f", "qcow2", *backing, path, "1M")
            backing = ("-b", str(path), "-F", "qcow2")

    def step(self, paths: list[Path]) -> Step:
        """The next operation, on the chain as it is now."""
        kind = self.chance.choice(_KINDS)
        if kind == "commit" and len(paths) < _LAYERS_OF_A_COMMIT:
            kind = "snapshot"
        if kind in ("snapshot", "copy", "backup"):
            return self._to_a_new_file(kind)
        return self._on_layers(kind, paths)

    def _to_a_new_file(self, kind: str) -> Step:
        self._number += 1
        directory = self.root / f"d{self._number}"
        directory.mkdir()
        to = directory / "new"
        mode = self.chance.choice((0o755, 0o711, 0o711, 0o700, 0o750, 0o755))
        owner = self.chance.choice((0, 0, OTHER, self.users[-1]))
        about = [kind, oct(mode), str(owner)]
        mounts: tuple[Mount, ...] = ()
        flagged: tuple[Path, ...] = ()
        shallow = kind == "copy" and self.chance.random() < 0.5
        reuse = self._existing(to, about)
        match self.chance.choice(("", "", "", "", "read-only", "fuse", "immutable", "missing")):
            case "read-only":
                mounts = (Mount(directory, "read-only"),)
            case "fuse":
                mounts = (
                    Mount(
                        directory, "fuse", self.chance.choice((("--chown-ignore",), (), ("--create-with-perms=0600",)))
                    ),
                )
            case "immutable":
                kernel.set_flags(directory, kernel.FS_IMMUTABLE)
                flagged = (directory,)
            case "missing":
                to = directory / "missing" / "new"
                reuse = False
        about += [mount.kind for mount in mounts] + (["immutable"] if flagged else []) + [to.parent.name]
        if not flagged:
            directory.chmod(mode)
            os.chown(directory, owner, 0)
        return Step(Wanted(kind, to=str(to), shallow=shallow, reuse=reuse), tuple(about), mounts, flagged)

    def _existing(self, to: Path, about: list[str]) -> bool:
        """Makes something at the destination now and then; whether it is to be taken as it is."""
        kind = self.chance.choice(("", "", "", "", "empty", "full", "image"))
        if kind:
            about.append(kind)
        if kind in ("empty", "full"):
            to.write_bytes(b"x" if kind == "full" else b"")
            to.chmod(self.chance.choice((0o600, 0o644)))
            os.chown(to, self.chance.choice(self.users), 0)
        if kind == "image":
            self._qemu_img("create", "-q", "-f", "qcow2", to, "1M")
        return kind == "image"

    def _on_layers(self, kind: str, paths: list[Path]) -> Step:
        if kind == "pull":
            base = self.chance.choice((None, str(len(paths) - 1)))
            return Step(Wanted("pull", base=base), (kind, str(base)))
        depth = self.chance.randrange(1, len(paths) - 1)
        below = self.chance.randrange(depth + 1, len(paths))
        about = [kind, f"top {depth}", f"base {below}"]
        path = self.chance.choice((paths[below], paths[depth - 1]))
        flagged: tuple[Path, ...] = ()
        lock = None
        match self.chance.choice(("", "", "mode", "immutable", "lock", "owner")):
            case "mode":
                path.chmod(self.chance.choice((0o400, 0o600, 0o000)))
                about += [path.name, oct(path.stat().st_mode)]
            case "owner":
                os.chown(path, self.chance.choice(self.users), 0)
                path.chmod(0o600)
                about += [path.name, "another owner"]
            case "immutable":
                # Of the base alone: QEMU 7.2 dies in a commit when a file it has open for writing becomes immutable meanwhile.
                kernel.set_flags(paths[below], kernel.FS_IMMUTABLE)
                flagged = (paths[below],)
                about += [paths[below].name, "immutable"]
            case "lock":
                lock = ("qemu-io", "-r", str(paths[below]))
                about.append("locked")
        return Step(Wanted("commit", top=str(depth), base=str(below)), tuple(about), flagged=flagged, lock=lock)


def _snapshot(domain: Any, wanted: Wanted) -> None:
    xml = f"<domainsnapshot><disks><disk name='vda' snapshot='external'><source file='{wanted.to}'/></disk></disks></domainsnapshot>"
    flags = libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_DISK_ONLY | libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_NO_METADATA
    domain.snapshotCreateXML(xml, flags | (libvirt.VIR_DOMAIN_SNAPSHOT_CREATE_REUSE_EXT if wanted.reuse else 0))


def _copy(domain: Any, wanted: Wanted) -> None:
    xml = f"<disk type='file'><driver type='qcow2'/><source file='{wanted.to}'/></disk>"
    flags = libvirt.VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB
    flags |= libvirt.VIR_DOMAIN_BLOCK_COPY_SHALLOW if wanted.shallow else 0
    domain.blockCopy("vda", xml, {}, flags | (libvirt.VIR_DOMAIN_BLOCK_COPY_REUSE_EXT if wanted.reuse else 0))
    domain.blockJobAbort("vda", 0)


def _backup(domain: Any, wanted: Wanted) -> None:
    target = f"<driver type='qcow2'/><target file='{wanted.to}'/>"
    xml = f"<domainbackup mode='push'><disks><disk name='vda' backup='yes' type='file'>{target}</disk></disks></domainbackup>"
    domain.backupBegin(xml, None, libvirt.VIR_DOMAIN_BACKUP_BEGIN_REUSE_EXTERNAL if wanted.reuse else 0)


def _commit(domain: Any, wanted: Wanted) -> None:
    paths = layer_paths(domain)
    domain.blockCommit("vda", str(paths[int(wanted.base or 0)]), str(paths[int(wanted.top or 0)]), 0, 0)


def _pull(domain: Any, wanted: Wanted) -> None:
    base = None if wanted.base is None else str(layer_paths(domain)[int(wanted.base)])
    if base is None:
        domain.blockPull("vda", 0, 0)
    else:
        domain.blockRebase("vda", base, 0, 0)


_RUN = {"snapshot": _snapshot, "copy": _copy, "backup": _backup, "commit": _commit, "pull": _pull}


def layer_paths(domain: Any) -> list[Path]:
    """The files of the domain's disk, top first, as libvirt has them."""
    from diskchain.storage.location import local_path
    from diskchain.storage.source import layers
    from tests.live.access_domains import chains

    (chain,) = chains(domain)
    return [Path(local_path(layer.location) or "") for layer in layers(chain)]
