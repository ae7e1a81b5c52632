"""Tables that lie: what cannot be believed is a finding, the rest of the map is complete, and nothing else is raised."""

import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.live.storage import QemuImg

import diskchain
from diskchain.allocation.layer_map import LayerMap

_L1_AT = 40  # the field of the header


@pytest.fixture(scope="module")
def image(qemu_img: QemuImg, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """2 MiB in clusters of 4 KiB: two L2 tables, each with data."""
    path = tmp_path_factory.mktemp("image") / "image.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", "-o", "cluster_size=4096", path, "4M")
    subprocess.run(
        ["qemu-io", "-f", "qcow2", "-c", "write 0 64k", "-c", "write 3M 8k", path], check=True, capture_output=True
    )
    return path.read_bytes()


def mapped(path: Path, content: bytes) -> LayerMap:
    path.write_bytes(content)
    return LayerMap(diskchain.discover(path, format=diskchain.Format.QCOW2))


def with_entry(image: bytes, at: int, value: int) -> bytes:
    return image[:at] + value.to_bytes(8, "big") + image[at + 8 :]


def l1_at(image: bytes) -> int:
    return int.from_bytes(image[_L1_AT : _L1_AT + 8], "big")


def l2_at(image: bytes) -> int:
    return int.from_bytes(image[l1_at(image) : l1_at(image) + 8], "big") & 0x00FFFFFFFFFFFE00


def test_an_l2_table_off_its_cluster_is_damage_there_and_nowhere_else(image: bytes, tmp_path: Path) -> None:
    ours = mapped(tmp_path / "image", with_entry(image, l1_at(image), l2_at(image) + 512))
    runs = list(ours.runs())
    assert (runs[0].start, runs[0].length, runs[0].damaged) == (0, 2 << 20, True)
    assert [(run.start, run.length) for run in runs if run.data and not run.damaged] == [(3 << 20, 8192)]
    assert [found.id for found in ours.findings] == ["damaged-table"]


def test_an_l2_table_behind_the_end_holds_nothing(image: bytes, tmp_path: Path) -> None:
    ours = mapped(tmp_path / "image", with_entry(image, l1_at(image), 1 << 40))
    assert next(iter(ours.runs())).present is False
    assert "behind the end" in ours.findings[0].message


def test_a_cluster_off_its_place_is_damage(image: bytes, tmp_path: Path) -> None:
    ours = mapped(tmp_path / "image", with_entry(image, l2_at(image) + 8, 512 | 1 << 63))
    assert [(run.start, run.length) for run in ours.runs() if run.damaged] == [(4096, 4096)]
    assert "0x1000" in ours.findings[0].message


def test_data_behind_the_end_are_told(image: bytes, tmp_path: Path) -> None:
    ours = mapped(tmp_path / "image", with_entry(image, l2_at(image) + 8, 1 << 40 | 1 << 63))
    assert sum(run.length for run in ours.runs() if run.data) == (64 << 10) + 8192
    assert "behind the end" in ours.findings[0].message


@settings(max_examples=150)
@given(st.data())
def test_whatever_a_file_holds_its_map_is_whole_and_nothing_is_raised(
    image: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    content = bytearray(image[: data.draw(st.sampled_from((len(image), len(image) // 2, 8192, 4096)))])
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(4, len(content) - 9))
        value = data.draw(st.one_of(st.binary(min_size=8, max_size=8), st.sampled_from((b"\xff" * 8, bytes(8)))))
        content[at : at + 8] = value
    ours = mapped(tmp_path_factory.mktemp("hostile") / "image", bytes(content))
    header = ours.chain.top.header
    if header is None or header.capacity > 1 << 40:
        return
    end = 0
    for window in ours:
        assert window.start[0] == end
        assert (window.end[:-1] == window.start[1:]).all()
        end = int(window.end[-1])
    assert end == header.capacity
    ours.totals()
