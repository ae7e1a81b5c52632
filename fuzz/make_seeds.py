"""Writes ``fuzz/seeds/<target>/``: small images of every kind, as :mod:`fuzz.sparse` encodes them. Needs qemu-img and cryptsetup.

Run it after a new kind of image appeared: ``python -m fuzz.make_seeds``. What is there already and is not made here stays.
"""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

from fuzz.sparse import SparseImage, encode, from_bytes
from tests.image.makers import relics, vdi, vhd, vhdx, vmdk

SEEDS = Path(__file__).parent / "seeds"
MiB = 1 << 20
_LOOK = 1024
_ISO_AT = 32768
SOME, OTHER = UUID("11111111-2222-3333-4444-555555555555"), UUID("aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee")

#: target, name, options of `qemu-img create`
_QEMU = [
    ("qcow", "plain", []),
    ("qcow", "overlay", ["-u", "-b", "base.raw", "-F", "raw"]),
    ("qcow2", "v2", ["-o", "compat=0.10"]),
    ("qcow2", "overlay", ["-u", "-b", "base.qcow2", "-F", "qcow2", "-o", "cluster_size=512"]),
    ("qcow2", "small-clusters", ["-o", "cluster_size=4k,extended_l2=off,compression_type=zstd"]),
    ("qed", "plain", ["-o", "cluster_size=4k,table_size=2"]),
    ("qed", "overlay", ["-u", "-b", "base.raw", "-F", "raw"]),
    ("vdi", "dynamic", []),
    ("vhdx", "dynamic", ["-o", "block_size=1M"]),
    ("vmdk", "monolithic", []),
    ("vmdk", "stream", ["-o", "subformat=streamOptimized"]),
    ("vmdk", "split", ["-o", "subformat=twoGbMaxExtentSparse"]),
    ("vpc", "dynamic", []),
    ("parallels", "plain", []),
]


def main() -> None:
    """Make and write all seeds."""
    for target, name, image in [*_from_qemu(), *_from_makers(), *_from_cryptsetup()]:
        folder = SEEDS / target
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encode(image))
        if target != "luks":
            (SEEDS / "probe").mkdir(exist_ok=True)
            (SEEDS / "probe" / f"{target}-{name}").write_bytes(encode(_ends(image)))


def _ends(image: SparseImage) -> SparseImage:
    """What probing looks at: the first KiB, the first sector of an ISO, and the last KiB."""
    looked_at = (range(_LOOK), range(_ISO_AT, _ISO_AT + _LOOK), range(image.size - _LOOK, image.size))
    kept = tuple((at, chunk) for at, chunk in image.chunks if any(at in places for places in looked_at))
    return SparseImage(image.size, tuple((at, chunk[:_LOOK]) for at, chunk in kept))


def _from_qemu() -> Iterator[tuple[str, str, SparseImage]]:
    with tempfile.TemporaryDirectory() as folder:
        for target, name, options in _QEMU:
            path = Path(folder) / name
            _run("qemu-img", "create", "-q", "-f", target, *options, str(path), "1M")
            yield target, name, from_bytes(path.read_bytes(), flags=target == "vhdx")
        path = Path(folder) / "tables"
        _run("qemu-img", "create", "-q", "-f", "qcow2", "-o", "cluster_size=4k", str(path), "1M")
        _run("qemu-img", "snapshot", "-c", "before", str(path))
        _run("qemu-img", "bitmap", "--add", str(path), "daily")
        yield "qcow2", "tables", from_bytes(path.read_bytes())
        data = Path(folder) / "content"
        _run("qemu-img", "create", "-q", "-f", "qcow2", "-o", f"data_file={data}", str(path), "1M")
        yield (
            "qcow2",
            "data-file",
            from_bytes(path.read_bytes().replace(str(folder).encode(), b"/".ljust(len(folder), b"x"))),
        )


def _from_makers() -> Iterator[tuple[str, str, SparseImage]]:
    locators = {"W2ru": vhd.windows_path(".\\base.vhd"), "MacX": b"file://./base.vhd"}
    text = vmdk.descriptor(['RW 2048 SPARSE "child.vmdk"'], parent_cid="cafe0001", parent="base.vmdk")
    extents = ['RW 2048 FLAT "disk-flat.vmdk" 0', "RW 2048 ZERO", 'RDONLY 5 VMFS "x"']
    pairs = {"parent_linkage": f"{{{OTHER}}}", "relative_path": ".\\base.vhdx", "absolute_win32_path": "C:\\base.vhdx"}
    child = vdi.Vdi(kind=vdi.DIFFERENCING, uuid=SOME, link=OTHER, capacity=MiB)
    images = [
        ("vpc", "fixed", vhd.fixed(bytes(4096), SOME)),
        ("vpc", "differencing", vhd.differencing(MiB, SOME, vhd.Parent(OTHER, 1700000000, "base.vhd", locators))),
        ("vhdx", "differencing", vhdx.make(vhdx.Vhdx(locator=pairs))),
        ("vdi", "differencing", vdi.make(child)),
        ("vmdk", "overlay", vmdk.sparse(MiB, text)),
        ("vmdk", "descriptor", vmdk.descriptor(extents, create_type="custom")),
        ("vmdk", "cowd", vmdk.cowd(MiB, parent=b"base.vmdk")),
        ("vmdk", "se-sparse", vmdk.sesparse(MiB)),
        ("parallels", "bitmap", relics.parallels_with_bitmap(MiB, SOME, 65536)),
        ("bochs", "growing", relics.bochs(65536)),
        ("cloop", "zeros", relics.cloop(bytes(8192))),
        ("cow", "v2", relics.cow(MiB, b"base.raw", changed=1000)),
        ("cow", "v3", relics.cow(MiB, b"base.raw", changed=1000, version=3)),
        ("dmg", "zeros", relics.dmg(bytes(512), SOME)),
        ("dmg", "encrypted", relics.encrypted_dmg(bytes(512), SOME)),
        ("dmg", "encrypted-1", relics.encrypted_dmg(bytes(512), SOME, version=1)),
        ("iso", "volume", bytes(32768) + b"\x01CD001\x01".ljust(40, b"\0") + b"RESCUE".ljust(32) + bytes(2048)),
    ]
    for target, name, image in images:
        yield target, name, from_bytes(image, flags=target == "vhdx")


def _from_cryptsetup() -> Iterator[tuple[str, str, SparseImage]]:
    with tempfile.TemporaryDirectory() as folder:
        key, path = Path(folder) / "key", Path(folder) / "disk"
        key.write_bytes(b"not a secret")
        for kind, header in (("luks1", 1024), ("luks2", 16384)):
            path.write_bytes(bytes(20 * MiB))
            fast = ("--batch-mode", "--pbkdf", "pbkdf2", "--pbkdf-force-iterations", "1000", "--key-file", str(key))
            _run("cryptsetup", "luksFormat", *fast, "--type", kind, str(path))
            image = from_bytes(path.read_bytes()[:header])
            yield "luks", kind, image._replace(size=20 * MiB)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603  # no input from outside


if __name__ == "__main__":
    main()
