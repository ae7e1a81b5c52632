"""What ``qemu-img map`` says and what we say, in one form."""

import json
import subprocess
from collections.abc import Iterable
from typing import NamedTuple

from diskchain.allocation.layer_map import LayerMap


class Plain(NamedTuple):
    start: int
    end: int
    depth: int
    present: bool
    zero: bool
    data: bool
    offset: int | None


def by_qemu(command: list[str]) -> list[Plain]:
    """What QEMU says. The place of what holds no data does not count: its runs are one."""
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return _joined(
        Plain(
            each["start"],
            each["start"] + each["length"],
            each["depth"],
            each["present"],
            each["zero"],
            each["data"],
            each.get("offset") if each["data"] else None,
        )
        for each in json.loads(done.stdout)
    )


def by_us(layers: LayerMap) -> list[Plain]:
    return _joined(
        Plain(run.start, run.end, run.depth, run.present, run.zero, run.data, run.offset if run.data else None)
        for run in layers.runs()
    )


def _joined(runs: Iterable[Plain]) -> list[Plain]:
    done: list[Plain] = []
    for run in runs:
        if done:
            last = done[-1]
            follows = last.offset + last.end - last.start if last.offset is not None else None
            if last[2:6] == run[2:6] and last.end == run.start and follows == run.offset:
                done[-1] = last._replace(end=run.end)
                continue
        done.append(run)
    return done
