"""The extents of a VMDK are looked at like any other file a header names; what QEMU opens and libvmdk lists is the judge."""

import itertools
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Self

import pytest
import pyvmdk
from tests.discover.chains import discover, ids, paths
from tests.image.makers import vmdk
from tests.live.peers import requires
from tests.live.storage import QemuImg

from diskchain.access.requirements import Role, needs
from diskchain.checks.consistency import examine
from diskchain.checks.relations import uses
from diskchain.discover import BackingChain, Discoverer, Layer
from diskchain.readers.policy import STRICT, UPLOAD, OpenPolicy
from diskchain.storage.location import FileLocation, NetworkLocation, describe_location
from diskchain.storage.operation import Start
from diskchain.storage.slice import Slice
from diskchain.storage.source import Source
from diskchain.storage.terms import Format

MIB = 1 << 20
SECTORS = MIB // 512


def described(path: Path, *extents: str, **settings: str) -> Path:
    path.write_bytes(vmdk.descriptor(extents, create_type="twoGbMaxExtentFlat", **settings))
    return path


def flat(path: Path, size: int = MIB) -> Path:
    path.write_bytes(b"")
    os.truncate(path, size)
    return path


def top(path: Path) -> Layer:
    return discover(path, Format.VMDK).top


def names(layer: Layer) -> list[str]:
    return [describe_location(extent.source.location) for extent in layer.extents]


def said(layer: Layer) -> list[str]:
    return [found.id for file in layer.files for found in file.findings]


def under(policy: OpenPolicy, path: Path) -> BackingChain:
    return Discoverer(policy).discover(Source(FileLocation(str(path)), Format.VMDK))


def examined(chain: BackingChain) -> list[str]:
    return [found.id for _, found in examine(chain)]


@pytest.mark.parametrize("subformat", ["twoGbMaxExtentSparse", "twoGbMaxExtentFlat", "monolithicFlat"])
def test_the_extents_of_an_image_qemu_made_are_found_and_sound(
    qemu_img: QemuImg, tmp_path: Path, subformat: str
) -> None:
    image = tmp_path / "disk.vmdk"
    qemu_img("create", "-q", "-f", "vmdk", "-o", f"subformat={subformat}", image, "5G")
    layer = top(image)
    others = sorted(str(path) for path in tmp_path.iterdir() if path != image)
    assert sorted(names(layer)) == others
    assert not said(layer)
    assert [extent.source.format for extent in layer.extents] == [
        Format.VMDK if "Sparse" in subformat else Format.RAW for _ in others
    ]
    told = json.loads(qemu_img("info", "--output=json", "-f", "vmdk", image))
    assert [extent["filename"] for extent in told["format-specific"]["data"]["extents"]] == names(layer)


@pytest.mark.parametrize("subformat", ["twoGbMaxExtentSparse", "twoGbMaxExtentFlat", "monolithicFlat"])
def test_libvmdk_lists_the_same_extents(qemu_img: QemuImg, tmp_path: Path, subformat: str) -> None:
    image = tmp_path / "disk.vmdk"
    qemu_img("create", "-q", "-f", "vmdk", "-o", f"subformat={subformat}", image, "3G")
    handle = pyvmdk.handle()
    handle.open(str(image))
    try:
        listed = [each.get_filename() for each in handle.extent_descriptors]
    finally:
        handle.close()
    assert [extent.source.reference for extent in top(image).extents] == listed


@pytest.mark.parametrize("subformat", ["monolithicSparse", "streamOptimized"])
def test_an_image_of_one_file_has_no_extents(qemu_img: QemuImg, tmp_path: Path, subformat: str) -> None:
    image = tmp_path / "disk.vmdk"
    qemu_img("create", "-q", "-f", "vmdk", "-o", f"subformat={subformat}", image, "3G")
    layer = top(image)
    assert not layer.extents
    assert not said(layer)


def test_a_missing_extent_is_told_with_its_name_and_who_names_it(tmp_path: Path) -> None:
    image = described(tmp_path / "disk.vmdk", f'RW {SECTORS} FLAT "gone-flat.vmdk" 0')
    [extent] = top(image).extents
    [found] = extent.findings
    assert (found.id, found.file, found.referrer) == ("missing", f"{tmp_path}/gone-flat.vmdk", str(image))
    assert found.message.startswith('extent "gone-flat.vmdk": no such file')
    assert found.fix is None  # nothing a rebase could mend


@requires("setpriv", "root")  # root may read everything, unless it gives that up
def test_an_extent_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    flat(tmp_path / "flat.vmdk").chmod(0)
    image = described(tmp_path / "disk.vmdk", f'RW {SECTORS} FLAT "flat.vmdk" 0')
    powerless = ("setpriv", "--bounding-set=-dac_override,-dac_read_search")
    check = (sys.executable, "-m", "diskchain", "check", "--json", "-f", "vmdk", "--", image)
    done = subprocess.run([*powerless, *check], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert [found["id"] for found in json.loads(done.stdout)["targets"][0]["findings"]] == ["unreadable"]


def test_a_device_or_a_directory_is_no_extent(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "directory").mkdir()
    lines = (f'RW {SECTORS} FLAT "{name}" 0' for name in ("fifo", "directory", "/dev/zero"))
    assert said(top(described(tmp_path / "disk.vmdk", *lines))) == ["not-storage"] * 3


def test_an_upload_may_name_no_extent(tmp_path: Path) -> None:
    flat(tmp_path / "flat.vmdk")
    chain = under(UPLOAD, described(tmp_path / "disk.vmdk", f'RW {SECTORS} FLAT "flat.vmdk" 0'))
    [found] = chain.findings
    assert (found.id, found.file, found.referrer) == ("reference-refused", "flat.vmdk", f"{tmp_path}/disk.vmdk")
    assert not chain.top.extents
    assert not chain.complete  # so nobody goes on to open it


def test_under_a_strict_policy_no_extent_leads_out_of_the_directory_of_the_top_image(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    flat(tmp_path / "outside.vmdk")
    flat(inside / "flat.vmdk")
    (inside / "link.vmdk").symlink_to("../outside.vmdk")
    lines = (f'RW {SECTORS} FLAT "{name}" 0' for name in ("flat.vmdk", "../outside.vmdk", "link.vmdk", "/etc/passwd"))
    chain = under(STRICT, described(inside / "disk.vmdk", *lines))
    assert names(chain.top) == [f"{inside}/flat.vmdk"]
    assert [found.file for found in chain.findings] == ["../outside.vmdk", "link.vmdk", "/etc/passwd"]
    assert set(ids(chain)) == {"reference-refused"}


def test_an_extent_of_a_base_may_lie_beside_the_top_image(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    flat(tmp_path / "flat.vmdk")
    described(tmp_path / "sub" / "base.vmdk", f'RW {SECTORS} FLAT "../flat.vmdk" 0')
    lines = (f'RW {SECTORS} FLAT "own.vmdk" 0',)
    flat(tmp_path / "own.vmdk")
    overlay = described(tmp_path / "top.vmdk", *lines, parent="sub/base.vmdk", parent_cid="fffffffe")
    policy = STRICT._replace(unrecorded=True)
    declared = Source(FileLocation(f"{tmp_path}/sub/base.vmdk"), Format.VMDK)
    source = Source(FileLocation(str(overlay)), Format.VMDK, declared)
    assert not ids(Discoverer(policy).discover(source))


def test_an_extent_on_another_host_is_not_looked_at_unless_asked(tmp_path: Path) -> None:
    image = described(tmp_path / "disk.vmdk", f'RW {SECTORS} FLAT "nbd://host/export" 0')
    [extent] = top(image).extents
    assert isinstance(extent.source.location, NetworkLocation)
    assert said(top(image)) == ["not-inspected"]


def test_an_extent_read_elsewhere_is_no_fault(tmp_path: Path) -> None:
    class Opened:
        facts = discover(flat(tmp_path / "flat"), Format.RAW).top.facts

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_: object) -> None:
            return

    image = described(tmp_path / "disk.vmdk", f'RW {SECTORS} FLAT "nbd://host/export" 0')
    discoverer = Discoverer(elsewhere=lambda _: Opened())  # type: ignore[arg-type,return-value]
    assert not list(discoverer.discover(Source(FileLocation(str(image)), Format.VMDK)).findings)


def test_a_flat_extent_that_was_cut_short_is_told(tmp_path: Path) -> None:
    flat(tmp_path / "flat.vmdk", MIB - 512)
    image = described(tmp_path / "disk.vmdk", f'RW {SECTORS - 8} FLAT "flat.vmdk" 4096')
    assert not said(top(described(image, f'RW {SECTORS - 8} FLAT "flat.vmdk" 7')))
    [found] = top(described(image, f'RW {SECTORS} FLAT "flat.vmdk" 1')).extents[0].findings
    assert found.id == "truncated"
    assert "1024 bytes shorter" in found.message


def test_the_guests_bytes_in_a_flat_extent_are_no_header(tmp_path: Path) -> None:
    (tmp_path / "flat.vmdk").write_bytes(b"LUKS\xba\xbe\x00\x01".ljust(MIB, b"\xff"))
    layer = top(described(tmp_path / "disk.vmdk", f'RW {SECTORS} FLAT "flat.vmdk" 0'))
    assert not said(layer)
    assert layer.extents[0].source.encryption is None
    assert layer.extents[0].source.slice == Slice(0, MIB)


def test_a_sparse_extent_has_to_be_one(tmp_path: Path) -> None:
    flat(tmp_path / "s001.vmdk")
    assert said(top(described(tmp_path / "disk.vmdk", f'RW {SECTORS} SPARSE "s001.vmdk"'))) == ["format-mismatch"]


def test_a_sparse_extent_of_another_size_than_said_is_told(tmp_path: Path) -> None:
    (tmp_path / "s001.vmdk").write_bytes(vmdk.sparse(2 * MIB, b""))
    assert said(top(described(tmp_path / "disk.vmdk", f'RW {SECTORS} SPARSE "s001.vmdk"'))) == ["malformed"]


def test_a_descriptor_that_names_itself_is_a_loop(tmp_path: Path) -> None:
    image = tmp_path / "disk.vmdk"
    for line in (f'RW {SECTORS} SPARSE "disk.vmdk"', f'RW 1 FLAT "{image}" 0', f'RW {SECTORS} SPARSE "./disk.vmdk"'):
        layer = top(described(image, line))
        assert said(layer) == ["loop"]
        assert len(layer.extents) == 1


def nested(path: Path, *extents: str) -> Path:
    """A sparse extent of no capacity, with a descriptor inside: QEMU goes on with what that names."""
    header = bytearray(vmdk.sparse(MIB, vmdk.descriptor(extents, create_type="monolithicFlat")))
    header[12:20] = bytes(8)
    path.write_bytes(header)
    return path


def test_an_extent_that_is_a_descriptor_leads_on_as_in_qemu(qemu_img: QemuImg, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    flat(tmp_path / "flat.vmdk")  # beside the image, as QEMU has it, not beside the extent that names it
    nested(tmp_path / "sub" / "inner.vmdk", f'RW {SECTORS} FLAT "flat.vmdk" 0')
    image = described(tmp_path / "disk.vmdk", f'RW {SECTORS} SPARSE "sub/inner.vmdk"')
    layer = top(image)
    assert names(layer) == [f"{tmp_path}/sub/inner.vmdk", f"{tmp_path}/flat.vmdk"]
    assert not said(layer)
    qemu_img("info", "-f", "vmdk", image)
    (tmp_path / "flat.vmdk").unlink()
    with pytest.raises(subprocess.CalledProcessError):
        qemu_img("info", "-f", "vmdk", image)
    assert said(top(image)) == ["missing"]


def test_descriptors_that_lead_to_each_other_end(tmp_path: Path) -> None:
    nested(tmp_path / "a.vmdk", f'RW {SECTORS} SPARSE "b.vmdk"')
    nested(tmp_path / "b.vmdk", f'RW {SECTORS} SPARSE "a.vmdk"')
    layer = top(described(tmp_path / "disk.vmdk", f'RW {SECTORS} SPARSE "a.vmdk"'))
    assert [name.rpartition("/")[2] for name in names(layer)] == ["a.vmdk", "b.vmdk", "a.vmdk"]
    assert said(layer) == ["loop"]


def test_what_an_inner_descriptor_names_passes_the_policy_too(tmp_path: Path) -> None:
    nested(tmp_path / "inner.vmdk", 'RW 1 FLAT "/etc/passwd" 0')
    chain = under(STRICT, described(tmp_path / "disk.vmdk", 'RW 1 SPARSE "inner.vmdk"'))
    assert [(found.id, found.file) for found in chain.findings] == [("reference-refused", "/etc/passwd")]


def test_no_more_extents_are_looked_at_than_the_largest_disk_has(tmp_path: Path) -> None:
    lines = itertools.repeat('RW 1 FLAT "x"', 32769)
    layer = top(described(tmp_path / "disk.vmdk", *lines))
    assert len(layer.extents) == 32768
    assert [found.id for found in layer.findings] == ["malformed"]


def test_the_same_bytes_named_twice_are_told(tmp_path: Path) -> None:
    flat(tmp_path / "flat.vmdk")
    line = f'RW {SECTORS // 2} FLAT "flat.vmdk" '
    apart = discover(described(tmp_path / "apart.vmdk", line + "0", line + f"{SECTORS // 2}"), Format.VMDK)
    assert "extent-repeated" not in examined(apart)
    twice = discover(described(tmp_path / "twice.vmdk", line + "0", line + f"{SECTORS // 2 - 1}"), Format.VMDK)
    assert examined(twice) == ["extent-repeated"]


def test_an_extent_shared_by_overlay_and_base_is_told(tmp_path: Path) -> None:
    flat(tmp_path / "flat.vmdk")
    line = f'RW {SECTORS} FLAT "flat.vmdk" 0'
    base = described(tmp_path / "base.vmdk", line)
    overlay = described(tmp_path / "top.vmdk", line, parent="base.vmdk", parent_cid="fffffffe")
    backing = Source(FileLocation(str(base)), Format.VMDK)
    chain = Discoverer().discover(Source(FileLocation(str(overlay)), Format.VMDK, backing))
    assert [position for position, found in examine(chain) if found.id == "extent-repeated"] == [1]


def test_an_extent_of_a_base_that_everybody_may_write_is_told(tmp_path: Path) -> None:
    flat(tmp_path / "flat.vmdk").chmod(0o666)
    base = described(tmp_path / "base.vmdk", f'RW {SECTORS} FLAT "flat.vmdk" 0')
    overlay = Source(FileLocation(str(flat(tmp_path / "own"))), Format.QCOW2)
    chain = Discoverer().discover(overlay._replace(backing=Source(FileLocation(str(base)), Format.VMDK)))
    assert "world-writable-base" in examined(chain)


def test_a_disk_that_writes_to_the_extents_of_anothers_base_is_told(tmp_path: Path) -> None:
    flat(tmp_path / "flat.vmdk")
    base = described(tmp_path / "base.vmdk", f'RW {SECTORS} FLAT "flat.vmdk" 0')
    below = Source(FileLocation(str(base)), Format.VMDK)
    one = Discoverer().discover(Source(FileLocation(str(flat(tmp_path / "own"))), Format.RAW, below))
    other = Discoverer().discover(Source(FileLocation(f"{tmp_path}/flat.vmdk"), Format.RAW))
    used = uses([("a vda", one), ("b vda", other)])
    assert "base-writable-while-shared" in [found.id for _, found in examine(one, used=used)]


def test_each_extent_needs_the_access_its_image_needs(tmp_path: Path) -> None:
    flat(tmp_path / "flat.vmdk")
    image = described(tmp_path / "disk.vmdk", f'RW {SECTORS} FLAT "flat.vmdk" 0')
    found = needs(discover(image, Format.VMDK).source, Start())
    assert [(need.role, need.path, str(need.access)) for need in found] == [
        (Role.ACTIVE, str(image), "read-write"),
        (Role.EXTENT, f"{tmp_path}/flat.vmdk", "read-write"),
    ]


def test_a_base_with_extents_shared_by_two_overlays_is_remembered_whole(tmp_path: Path) -> None:
    flat(tmp_path / "flat.vmdk")
    base = described(tmp_path / "base.vmdk", f'RW {SECTORS} FLAT "flat.vmdk" 0')
    discoverer = Discoverer()
    sources = [Source(FileLocation(str(base)), Format.VMDK, readonly=readonly) for readonly in (True, True, False)]
    for chain in map(discoverer.discover, sources):
        assert names(chain.top) == [f"{tmp_path}/flat.vmdk"]
        assert [extent.readonly for extent in chain.source.extents] == [chain.source.readonly]


def test_a_walk_without_a_deadline_says_the_same(tmp_path: Path) -> None:
    flat(tmp_path / "flat.vmdk")
    image = described(tmp_path / "disk.vmdk", f'RW {SECTORS} FLAT "flat.vmdk" 0', f'RW {SECTORS} SPARSE "gone"')
    source = Source(FileLocation(str(image)), Format.VMDK)
    assert Discoverer(seconds=math.inf).discover(source) == Discoverer().discover(source)


def test_a_name_is_shown_as_it_stands_there_unless_it_would_harm_a_terminal(tmp_path: Path) -> None:
    lines = (rf'RW 1 FLAT "{name}" 0' for name in ("\\\\.\\PhysicalDrive0", "bell\x07"))
    messages = [found.message for found in discover(described(tmp_path / "d", *lines), Format.VMDK).findings]
    assert messages[0].startswith(r'extent "\\.\PhysicalDrive0": ')
    assert messages[1].startswith(r'extent "bell\x07": ')


def test_extents_are_no_layers(tmp_path: Path) -> None:
    flat(tmp_path / "flat.vmdk")
    image = described(tmp_path / "disk.vmdk", f'RW {SECTORS} FLAT "flat.vmdk" 0')
    chain = discover(image, Format.VMDK)
    assert paths(chain) == [str(image)]
    assert chain.complete
