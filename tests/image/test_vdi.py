"""VDI: images built here, cross-read by dissect.hypervisor, and by qemu-img where it opens them."""

import io
import json
from pathlib import Path
from subprocess import CalledProcessError
from uuid import UUID

import pytest
from dissect.hypervisor.disk.vdi import VDI
from tests.image.makers import vdi
from tests.image.makers.vdi import MiB, Vdi
from tests.image.windows import bytes_window, file_window
from tests.live.storage import QemuImg

from diskchain.errors import ImageError
from diskchain.image.inspect import inspect
from diskchain.storage.terms import Format

BASE = Vdi(uuid=UUID("12345678-9abc-4def-8123-456789abcdef"), modification=UUID(int=2))
CHILD = Vdi(
    uuid=UUID("87654321-9abc-4def-8123-456789abcdef"),
    modification=UUID(int=3),
    kind=vdi.DIFFERENCING,
    link=BASE.uuid,
    parent_modification=BASE.modification,
)


def test_a_differencing_image_is_read_like_dissect_reads_it() -> None:
    image = vdi.make(CHILD)
    theirs = VDI(io.BytesIO(image)).header

    header = inspect(bytes_window(image), Format.VDI, full=True)

    assert header.identity is not None
    assert (header.capacity, header.cluster_size) == (theirs.cbDisk, theirs.cbBlock)
    ours = (header.identity.own, header.identity.own_state, header.identity.parent, header.identity.parent_state)
    uuids = (theirs.uuidCreate, theirs.uuidModify, theirs.uuidLinkage, theirs.uuidParentModify)
    assert ours == tuple(str(UUID(bytes_le=bytes(uuid))) for uuid in uuids)
    assert dict(header.details)["image type"] == "differencing"


def test_a_child_remembers_its_parents_two_uuids() -> None:
    base, child = (inspect(bytes_window(vdi.make(image)), Format.VDI).identity for image in (BASE, CHILD))

    assert base is not None
    assert child is not None
    assert (child.parent, child.parent_state) == (base.own, base.own_state)
    assert (base.parent, base.parent_state) == (None, None)


def test_a_parent_has_no_name_so_there_is_no_backing_reference() -> None:
    assert inspect(bytes_window(vdi.make(CHILD)), Format.VDI).backing is None


@pytest.mark.parametrize("capacity", [20 * MiB, 20 * MiB + 1000, 0])
def test_capacity_is_qemus(qemu_img: QemuImg, capacity: int, tmp_path: Path) -> None:
    path = tmp_path / "disk.vdi"
    path.write_bytes(vdi.make(BASE._replace(capacity=capacity)))
    theirs = json.loads(qemu_img("info", "--output=json", "-f", "vdi", path))

    header = inspect(file_window(path), Format.VDI)

    assert (header.capacity, header.cluster_size) == (theirs["virtual-size"], theirs["cluster-size"])


def test_the_comment_is_shown_as_it_stands() -> None:
    image = vdi.make(BASE._replace(comment="größer \x1b[31m".encode()))

    assert dict(inspect(bytes_window(image), Format.VDI, full=True).details)["comment"] == "größer \x1b[31m"


@pytest.mark.parametrize(
    "broken",
    [Vdi(kind=9), Vdi(block_size=1000), Vdi(block_size=1 << 30)],
    ids=["type", "odd block", "huge block"],
)
def test_impossible_parameters_are_refused(broken: Vdi) -> None:
    with pytest.raises(ImageError):
        inspect(bytes_window(vdi.make(broken)), Format.VDI)


@pytest.mark.parametrize(
    "image", [Vdi(block_size=2 * MiB), Vdi(parent_modification=UUID(int=7))], ids=["block size", "parent's state"]
)
def test_what_qemu_does_not_open_is_read_and_told_of(qemu_img: QemuImg, image: Vdi, tmp_path: Path) -> None:
    path = tmp_path / "disk.vdi"
    path.write_bytes(vdi.make(image))
    with pytest.raises(CalledProcessError):
        qemu_img("info", "-f", "vdi", path)
    assert [id for id, _ in inspect(file_window(path), Format.VDI).remarks] == ["unsupported-image"]
