"""Judges every instant of a recorded run: does each disk still read what it read before? By headers, and by the layers it had at the start."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.jobs.recorder.guest_view import Unreadable, guest_bytes, pointers
from tests.jobs.recorder.world import Instant, World


@dataclass(frozen=True, slots=True)
class Disk:
    """A disk before the run: its chain, top first, and what its guest reads."""

    layers: tuple[str, ...]
    content: bytes = field(repr=False)

    def right(self, world: World) -> bool:
        """Whether the guest reads the same by the headers of `world`."""
        return _reads(world, self.layers[0], None) == self.content

    def right_through_old_layers(self, world: World) -> bool:
        """Whether it does when opened with the layers that it had."""
        return _reads(world, self.layers[0], self.layers[1:]) == self.content


def disk_of(world: World, top: Path) -> Disk:
    """The disk at `top`, by its headers."""
    layers = [str(top)]
    while world.read(layers[-1])[:4] == b"QFI\xfb" and (below := pointers(world, layers[-1])) is not None:
        layers.append(str(top.parent / below[0]))
    return Disk(tuple(layers), guest_bytes(world, str(top)))


def _reads(world: World, top: str, below: tuple[str, ...] | None) -> bytes | None:
    try:
        return guest_bytes(world, top, below=below)
    except (Unreadable, KeyError):
        return None


@dataclass(slots=True)
class Verdict:
    """`instants` judged; those at which a disk reads something `wrong`, or would through its `old_wrong` layers."""

    instants: int = 0
    wrong: list[tuple[int, str]] = field(default_factory=list)
    old_wrong: list[tuple[int, str]] = field(default_factory=list)

    def __str__(self) -> str:
        wrong = f"wrong after {sorted({done for done, _ in self.wrong})}" if self.wrong else "right at all"
        old = f"; through the old layers wrong after {sorted({done for done, _ in self.old_wrong})}" * bool(
            self.old_wrong
        )
        return f"{self.instants} instants, {wrong}{old}"


def judge(instants: Iterable[Instant], disks: Iterable[Disk]) -> Verdict:
    """Look at each."""
    verdict = Verdict()
    known = tuple(disks)
    for instant in instants:
        verdict.instants += 1
        if not all(disk.right(instant.world) for disk in known):
            verdict.wrong.append((instant.done, instant.loss))
        if not all(disk.right_through_old_layers(instant.world) for disk in known):
            verdict.old_wrong.append((instant.done, instant.loss))
    return verdict
