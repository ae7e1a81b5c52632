"""The prediction against the kernel: a forked process that is somebody else really opens each file.

Trees come from numbered seeds, so a failure names what to rebuild. They are reached through plain, read-only,
no-symlink and no-device mounts.
"""

import os
import random
from pathlib import Path

from diskchain.access.kernel.identity import Identity
from diskchain.access.kernel.open_check import answer
from diskchain.access.kernel.path_facts import PathFacts
from diskchain.access.kernel.path_walk import walk_path
from diskchain.system.mounts import read_mounts
from diskchain.system.posix_acl import READ, WRITE
from tests.access import kernel
from tests.access.trees import identity, reached_through, tree
from tests.live.peers import requires

_TREES = 300
_WANTS = {os.O_RDONLY: READ, os.O_WRONLY: WRITE, os.O_RDWR: READ | WRITE}


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
        with reached_through(chance, stage) as (root, seal), tree(chance, root, seal) as path:
            facts = walk_path(path)
            for who in [identity(chance) for _ in range(4)]:
                real = kernel.opens_as(who, [(path, flags) for flags in _WANTS])
                for want, code in zip(_WANTS.values(), real, strict=True):
                    compared += 1
                    refused += code != 0
                    predicted = answer(facts, who, want)
                    if predicted != code:
                        disagreements.append(_describe(seed, facts, who, want, predicted, code))
    return compared, refused, disagreements[:5]


@requires("root")
def test_without_proc_no_answer_hangs_on_an_acl_that_could_not_be_read(image_dir: Path) -> None:
    outcome = kernel.in_a_child(lambda: _compare_blind(image_dir, range(_TREES // 3)))
    decided, undecided, wrong = eval(outcome)  # noqa: S307 - the repr of our own child's tuple
    assert wrong == []
    assert decided > 200
    assert undecided > 100


def _compare_blind(stage: Path, seeds: range) -> tuple[int, int, list[str]]:
    kernel.own_mounts()
    decided = undecided = 0
    wrong = []
    for seed in seeds:
        chance = random.Random(seed)  # noqa: S311 - numbered cases, no secrets
        with reached_through(chance, stage) as (root, seal), tree(chance, root, seal) as path:
            mounts = read_mounts()
            kernel.mount("none", "/proc", "tmpfs", 0)
            facts = walk_path(path, mounts)
            kernel.unmount("/proc")
            for who in [identity(chance) for _ in range(4)]:
                real = kernel.opens_as(who, [(path, flags) for flags in _WANTS])
                for want, code in zip(_WANTS.values(), real, strict=True):
                    predicted = answer(facts, who, want)
                    decided += predicted is not None
                    undecided += predicted is None
                    if predicted not in (None, code):
                        wrong.append(_describe(seed, facts, who, want, predicted, code))
    return decided, undecided, wrong[:5]


def _describe(seed: int, facts: PathFacts, who: Identity, want: int, predicted: int | None, real: int) -> str:
    steps = [
        f"{step.type} {step.directory.path} {step.directory.uid}:{step.directory.gid} {step.directory.mode:o}"
        for step in facts.steps
    ]
    return f"seed {seed}: {who} wants {want}: predicted {predicted}, kernel {real}; {steps}; {facts.file}; {facts.end}"
