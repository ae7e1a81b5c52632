"""Domains with a fault each, generated from numbered seeds: images, the directories they lie in, and what is wrong with them.

A case knows how to make itself, in two steps: files by the test process, mounts in the daemon's mount namespace. Everything follows
from the seed, so a failure names what to build again.
"""

import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from diskchain.system.posix_acl import ACL_XATTR, Entry, Tag, encode, minimal
from tests.access import kernel
from tests.live.access_domains import disk
from tests.live.storage import QemuImg

#: Users without an account, for owners and labels that are nobody else's.
OTHER = 64100
_NOTE = "trusted.libvirt.security."
_DIRECTORY_MODES = (0o700, 0o711, 0o750, 0o755, 0o701, 0o710)
_FILE_MODES = (0o600, 0o644, 0o400, 0o640, 0o000, 0o060, 0o666)


@dataclass(frozen=True, slots=True)
class Mount:
    """What is mounted at a directory before the domain starts."""

    at: Path
    kind: str
    options: tuple[str, ...] = ()


class Case:
    """One domain: its disks as XML, what is mounted, what holds a lock. ``about`` says what it is, for a failure."""

    def __init__(self, seed: int, stage: Path, qemu_img: QemuImg, users: tuple[int, ...], boot: int) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - numbered cases, no secrets
        self.name = f"case{seed}"
        self.root = stage / self.name
        self.users = users  # whose files: root, QEMU's user, another
        self.boot = boot  # as the daemon reckons it
        self.about: list[str] = []
        self.mounts: tuple[Mount, ...] = ()
        self.to_flag: dict[Path, int] = {}
        self.to_go: set[Path] = set()
        self.lock: tuple[str, ...] | None = None
        self.seclabel = ""
        self.inside = ""
        self.after = ""
        self._qemu_img = qemu_img
        self.top, self.files = self._images()
        for _ in range(self.chance.choice((0, 1, 1, 1, 2))):
            fault = self.chance.choice(_FAULTS)
            self.about.append(fault.__name__)
            fault(self)
        for path, flag in self.to_flag.items():  # afterwards nothing else could be changed
            if path.exists():
                kernel.set_flags(path, flag)
        for path in self.to_go - self.to_flag.keys():
            path.unlink()

    @property
    def disks(self) -> str:
        return disk(self.top, format=self.format, inside=self.inside, after=self.after)

    def directories(self) -> list[Path]:
        return [self.root / "a", self.root / "a" / "b"]

    def clear(self) -> None:
        """Removes everything but mounts, which are gone by then."""
        for path in self.to_flag:
            kernel.set_flags(path, 0)
        shutil.rmtree(self.root)

    def _images(self) -> tuple[Path, list[Path]]:
        """A chain of up to three layers, spread over two directories; all may read, root may write."""
        for directory in (self.root, *self.directories()):
            directory.mkdir()
        shape = self.chance.choice(
            ("raw", "qcow2", "overlay", "overlay", "raw base", "deep", "cdrom", "shareable", "data")
        )
        self.about.append(shape)
        self.format = "raw" if shape in ("raw", "cdrom", "shareable") else "qcow2"
        places = [self.root, *self.directories()]

        def place(name: str) -> Path:
            return self.chance.choice(places) / name

        top = place("top")
        below = {"overlay": ["qcow2"], "raw base": ["raw"], "deep": ["qcow2", "raw"]}.get(shape, [])
        files: list[Path] = []
        backing = ""
        for depth, format in reversed(list(enumerate(below, start=1))):
            path = place(f"base{depth}")
            self._create(format, path, backing)
            files.insert(0, path)
            backing = f"backing_file={path},backing_fmt={format}"
        if shape == "data":
            data = place("data")
            files.append(data)
            backing = f"data_file={data},data_file_raw=on"
        self._create(self.format, top, backing)
        if shape in ("cdrom", "shareable"):
            self.after = "<readonly/>" if shape == "cdrom" else "<shareable/>"
        files.insert(0, top)
        for path in files:
            path.chmod(self.chance.choice((0o644, 0o600)))
            os.chown(path, self.chance.choice(self.users), 0)
        return top, files

    def _create(self, format: str, path: Path, options: str) -> None:
        words = ("-o", options) if options else ()
        self._qemu_img("create", "-q", "-f", format, *words, path, "1M")


Fault = Callable[[Case], None]


def a_directory_with_another_mode(case: Case) -> None:
    directory = case.chance.choice(case.directories())
    directory.chmod(case.chance.choice(_DIRECTORY_MODES))
    os.chown(directory, case.chance.choice(case.users), case.chance.choice((0, OTHER)))


def a_directory_with_an_acl(case: Case) -> None:
    _with_acl(case, case.chance.choice(case.directories()))


def a_file_with_an_acl(case: Case) -> None:
    _with_acl(case, case.chance.choice(case.files))


def _with_acl(case: Case, path: Path) -> None:
    mode = path.stat().st_mode & 0o777
    entries = [Entry(Tag.USER, case.chance.randrange(8), uid) for uid in case.chance.sample(case.users, 2)]
    mask = Entry(Tag.MASK, case.chance.choice((0, 5, 7)))
    os.setxattr(path, ACL_XATTR, encode((*minimal(mode), *entries, mask)))


def a_file_with_another_mode(case: Case) -> None:
    case.chance.choice(case.files).chmod(case.chance.choice(_FILE_MODES))


def an_immutable_file(case: Case) -> None:
    _flag(case, kernel.FS_IMMUTABLE)


def an_append_only_file(case: Case) -> None:
    _flag(case, kernel.FS_APPEND)


def _flag(case: Case, flag: int) -> None:
    case.to_flag[case.chance.choice(case.files)] = flag


def a_file_that_is_gone(case: Case) -> None:
    case.to_go.add(case.chance.choice(case.files))


def a_read_only_mount(case: Case) -> None:
    case.mounts += (Mount(case.chance.choice(case.directories()), "read-only"),)


def a_fuse_mount(case: Case) -> None:
    options = case.chance.choice(
        (
            ("--chown-ignore",),
            ("--chown-deny",),
            (),
            ("--force-user=daemon", "--perms=0700:u+D", "--chown-ignore"),
            ("--no-allow-other",),
        )
    )
    case.about.append(" ".join(options))
    case.mounts += (Mount(case.chance.choice(case.directories()), "fuse", options),)


def another_process_with_the_image(case: Case) -> None:
    case.lock = ("qemu-io", *case.chance.choice(((), ("-r",))), str(case.chance.choice(case.files)))


def a_note_that_counts_a_user(case: Case) -> None:
    path = case.chance.choice(case.files)
    boot = case.boot - case.chance.choice((0, 0, 99999))
    owner, count = case.chance.choice(case.users), case.chance.choice((0, 1, 1))
    for name, value in (("dac", f"+{owner}:+0"), ("ref_dac", str(count)), ("timestamp_dac", str(boot))):
        os.setxattr(path, _NOTE + name, value.encode() + b"\0")
    case.about.append(f"{path.name} counted {count} of {boot}")


def a_label_of_the_image(case: Case) -> None:
    case.inside = case.chance.choice(
        (
            "<seclabel model='dac' relabel='no'/>",
            f"<seclabel model='dac' relabel='yes'><label>+{OTHER}:+{OTHER}</label></seclabel>",
        )
    )


def a_label_of_the_domain(case: Case) -> None:
    relabel = case.chance.choice(("yes", "no"))
    uid = case.chance.choice((*case.users, OTHER))
    case.seclabel = f"<seclabel type='static' model='dac' relabel='{relabel}'><label>+{uid}:+{OTHER}</label></seclabel>"
    case.about.append(case.seclabel)


_FAULTS: tuple[Fault, ...] = (
    a_directory_with_another_mode,
    a_directory_with_another_mode,
    a_directory_with_an_acl,
    a_file_with_an_acl,
    a_file_with_another_mode,
    an_immutable_file,
    an_append_only_file,
    a_file_that_is_gone,
    a_read_only_mount,
    a_fuse_mount,
    another_process_with_the_image,
    a_note_that_counts_a_user,
    a_label_of_the_image,
    a_label_of_the_domain,
)


def make_mounts(mounts: Iterable[Mount]) -> None:
    """In the daemon's mount namespace: below itself each directory, with what is to be wrong with it."""
    for mount in mounts:
        if mount.kind == "fuse":
            others = () if "--no-allow-other" in mount.options else ("-o", "allow_other")
            options = ["--no-allow-other" if option == "--no-allow-other" else option for option in mount.options]
            subprocess.run(["bindfs", *options, *others, mount.at, mount.at], check=True, capture_output=True)
        else:
            kernel.mount(mount.at, mount.at, None, kernel.MS_BIND)
            kernel.mount(None, mount.at, None, kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY)


def remove_mounts(mounts: tuple[Mount, ...]) -> None:
    for mount in reversed(mounts):
        subprocess.run(["umount", "-l", mount.at], check=True)
