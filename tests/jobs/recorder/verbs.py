"""The verbs that make jobs, as cases; one run of each under the recorder; and the judge of what is left at an instant, before and after `resume`.

What is asked of every instant: each disk reads as at first, by the headers that are there. After `resume`: as well, and the references, the
files and the document are those of the end of the job, or, where the journal knows no job yet, those of the beginning.
"""

import contextlib
import hashlib
import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tests.jobs.recorder.guest_view import Unreadable, guest_bytes, pointers
from tests.jobs.recorder.recording import Change, Recorder
from tests.jobs.recorder.world import World
from tests.live.storage import run as run_program

_SECONDS = 120
_STATE = "state"
_DOCUMENT = "vm.xml"
_DISK = re.compile(rb"<source file='([^']*)'")
_XML = (
    "<domain type='kvm'><name>vm</name><memory unit='MiB'>64</memory><os><type>hvm</type></os><devices>"
    "<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{}'/>"
    "<target dev='vda' bus='virtio'/></disk></devices></domain>"
)


@dataclass(frozen=True, slots=True)
class Verb:
    """A job. `words` for a root directory; `end`: each image that is there at its end, with what its header names.

    `disk`: the image that the guest uses at the end. `others`: disks besides top that stay in use; images that are not named do not exist.
    `copy`: an image that reads as top does, at the end. `moved`: headers name places where files are not any more, so that no guest can
    start before the end of the job.
    """

    words: Callable[[Path], list[str]]
    end: dict[str, str | None]
    disk: str = "top"
    others: tuple[str, ...] = ()
    document: bool = False
    copy: str | None = None
    moved: tuple[str, ...] = ()


_PLACE_BEFORE = "/moved/away"
_TREE = {"top": "mid", "mid": "base", "sib": "base", "base": None}
VERBS = {
    "commit of a middle layer": Verb(
        lambda root: ["commit", str(root / "top"), "--top", str(root / "mid"), "--delete"],
        {"top": "base", "base": None},
    ),
    "commit of the active layer": Verb(
        lambda root: ["commit", str(root / _DOCUMENT), "--delete"], {"base": None}, disk="base", document=True
    ),
    "commit of all but the active layer, nothing deleted": Verb(
        lambda root: ["commit", str(root / "top"), "--top", str(root / "mid")],
        {"top": "base", "mid": "base", "base": None},
    ),
    "snapshot": Verb(
        lambda root: ["snapshot", str(root / _DOCUMENT), str(root / "new")],
        {**_TREE, "new": "top"},
        disk="new",
        others=("sib",),
        document=True,
    ),
    "pull down to base": Verb(
        lambda root: ["pull", str(root / "top"), "--base", str(root / "base")],
        {**_TREE, "top": "base"},
        others=("sib",),
    ),
    "pull of all": Verb(lambda root: ["pull", str(root / "top")], {**_TREE, "top": None}, others=("sib",)),
    "copy": Verb(
        lambda root: ["copy", str(root / "top"), str(root / "new")], {**_TREE, "new": None}, others=("sib",), copy="new"
    ),
    "shallow copy that a document goes over to": Verb(
        lambda root: ["copy", str(root / _DOCUMENT), str(root / "new"), "--shallow", "--pivot"],
        {**_TREE, "new": "mid"},
        disk="new",
        others=("sib",),
        document=True,
        copy="new",
    ),
    "rebase": Verb(
        lambda root: ["rebase", str(root / "top"), "--onto", str(root / "base")],
        {**_TREE, "top": "base"},
        others=("sib",),
    ),
    "relocation": Verb(
        lambda root: ["relocate", str(root / "top"), "--map", f"{_PLACE_BEFORE}={root}"],
        _TREE,
        others=("sib",),
        moved=("top", "mid"),
    ),
}


def lay_out(root: Path, verb: Verb) -> None:
    """Make the directory `root`, which holds the tree, what `verb` begins with."""
    if "sib" not in verb.end:
        (root / "sib").unlink()
    for name in verb.moved:
        there = f"{_PLACE_BEFORE}/{_TREE[name]}"
        run_program("qemu-img", "rebase", "-u", "-f", "qcow2", "-F", "qcow2", "-b", there, root / name)
    if verb.document:
        (root / _DOCUMENT).write_text(_XML.format(root / "top"))


def run(recorder: Recorder, words: list[str]) -> subprocess.CompletedProcess[str]:
    """A verb as a process of its own, recorded with its children, which have ended when this returns."""
    done = subprocess.run(
        [sys.executable, "-m", "diskchain", *words, "--state", str(recorder.root / _STATE)],
        env=recorder.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    recorder.wait()
    assert "Traceback" not in done.stderr, done.stderr
    return done


@dataclass(frozen=True, slots=True)
class Recording:
    """One whole run of a verb: what was there at first, and each change."""

    verb: Verb
    recorder: Recorder
    start: World = field(repr=False)
    changes: list[Change] = field(repr=False)
    content: dict[str, bytes] = field(repr=False)

    @property
    def root(self) -> Path:
        """Where the images are."""
        return self.recorder.root

    def disk(self, world: World) -> str:
        """The image that the guest uses, if it is started now."""
        if not self.verb.document:
            return "top"
        named = _DISK.search(world.read(self.root / _DOCUMENT))
        return Path(named[1].decode()).name if named is not None else "no image"

    def of_journal(self, change: Change) -> bool:
        """Whether it concerns the journal alone."""
        return change.path.startswith(str(self.root / _STATE))

    def problem(self, world: World, *, closed: bool = False) -> str | None:
        """What a guest would read wrong; None: nothing. `closed`: it may be that it cannot start at all."""
        try:
            disks = {self.disk(world): "top", **{name: name for name in self.verb.others}}
        except KeyError:
            return "the document is missing"
        for disk, before in disks.items():
            try:
                if guest_bytes(world, str(self.root / disk)) != self.content[before]:
                    return f"{disk} reads otherwise"
            except Unreadable as error:
                if not closed:
                    return f"{disk}: {error}"
        return None

    def likeness(self, world: World) -> bytes:
        """Equal for worlds that `resume` cannot tell apart: the same files, and the same in the journal once SQLite has opened it."""
        digest = hashlib.sha256()
        state = str(self.root / _STATE)
        with tempfile.TemporaryDirectory() as place:
            for name, inode in sorted(world.names.items()):
                content = world.content[inode]
                if name.startswith(state):
                    Path(place, Path(name).name).write_bytes(content)
                else:
                    digest.update(f"{name} {inode} {len(content)} {world.modified[inode]}\n".encode())
                    digest.update(content)
            for path in sorted(Path(place).glob("*.db")):
                digest.update(_in_database(path))
        return digest.digest()

    def after_resume(self, world: World) -> str | None:
        """What `resume` does not do that it should, in `world`, whose files are below the root; None: nothing."""
        world.restore(self.root, self.recorder.park)
        return self.resumed()

    def resumed(self) -> str | None:
        """The same for the files as they are."""
        self.recorder.reset()  # recorded as well, so that no inode is lost
        first = run(self.recorder, ["resume"])
        if first.returncode:
            return f"resume: {first.returncode} {first.stdout} {first.stderr}"
        world = World.of(self.root)
        images = {name: self._names(world, name) for name in self._images(world)}
        begun = images == self.verb.end or "no unfinished jobs" not in run(self.recorder, ["jobs", "--all"]).stdout
        said = self.problem(world, closed=bool(self.verb.moved) and not begun)
        if said is not None:
            return f"after resume {said}"
        wanted = self.verb.end
        if not begun:
            wanted = {name: self._names(self.start, name) for name in self._images(self.start)}
        if images != wanted:
            return f"after resume there are {images}, and there should be {wanted}"
        if wanted is self.verb.end and self.verb.copy:
            copy = guest_bytes(world, str(self.root / self.verb.copy))
            if copy != self.content["top"]:
                return "after resume the copy reads otherwise"
        left = {name for name in world.names if Path(name).parent == self.root} - {
            str(self.root / name) for name in (*wanted, _DOCUMENT)
        }
        if left:
            return f"left behind: {sorted(left)}"
        second = run(self.recorder, ["resume"])
        if second.returncode or World.of(self.root).content != world.content:
            return f"a second resume did something: {second.returncode} {second.stdout} {second.stderr}"
        return None

    def _images(self, world: World) -> Iterator[str]:
        for path in world.names:
            if Path(path).parent == self.root and Path(path).name != _DOCUMENT:
                yield Path(path).name

    def _names(self, world: World, name: str) -> str | None:
        with contextlib.suppress(Unreadable):
            below = pointers(world, str(self.root / name))
            return None if below is None else Path(below[0]).name
        return "unreadable"


def _in_database(path: Path) -> bytes:
    """All that SQLite finds in a database, a journal beside it taken into account; of one that it cannot read, the bytes."""
    try:
        with contextlib.closing(sqlite3.connect(path)) as database:
            return "\n".join(database.iterdump()).encode()
    except sqlite3.DatabaseError:
        return path.read_bytes()


def record(recorder: Recorder, verb: Verb) -> Recording:
    """Run a verb to its end in the root directory, which holds the tree."""
    whole = World.of(recorder.root)
    content = {name: guest_bytes(whole, str(recorder.root / name)) for name in ("top", *verb.others)}
    lay_out(recorder.root, verb)
    start = World.of(recorder.root)
    done = run(recorder, verb.words(recorder.root))
    assert done.returncode == 0, done.stdout + done.stderr
    recording = Recording(verb, recorder, start, recorder.changes(), content)
    assert recording.problem(World.of(recorder.root)) is None
    return recording
