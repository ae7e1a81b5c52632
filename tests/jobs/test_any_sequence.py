"""Any sequence of jobs, guests' writes and roll-backs on a tree of images, against the bytes that each guest knows.

What a verb may do is its own business, and it may refuse; what a guest reads may not change, of no disk of the tree, and refused means that
nothing was written. Judged by a reader of its own (`guest_view`), through the pointers in the headers.
"""

import os
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.cli.commands import Outcome, diskchain
from tests.jobs.recorder.guest_view import guest_bytes, pointers
from tests.jobs.recorder.world import World
from tests.live.storage import QemuImg, run

FULL = os.environ.get("DISKCHAIN_FULL", "0") not in {"", "0"}
_CLUSTER = 4096
_SIZES = (32, 33, 48)  # clusters
_DEEPEST = 6
_BASES = ("raw", "qcow2", "data file")


@dataclass(frozen=True)
class Disk:
    """A guest's disk: the image that it uses, and what it reads."""

    image: str
    content: bytes


@dataclass(frozen=True)
class Job:
    """One that was carried out on the disk `disk`; the images used before and after it."""

    disk: int
    before: str
    after: str


class Jobs(RuleBasedStateMachine):
    """Two disks on a shared base, and what becomes of them."""

    def __init__(self) -> None:
        super().__init__()
        self.place = Path(tempfile.mkdtemp(prefix="diskchain-sequence-")).resolve()
        self.images = self.place / "images"
        self.images.mkdir()
        self.qemu_img = QemuImg()
        self.disks: list[Disk] = []
        self.jobs: list[Job] = []
        self.number = 0
        self.told: list[str] = []

    def teardown(self) -> None:
        shutil.rmtree(self.place)

    # What the rules are made of.

    def path(self, name: str) -> str:
        return str(self.images / name)

    def fresh(self) -> str:
        self.number += 1
        return f"image-{self.number}"

    def diskchain(self, *words: str) -> Outcome:
        """A verb. Refused, it has written nothing."""
        before = World.of(self.images)
        done = diskchain(*words, "--state", str(self.place / "state"), seconds=120)
        self.told.append(f"{' '.join(words)}: {done.code}")
        assert done.code in {0, 1, 2}, (self.told, done)
        if done.code:
            after = World.of(self.images)
            assert (after.names, after.content) == (before.names, before.content), (self.told, done)
            assert done.err or done.out
        return done

    def chain(self, image: str) -> list[str]:
        """The names of an image's layers, top first."""
        world, names = World.of(self.images), [image]
        while world.read(self.path(names[-1]))[:4] == b"QFI\xfb":
            below = pointers(world, self.path(names[-1]))
            if below is None:
                break
            names.append(Path(below[0]).name)
        return names

    def create(self, below: str | None, format: str, size: int) -> str:
        name = self.fresh()
        options = ["-o", f"cluster_size={_CLUSTER}"]
        if format == "raw":
            options = []
        elif format == "data file":
            options = ["-o", f"cluster_size={_CLUSTER},data_file={self.path(name)}.data,data_file_raw=on"]
        kind = "raw" if format == "raw" else "qcow2"
        backing = [] if below is None else ["-b", below, "-F", self.format(below)]
        self.qemu_img("create", "-q", "-f", kind, *options, *backing, self.path(name), str(size * _CLUSTER))
        return name

    def format(self, name: str) -> str:
        return "qcow2" if (self.images / name).read_bytes()[:4] == b"QFI\xfb" else "raw"

    def write(self, name: str, pattern: int, first: int, count: int) -> None:
        what = f"write -q -P {pattern} {first * _CLUSTER} {count * _CLUSTER}"
        run("qemu-io", "-f", self.format(name), "-c", what, self.path(name))

    def carried_out(self, done: Outcome, disk: int, image: str) -> None:
        """Note a job, if there was something to do: it has a number then."""
        if done.code == 0 and "nothing to do" not in done.out + done.err:
            self.jobs.append(Job(disk, self.disks[disk].image, image))
            self.disks[disk] = replace(self.disks[disk], image=image)

    def find(self, data: st.DataObject) -> int:
        return data.draw(st.integers(0, len(self.disks) - 1), label="disk")

    # The rules.

    @initialize(data=st.data(), base=st.sampled_from(_BASES))
    def tree(self, data: st.DataObject, base: str) -> None:
        """A base with two chains on it, each layer with some data of its own."""
        bottom = self.create(None, base, data.draw(st.sampled_from(_SIZES)))
        self.write(bottom, 200, 0, 20)
        for disk in range(2):
            image = bottom
            for layer in range(data.draw(st.integers(1, 3), label="layers")):
                image = self.create(image, "qcow2", data.draw(st.sampled_from(_SIZES)))
                self.write(image, 10 * disk + layer + 1, 5 * disk + 3 * layer, 4)
            self.disks.append(Disk(image, guest_bytes(World.of(self.images), self.path(image))))

    @rule(data=st.data(), pattern=st.integers(1, 255))
    def guest_writes(self, data: st.DataObject, pattern: int) -> None:
        disk = self.find(data)
        image, content = self.disks[disk].image, bytearray(self.disks[disk].content)
        first = data.draw(st.integers(0, len(content) // _CLUSTER - 1))
        self.write(image, pattern, first, 1)
        content[first * _CLUSTER : (first + 1) * _CLUSTER] = bytes([pattern]) * _CLUSTER
        self.disks[disk] = Disk(image, bytes(content))
        self.told.append(f"guest writes to {image}")

    @precondition(lambda self: max(len(self.chain(disk.image)) for disk in self.disks) < _DEEPEST)
    @rule(data=st.data())
    def snapshot(self, data: st.DataObject) -> None:
        disk, overlay = self.find(data), self.fresh()
        done = self.diskchain("snapshot", self.path(self.disks[disk].image), self.path(overlay))
        self.carried_out(done, disk, overlay)

    @rule(data=st.data(), delete=st.booleans())
    def commit(self, data: st.DataObject, *, delete: bool) -> None:
        disk = self.find(data)
        chain = self.chain(self.disks[disk].image)
        if len(chain) < 2:
            return
        top = data.draw(st.integers(0, len(chain) - 2), label="top")
        base = data.draw(st.integers(top + 1, len(chain) - 1), label="base")
        words = ["--top", self.path(chain[top]), "--base", self.path(chain[base]), *(["--delete"] if delete else [])]
        done = self.diskchain("commit", self.path(chain[0]), *words, "--search", str(self.images))
        self.carried_out(done, disk, chain[base] if top == 0 else chain[0])

    @rule(data=st.data())
    def pull(self, data: st.DataObject) -> None:
        disk = self.find(data)
        chain = self.chain(self.disks[disk].image)
        base = data.draw(st.none() | st.integers(0, len(chain) - 1), label="base")
        words = [] if not base else ["--base", self.path(chain[base])]
        self.carried_out(self.diskchain("pull", self.path(chain[0]), *words), disk, chain[0])

    @rule(data=st.data())
    def rebase(self, data: st.DataObject) -> None:
        disk, other = self.find(data), self.find(data)
        image = self.disks[disk].image
        onto = data.draw(st.sampled_from(self.chain(self.disks[other].image)), label="onto")
        if onto not in {each.image for each in self.disks}:  # what a guest writes to is nothing to stand on
            self.carried_out(self.diskchain("rebase", self.path(image), "--onto", self.path(onto)), disk, image)

    @precondition(lambda self: len(self.disks) < 4)
    @rule(data=st.data(), shallow=st.booleans())
    def copy(self, data: st.DataObject, *, shallow: bool) -> None:
        disk, name = self.find(data), self.fresh()
        words = [self.path(self.disks[disk].image), self.path(name), *(["--shallow"] if shallow else [])]
        done = self.diskchain("copy", *words)
        if done.code == 0:
            # The copy is a disk of its own from now on. Taken back, it is gone.
            self.disks.append(replace(self.disks[disk], image=name))
            self.jobs.append(Job(len(self.disks) - 1, "", name))

    @precondition(lambda self: self.jobs)
    @rule(data=st.data())
    def rollback(self, data: st.DataObject) -> None:
        number = data.draw(st.integers(1, len(self.jobs)), label="job")
        job = self.jobs[number - 1]
        done = self.diskchain("rollback", str(number))
        if done.code == 0 and self.disks[job.disk].image == job.after and job.before:
            self.disks[job.disk] = replace(self.disks[job.disk], image=job.before)

    @invariant()
    def every_guest_reads_what_it_knows(self) -> None:
        world = World.of(self.images)
        for disk in self.disks:
            if disk.image in self.taken_back():
                continue
            assert guest_bytes(world, self.path(disk.image), self.format(disk.image)) == disk.content, (
                disk.image,
                self.told,
            )

    def taken_back(self) -> set[str]:
        """Copies that a roll-back has removed."""
        return {job.after for job in self.jobs if not job.before and not (self.images / job.after).exists()}


@pytest.mark.qemu
@pytest.mark.timeout(7200 if FULL else 300)
def test_whatever_jobs_follow_each_other_every_guest_reads_what_it_knows() -> None:
    chosen = settings(max_examples=100 if FULL else 4, stateful_step_count=12 if FULL else 5)
    run_state_machine_as_test(Jobs, settings=chosen)
