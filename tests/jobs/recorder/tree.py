"""A small tree of images for recorded runs: base <- mid <- top, and sib on base. Made by qemu-img and qemu-io, names relative."""

from pathlib import Path

from tests.live.storage import QemuImg, run

#: The smaller the images, the more instants can be looked at.
CLUSTER = 1 << 12
GUEST = 64 * CLUSTER

#: What is written to each layer: (pattern, first cluster, clusters). Every layer holds what no other does, and hides some of what is below.
WRITTEN = {
    "base": ((0x11, 0, 24), (0x12, 40, 4)),
    "mid": ((0x21, 4, 6), (0x22, 30, 3), (0x23, 41, 1)),
    "top": ((0x31, 6, 2), (0x32, 31, 1), (0x33, 50, 1)),
    "sib": ((0x41, 2, 3), (0x42, 60, 1)),
}


def make_tree(
    directory: Path,
    qemu_img: QemuImg,
    *,
    base_format: str = "qcow2",
    options: str = f"cluster_size={CLUSTER}",
    base_size: int = GUEST,
) -> None:
    """The four images, each with content. `options` are qcow2's."""
    for name, below, below_format in (
        ("base", None, ""),
        ("mid", "base", base_format),
        ("top", "mid", "qcow2"),
        ("sib", "base", base_format),
    ):
        path = directory / name
        format = base_format if below is None else "qcow2"
        more = ["-o", options] if options and format == "qcow2" else []
        backing = [] if below is None else ["-b", below, "-F", below_format]
        qemu_img("create", "-q", "-f", format, *more, *backing, path, str(base_size if below is None else GUEST))
        write(path, format, WRITTEN[name])


def write(path: Path, format: str, areas: tuple[tuple[int, int, int], ...]) -> None:
    """Write areas of whole clusters through the image's chain."""
    commands = [f"write -q -P {pattern} {first * CLUSTER} {count * CLUSTER}" for pattern, first, count in areas]
    run("qemu-io", "-f", format, *(word for command in commands for word in ("-c", command)), path)
