"""Images of every format that can name another file, each naming one."""

from collections.abc import Callable
from pathlib import Path
from typing import Final
from uuid import UUID

from tests.discover.written import write_qcow2
from tests.image.makers import relics, vdi, vhd, vhdx, vmdk
from tests.live.storage import QemuImg

from diskchain.storage.terms import Format

#: Makes an image at a path that names another file.
Make = Callable[[QemuImg, Path, str], object]

_MIB: Final = 1 << 20
_ONE, _OTHER = UUID(int=1), UUID(int=2)


def _by_qemu(format: str, prefix: str = "") -> Make:
    def make(qemu_img: QemuImg, path: Path, name: str) -> None:
        qemu_img("create", "-q", "-u", "-f", format, "-F", "raw", "-b", prefix + name, path, "1M")

    return make


def _by_hand(content: Callable[[str], bytes]) -> Make:
    return lambda _, path, name: path.write_bytes(content(name))


def _written(write: Callable[[Path, str], object]) -> Make:
    return lambda _, path, name: write(path, name)


def _json(name: str) -> str:
    return f'json:{{"driver":"raw","file":{{"driver":"file","filename":"{name}"}}}}'


def _with_parent(name: str) -> bytes:
    return vmdk.descriptor([], parent_cid="1", parent=name)


def _with_extent(name: str, kind: str = "FLAT") -> bytes:
    return vmdk.descriptor([f'RW 1 {kind} "{name}"' + (" 0" if kind == "FLAT" else "")])


def _vhd(name: str) -> bytes:
    return vhd.differencing(_MIB, _ONE, vhd.Parent(_OTHER, 1_000_000_000, name, {"W2ku": vhd.windows_path(name)}))


NAMING: Final[dict[str, tuple[Format, Make]]] = {
    "qcow": (Format.QCOW, _by_qemu("qcow")),
    "qcow2": (Format.QCOW2, _by_qemu("qcow2")),
    "qcow2, file:": (Format.QCOW2, _by_qemu("qcow2", "file:")),
    "qcow2, json:": (Format.QCOW2, _written(lambda path, name: write_qcow2(path, _json(name)))),
    "qcow2, unrecorded": (Format.QCOW2, _written(lambda path, name: write_qcow2(path, name, None))),
    "qcow2, data file": (Format.QCOW2, _written(lambda path, name: write_qcow2(path, data_file=name))),
    "qed": (Format.QED, _by_qemu("qed")),
    "cow": (Format.COW, _by_hand(lambda name: relics.cow(_MIB, name.encode()))),
    "vmdk, text, flat extent": (Format.VMDK, _by_hand(_with_extent)),
    "vmdk, text, sparse extent": (Format.VMDK, _by_hand(lambda name: _with_extent(name, "SPARSE"))),
    "vmdk, text, parent": (Format.VMDK, _by_hand(_with_parent)),
    "vmdk, sparse, parent": (Format.VMDK, _by_hand(lambda name: vmdk.sparse(_MIB, _with_parent(name)))),
    "vmdk, sparse, extent": (Format.VMDK, _by_hand(lambda name: vmdk.sparse(_MIB, _with_extent(name)))),
    "vmdk, cowd": (Format.VMDK, _by_hand(lambda name: vmdk.cowd(_MIB, parent=name.encode()))),
    "vdi": (Format.VDI, _by_hand(lambda _: vdi.make(vdi.Vdi(link=_ONE, kind=4)))),
    "vhd": (Format.VPC, _by_hand(_vhd)),
    "vhdx": (Format.VHDX, _by_hand(lambda name: vhdx.make(vhdx.Vhdx(locator={"absolute_win32_path": name})))),
}
#: What these name is never opened: libvirt takes file: for no path, and parents and extents like these are told, not followed.
NEVER_FOLLOWED: Final = ("qcow2, file:", "vmdk, sparse, extent", "vmdk, cowd", "vdi", "vhd", "vhdx")
