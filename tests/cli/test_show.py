"""``diskchain show`` prints chains for people and programs, and its exit code says how they are."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.commands import diskchain
from tests.discover.chains import overlay
from tests.live.daemons import Libvirtd
from tests.live.domains import PausedDomain
from tests.live.storage import QemuImg

from diskchain.units import human_size

DOMAIN = """<domain type='qemu'><name>d</name><memory>65536</memory><os><type>hvm</type></os><devices>
<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{top}'/><target dev='vda' bus='virtio'/></disk>
<disk type='file' device='cdrom'><target dev='sda' bus='sata'/><readonly/></disk>
<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{base}'/><target dev='vdb' bus='virtio'/></disk>
</devices></domain>"""


@pytest.fixture
def chain(qemu_img: QemuImg, tmp_path: Path) -> Path:
    (tmp_path / "base.raw").write_bytes(bytes(1 << 20))
    overlay(qemu_img, tmp_path / "mid.qcow2", "base.raw", "raw")
    return overlay(qemu_img, tmp_path / "top.qcow2", "mid.qcow2")


@pytest.fixture
def domain(chain: Path) -> Path:
    path = chain.with_name("domain.xml")
    path.write_text(DOMAIN.format(top=chain, base=chain.with_name("base.raw")))
    return path


def test_an_image_is_shown_as_a_tree_top_first_with_a_line_for_each_layer(chain: Path) -> None:
    top, mid = _used(chain), _used(chain.with_name("mid.qcow2"))
    shown = diskchain("show", "-f", "qcow2", chain)
    assert shown.code == 0
    assert shown.out.splitlines() == [
        f"{chain}  3 layers: 1 MiB, {_total(chain)} used; clean",
        f"├─ [0] top.qcow2  qcow2  1 MiB  {top} used",
        f"├─ [1] mid.qcow2  qcow2  1 MiB  {mid} used",
        "└─ [2] base.raw   raw    1 MiB  1 MiB used",
    ]


def test_all_that_is_known_of_each_layer_is_shown_with_v(chain: Path) -> None:
    shown = diskchain("show", "-v", "-f", "qcow2", chain)
    assert shown.code == 0
    assert shown.out.splitlines() == [
        f"{chain}  3 layers, top first: 1 MiB, {_total(chain)} used; clean",
        f"├─ [0] {chain}",
        f"│  qcow2 (declared)  capacity 1 MiB  used {_used(chain)}",
        f"├─ [1] {chain.parent}/mid.qcow2",
        '│  stored as "mid.qcow2"',
        f"│  qcow2 (recorded)  capacity 1 MiB  used {_used(chain.with_name('mid.qcow2'))}  read-only",
        f"├─ [2] {chain.parent}/base.raw",
        '│  stored as "base.raw"',
        "│  raw (recorded)  capacity 1 MiB  used 1 MiB  read-only",
        "└─ end: raw has no backing file",
    ]


def _total(chain: Path) -> str:
    return human_size(sum(path.stat().st_blocks * 512 for path in chain.parent.glob("*.*")))


def _used(path: Path) -> str:
    return f"{path.stat().st_blocks // 2} KiB"


def test_json_is_one_flat_list_per_disk(domain: Path) -> None:
    shown = json.loads(diskchain("show", "--json", domain).out)
    assert shown["schema"] == "diskchain/chain/1"
    assert [(disk["disk"], len(disk["layers"])) for disk in shown["disks"]] == [("vda", 3), ("vdb", 1)]
    layer = shown["disks"][0]["layers"][2]
    assert (layer["position"], layer["format"], layer["virtual-size"]) == (2, "raw", 1 << 20)


def test_one_disk_can_be_picked(domain: Path) -> None:
    shown = diskchain("show", domain, "-d", "vdb")
    assert shown.out.startswith("vdb  1 layer in ")


def test_a_layer_can_be_picked_by_number(domain: Path) -> None:
    assert "top.qcow2" in diskchain("show", domain, "-d", "vda[0]").out
    shown = diskchain("show", domain, "-d", "vda[1]")
    assert shown.out.startswith("vda[1]  2 layers")
    assert "├─ [1] mid.qcow2  " in shown.out
    assert "top.qcow2" not in shown.out


def test_a_layer_can_be_picked_by_path(domain: Path, chain: Path) -> None:
    assert diskchain("show", domain, "-d", str(chain.with_name("mid.qcow2"))).out.startswith("vda[1]  2 layers in ")


def test_an_unknown_disk_is_a_usage_error_that_lists_the_disks(domain: Path) -> None:
    shown = diskchain("show", domain, "-d", "sdx")
    assert shown.code == 2
    assert "vda, vdb" in shown.err


def test_a_document_can_come_from_standard_input(domain: Path) -> None:
    assert diskchain("show", "-", stdin=domain.read_text()).out.startswith("vda  3 layers")


def test_a_single_disk_element_is_a_document(domain: Path, tmp_path: Path) -> None:
    text = domain.read_text()
    alone = tmp_path / "disk.xml"
    alone.write_text(text[text.index("<disk") : text.index("</disk>") + len("</disk>")])
    assert diskchain("show", alone).out.startswith("vda  3 layers")


def test_a_missing_layer_is_exit_code_1_and_is_shown(chain: Path) -> None:
    chain.with_name("base.raw").unlink()
    shown = diskchain("show", chain, "-f", "qcow2")
    assert shown.code == 1
    assert "[missing]" in shown.out
    assert "└─ unknown" in shown.out


def test_a_layer_elsewhere_is_exit_code_3(qemu_img: QemuImg, tmp_path: Path) -> None:
    top = overlay(qemu_img, tmp_path / "top.qcow2", "nbd://127.0.0.1:1/x", "raw")
    shown = diskchain("show", "-f", "qcow2", top)
    assert shown.code == 3
    assert "[not-inspected]" in shown.out


def test_a_password_in_a_backing_string_is_not_printed(qemu_img: QemuImg, tmp_path: Path) -> None:
    top = overlay(qemu_img, tmp_path / "top.qcow2", "http://user:hunter2@127.0.0.1/x", "raw")
    for words in (("show",), ("show", "--json"), ("info",), ("info", "--json"), ("check",), ("check", "--json")):
        shown = diskchain(*words, top)
        assert "hunter2" not in shown.out + shown.err


def test_no_colour_goes_into_a_pipe(chain: Path) -> None:
    assert "\x1b" not in diskchain("show", chain).out


def test_a_line_break_in_a_name_stays_on_one_line(qemu_img: QemuImg, tmp_path: Path) -> None:
    top = overlay(qemu_img, tmp_path / "top.qcow2", "a\nb\x1b[31m", "raw")
    shown = diskchain("show", top)
    assert "a\\nb\\x1b[31m" in shown.out
    assert "\x1b" not in shown.out


def test_a_name_that_is_no_utf8_is_shown_and_survives_json(tmp_path: Path, qemu_img: QemuImg) -> None:
    top = tmp_path / "top.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", top, "1M")
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.qcow2")
    Path(odd).hardlink_to(top)
    shown = diskchain("show", "--json", odd)
    assert json.loads(shown.out)["disks"][0]["layers"][0]["filename"] == odd


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<domain><devices><disk", "bad.xml:1: "),
        ("<!DOCTYPE d [<!ENTITY a 'b'>]><domain>&a;</domain>", "bad.xml:1: has a document type"),
        ("<!DOCTYPE d SYSTEM 'file:///etc/passwd'><domain/>", "bad.xml:1: has a document type"),
    ],
)
def test_a_bad_document_is_one_clear_line(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "bad.xml"
    path.write_text(text)
    shown = diskchain("show", path)
    assert shown.code == 2
    assert shown.err.startswith(f"diskchain: {tmp_path}/{problem}")
    assert len(shown.err.splitlines()) == 1


def test_a_fifo_does_not_block(fifo: Path) -> None:
    started = time.monotonic()
    shown = diskchain("show", fifo, seconds=5)
    assert time.monotonic() - started < 3
    assert shown.code == 3
    assert "FIFO" in shown.err


def test_nothing_there_is_named() -> None:
    shown = diskchain("show", "/nonexistent/image")
    assert shown.code == 3
    assert shown.err == "diskchain: /nonexistent/image: no such file\n"


def test_a_live_domain_is_shown_with_libvirts_indexes(
    libvirtd: Libvirtd, paused_domain: Callable[..., PausedDomain], chain: Path, image_dir: Path
) -> None:
    for name in ("base.raw", "mid.qcow2", "top.qcow2"):
        (image_dir / name).write_bytes(chain.with_name(name).read_bytes())
        (image_dir / name).chmod(0o644)
    disk = (
        f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{image_dir}/top.qcow2'/>"
        "<target dev='vda' bus='virtio'/></disk>"
    )
    running = paused_domain(disk)
    shown = diskchain("show", "-c", libvirtd.uri, running.name)
    assert shown.code == 0, shown.err
    assert f"3 layers in {image_dir}: " in shown.out
    assert "[1] :0 top.qcow2" in shown.out
    assert "[3] :2 base.raw" in shown.out
    assert diskchain("show", "-c", libvirtd.uri, running.name, "-d", "vda[2]").out.startswith("vda[2]  2 layers")


def test_a_directory_is_no_image_of_a_format(tmp_path: Path) -> None:
    shown = diskchain("show", tmp_path, "-f", "raw")
    assert (shown.code, shown.err) == (2, f"diskchain: {tmp_path} is a directory, not an image or a document\n")


def test_what_the_daemon_writes_down_of_a_domain_is_shown_like_the_domain(domain: Path) -> None:
    status = domain.with_name("status.xml")
    status.write_text(f"<domstatus state='running' reason='booted' pid='1'>\n{domain.read_text()}\n</domstatus>")
    assert diskchain("show", status).out == diskchain("show", domain).out


def test_a_disk_that_libvirt_refuses_is_a_finding_and_the_others_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "bad.xml"
    good = "<disk><source file='/gone'/><target dev='vdb'/></disk>"
    path.write_text(f"<domain><devices>\n<disk type='bad'><target dev='vda'/></disk>{good}</devices></domain>")
    shown = diskchain("show", path)
    assert shown.code == 1
    assert "error: vda, line 2: type of <disk> is 'bad'" in shown.out
    assert "\nvdb  1 layer" in shown.out


@pytest.mark.parametrize("root", ["network", "d:domain"])
def test_a_document_that_has_no_disks_by_its_kind_is_refused(root: str) -> None:
    shown = diskchain("show", "-", stdin=f"<{root}/>")
    assert (shown.code, shown.out) == (2, "")
    assert "has no disks" in shown.err


def test_a_domain_without_disks_is_said_to_have_none() -> None:
    shown = diskchain("show", "-", stdin="<domain><devices/></domain>")
    assert (shown.code, shown.out) == (0, "-: no disk with a medium\n")
    assert json.loads(diskchain("show", "-", "--json", stdin="<domain><devices/></domain>").out)["disks"] == []
