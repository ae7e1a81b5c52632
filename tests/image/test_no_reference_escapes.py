"""Whatever happens to a header: a file that QEMU would open because of it is one we name, or we refuse the image.

QEMU is asked (`qemu-img info`) after random changes to headers that name other files. Two differences are accepted: info prints the
data file's name of a qcow2 whose feature bit says that there is none; QEMU does not open it. And QEMU counts an extent of a VMDK
once more for each empty line before it.
"""

import json
import re
import subprocess
from pathlib import Path, PurePath
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.image.makers import vmdk
from tests.image.test_against_qemu import Case, create
from tests.image.windows import bytes_window
from tests.live.storage import QemuImg

from diskchain.errors import ImageError
from diskchain.image.inspect import inspect
from diskchain.storage.terms import Format

MiB = 1 << 20
#: A megabyte of content for extents, which QEMU opens.
CONTENT = "flat"
_EXTERNAL_DATA = 1 << 2
_EXTENT_AFTER_EMPTY_LINE = re.compile(rb"(\A|\n)\s*\n\s*RW\s")

_BYTES = st.one_of(
    st.binary(min_size=1, max_size=4),
    st.sampled_from([b"\0", b"\n", b'"', b"\xff\xff\xff\xff", b"\0\0\0\0", b'RW 1 FLAT "flat" 0\n', b"\x0b", b"\r"]),
)


def original(kind: str, qemu_img: QemuImg, directory: Path) -> tuple[Format, bytes]:
    """An image that refers to other files."""
    text = vmdk.descriptor(
        [f'RW 1024 FLAT "{CONTENT}" 0', f'RW 1024 FLAT "{CONTENT}" 1024'],
        create_type="twoGbMaxExtentFlat",
        parent="base",
    )
    (directory / CONTENT).write_bytes(bytes(MiB))
    match kind:
        case "vmdk text":
            return Format.VMDK, text
        case "vmdk sparse":
            return Format.VMDK, vmdk.sparse(MiB, text)
        case "qcow2 data file":
            return Format.QCOW2, create(
                qemu_img, Case("qcow2", MiB, ("data_file=content.raw",)), directory
            ).read_bytes()
        case "qcow2 v2":
            case = Case("qcow2", MiB, ("compat=0.10", "cluster_size=4k"), "base.raw", "raw")
            return Format.QCOW2, create(qemu_img, case, directory).read_bytes()
    return Format(kind), create(qemu_img, Case(kind, MiB, (), "base.raw", "raw"), directory).read_bytes()


def qemu_opens(path: Path, format: Format) -> dict[str, Any] | None:
    """What QEMU says of the image; None when it refuses to open it."""
    command = ["qemu-img", "info", "-U", "--output=json", "-f", format.value, path]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False, timeout=60)
    return json.loads(done.stdout) if done.returncode == 0 else None


def same(ours: str | None, theirs: str | None) -> bool:
    """QEMU's JSON shows bytes that are not UTF-8, and some that are, as U+FFFD."""
    if ours is None or theirs is None or not (ours.isascii() and theirs.isascii()):
        return (ours is None) == (theirs is None)
    return ours == theirs


@pytest.mark.parametrize("kind", ["qcow", "qcow2", "qcow2 v2", "qcow2 data file", "qed", "vmdk text", "vmdk sparse"])
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_no_reference_escapes(qemu_img: QemuImg, kind: str, tmp_path: Path, data: st.DataObject) -> None:
    cached = tmp_path / "original"
    if not cached.exists():
        format, image = original(kind, qemu_img, tmp_path)
        cached.write_bytes(image)
    format, image = Format(kind.split(maxsplit=1)[0]), cached.read_bytes()
    changed = bytearray(image)
    places = st.integers(0, min(1100, len(image) - 4))
    for at, put in data.draw(st.lists(st.tuples(places, _BYTES), min_size=1, max_size=3)):
        changed[at : at + len(put)] = put
    path = tmp_path / "changed"
    path.write_bytes(changed)

    theirs = qemu_opens(path, format)
    try:
        ours = inspect(bytes_window(bytes(changed)), format)
    except ImageError:
        return

    if theirs is None:
        return
    specific = theirs.get("format-specific", {}).get("data", {})
    assert same(ours.backing.text if ours.backing else None, theirs.get("backing-filename"))
    if format != Format.QCOW2 or changed[79] & _EXTERNAL_DATA:
        # Ours is "" when there is one and no name for it; QEMU then says nothing, or that the name is "".
        assert same(ours.data_file or None, specific.get("data-file") or None)
    opened = {PurePath(extent["filename"]).name for extent in specific.get("extents", ()) if extent["format"]}
    assert opened <= {PurePath(extent.name).name for extent in ours.extents}
    assert ours.capacity == theirs["virtual-size"] or _EXTENT_AFTER_EMPTY_LINE.search(changed)
