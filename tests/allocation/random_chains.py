"""Chains made by qemu-img and qemu-io from a seed: every kind of qcow2 there is, over one another and over raw images."""

import random
import subprocess
from dataclasses import dataclass
from pathlib import Path

_CLUSTERS = (512, 1024, 4096, 16384, 65536, 65536, 65536, 262144, 2097152)
#: Of most disks: small, so that many fit into a test.
_SIZES = (1 << 20, 3 << 20, (3 << 20) + 512, 8 << 20, (5 << 20) + 1536)
_BLOCK = 65536


@dataclass(frozen=True)
class Made:
    """A chain that was made. ``top``: its file; ``encrypted``: QEMU needs the key to open it; ``files``: all, top first."""

    top: Path
    encrypted: bool
    files: tuple[Path, ...]

    @property
    def map_command(self) -> list[str]:
        """What has qemu-img map it."""
        return ["qemu-img", "map", "--output=json", str(self.top)]


@dataclass(frozen=True)
class Kind:
    """What the images may be."""

    preallocated: bool
    patterns: range | None


def make_chain(
    directory: Path,
    seed: int,
    *,
    sizes: tuple[int, ...] = _SIZES,
    clusters: tuple[int, ...] = _CLUSTERS,
    preallocated: bool = True,
    patterns: range | None = None,
) -> Made:
    """A chain of 1 to 6 layers in ``directory``. ``patterns``: only data are written, of these bytes and 64 KiB at least, and no zeros."""
    kind = Kind(preallocated=preallocated and patterns is None, patterns=patterns)
    rng = random.Random(seed)  # noqa: S311  # the same chain for the same seed is the point
    depth = rng.choice((1, 2, 2, 3, 3, 4, 6))
    below: Path | None = None
    files: list[Path] = []
    for number in range(depth):
        path = directory / f"{seed}-{number}"
        size = rng.choice(sizes)
        if number == 0 and rng.random() < 0.35:
            _make_raw(path, size, rng, kind)
        else:
            _make_qcow2(path, size, below, rng, rng.choice(clusters), kind)
        below = path
        files.append(path)
    assert below is not None
    return Made(below, encrypted=False, files=tuple(reversed(files)))


def _make_raw(path: Path, size: int, rng: random.Random, kind: Kind) -> None:
    if kind.patterns is None:
        size += rng.choice((0, 0, 1, 511, 4095))
    with path.open("wb") as file:
        file.truncate(size)
        for _ in range(rng.randrange(6)):
            at = rng.randrange(size)
            length = rng.choice((1, 4096, 70000))
            if kind.patterns is not None:
                at, length = at // _BLOCK * _BLOCK, _BLOCK
            file.seek(at)
            file.write(bytes([120 if kind.patterns is None else rng.choice(kind.patterns)]) * min(size - at, length))


def _make_qcow2(path: Path, size: int, below: Path | None, rng: random.Random, cluster: int, kind: Kind) -> None:
    options = _options(path, below, rng, cluster, kind)
    external = any(each.startswith("data_file=") for each in options)
    command = ["qemu-img", "create", "-q", "-f", "qcow2", "-o", ",".join(options)]
    if below is not None:
        command += ["-b", str(below), "-F", "qcow2" if _is_qcow2(below) else "raw"]
    subprocess.run([*command, str(path), str(size)], check=True)
    writes: list[str] = []
    for _ in range(rng.randrange(10)):
        unit = rng.choice((512, 4096, 65536)) if kind.patterns is None else _BLOCK
        at = rng.randrange(size // unit) * unit
        length = min(size - at, unit * rng.choice((1, 1, 2, 5, 16, 40)))
        if kind.patterns is None:
            writes += ["-c", _write(at, length, cluster, size, rng, external=external)]
        else:
            writes += ["-c", f"write -P {rng.choice(kind.patterns)} {at} {length}"]
    if writes:  # a compressed write fails where there is data: that is no matter
        subprocess.run(["qemu-io", "-f", "qcow2", *writes, str(path)], check=False, capture_output=True)
    if kind.patterns is None and rng.random() < 0.1 and not external and "refcount_bits=1" not in options:
        subprocess.run(["qemu-img", "snapshot", "-c", "s", str(path)], check=True)
        subprocess.run(["qemu-io", "-f", "qcow2", "-c", "write -P 9 0 64k", str(path)], check=True, capture_output=True)


def _options(path: Path, below: Path | None, rng: random.Random, cluster: int, kind: Kind) -> list[str]:
    version = rng.choice(("0.10", "1.1", "1.1", "1.1"))
    options = [f"cluster_size={cluster}", f"compat={version}"]
    external = False
    if version == "1.1":
        if cluster >= 16384 and rng.random() < 0.35:
            options.append("extended_l2=on")
        if rng.random() < 0.3:
            options.append("compression_type=zstd")
        if rng.random() < 0.15:
            external = True
            options.append(f"data_file={path}.data")
            if below is None and rng.random() < 0.5:
                options.append("data_file_raw=on")
        if rng.random() < 0.2:
            options.append(f"refcount_bits={rng.choice((1, 8, 32, 64))}")
    if below is None and not external and rng.random() < 0.2 and kind.preallocated:
        options.append(f"preallocation={rng.choice(('metadata', 'falloc', 'full'))}")
    return options


def _write(at: int, length: int, cluster: int, size: int, rng: random.Random, *, external: bool) -> str:
    kind = rng.choice(("write", "write", "write", "zero", "unmap", "discard", "compressed"))
    if kind == "compressed" and not external and at // cluster * cluster + cluster <= size:
        return f"write -c -P {rng.randrange(1, 255)} {at // cluster * cluster} {cluster}"
    if kind == "zero":
        return f"write -z {at} {length}"
    if kind == "unmap":
        return f"write -z -u {at} {length}"
    if kind == "discard":
        return f"discard {at} {length}"
    return f"write -P {rng.randrange(1, 255)} {at} {length}"


def _is_qcow2(path: Path) -> bool:
    return path.read_bytes()[:4] == b"QFI\xfb"
