"""``diskchain check`` reports for people, programs and code scanners."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.commands import diskchain
from tests.discover.chains import overlay
from tests.live.daemons import Libvirtd
from tests.live.domains import PausedDomain
from tests.live.storage import QemuImg


@pytest.fixture
def broken(qemu_img: QemuImg, tmp_path: Path) -> Path:
    return overlay(qemu_img, tmp_path / "top.qcow2", "gone/base.qcow2")


def test_a_sound_image_is_clean(qemu_img: QemuImg, tmp_path: Path) -> None:
    qemu_img("create", "-q", "-f", "qcow2", tmp_path / "a.qcow2", "1M")
    shown = diskchain("check", "-f", "qcow2", tmp_path / "a.qcow2")
    assert (shown.code, shown.out) == (0, f"{tmp_path}/a.qcow2: clean\n")


def test_every_target_is_checked(broken: Path, tmp_path: Path) -> None:
    (tmp_path / "raw").write_bytes(bytes(512))
    shown = diskchain("check", broken, tmp_path / "raw", tmp_path / "nothing")
    assert shown.code == 1
    assert f"{broken}: 1 error" in shown.out
    assert f"{tmp_path}/nothing: 1 error" in shown.out
    assert shown.out.splitlines()[-1].endswith(" in 3 files; see diskchain explain missing")


def test_a_missing_layer_is_looked_for(qemu_img: QemuImg, broken: Path, tmp_path: Path) -> None:
    (tmp_path / "attic").mkdir()
    qemu_img("create", "-q", "-f", "qcow2", tmp_path / "attic" / "base.qcow2", "1M")
    shown = diskchain("check", broken, "--search", tmp_path / "attic")
    assert (
        f"{tmp_path}/attic/base.qcow2 could be the missing {tmp_path}/gone/base.qcow2: it has the same name"
        in shown.out
    )


def test_an_upload_may_not_reference_anything(broken: Path) -> None:
    shown = diskchain("check", "--policy", "upload", broken)
    assert shown.code == 1
    assert "[reference-refused]" in shown.out
    assert "[missing]" not in shown.out


def test_an_upload_that_looks_like_two_formats_is_refused(qemu_img: QemuImg, tmp_path: Path) -> None:
    image = tmp_path / "both"
    qemu_img("create", "-q", "-f", "vpc", "-o", "subformat=fixed", image, "1M")
    qemu_img("create", "-q", "-f", "qcow2", tmp_path / "header", "1M")
    with image.open("r+b") as file:
        file.write((tmp_path / "header").read_bytes()[:512])
    shown = diskchain("check", "--policy", "upload", image)
    assert shown.code == 1
    assert "[format-ambiguous]" in shown.out
    assert diskchain("check", image).code == 0
    assert "[format-ambiguous]" not in diskchain("check", "--policy", "upload", "-f", "raw", image).out


@pytest.mark.parametrize("format", ["qcow2", "vmdk", "vpc", "vhdx", "parallels", "raw"])
def test_an_upload_is_known_by_any_signature(qemu_img: QemuImg, tmp_path: Path, format: str) -> None:
    image = tmp_path / "upload"
    options = {"vmdk": ["-o", "subformat=monolithicFlat"], "vpc": ["-o", "subformat=fixed"]}.get(format, [])
    qemu_img("create", "-q", "-f", format, *options, image, "8M")
    assert f"format {format} was guessed" in diskchain("check", "-v", "--policy", "upload", image).out
    assert f"format {format} was guessed" in diskchain("show", "-v", "--policy", "upload", image).out


def test_json_names_each_finding_by_a_stable_id(broken: Path) -> None:
    (target,) = json.loads(diskchain("check", "--json", broken).out)["targets"]
    assert target["target"] == str(broken)
    assert {"missing", "format-probed"} <= {found["id"] for found in target["findings"]}


def test_sarif_has_a_rule_for_every_result(broken: Path) -> None:
    (run,) = json.loads(diskchain("check", "--sarif", broken).out)["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert run["results"]
    assert all(rules[result["ruleIndex"]] == result["ruleId"] for result in run["results"])


def test_a_malformed_document_among_others_is_a_finding_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "bad.xml").write_text("<domain>\n<devices>")
    (tmp_path / "good.xml").write_text("<domain/>")
    alone = diskchain("check", tmp_path / "bad.xml")
    assert (alone.code, alone.out) == (2, "")
    shown = diskchain("check", "--json", tmp_path / "bad.xml", tmp_path / "good.xml")
    assert shown.code == 2
    (found,), _ = [target["findings"] for target in json.loads(shown.out)["targets"]]
    assert (found["id"], found["line"]) == ("document", 2)


def test_nothing_to_check_is_a_usage_error() -> None:
    assert diskchain("check").code == 2


def test_a_connection_alone_means_all_its_domains_and_rights_left_behind(
    libvirtd: Libvirtd, paused_domain: Callable[..., PausedDomain], image_dir: Path
) -> None:
    (image_dir / "disk.raw").write_bytes(bytes(1 << 20))
    running = paused_domain(
        f"<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{image_dir}/disk.raw'/>"
        "<target dev='vda' bus='virtio'/></disk>"
    )
    shown = json.loads(diskchain("check", "--json", "-c", libvirtd.uri).out)
    names = [target["target"] for target in shown["targets"]]
    assert running.name in names
    assert names[-1] == libvirtd.uri


def test_a_directory_means_what_is_in_it(qemu_img: QemuImg, tmp_path: Path) -> None:
    qemu_img("create", "-q", "-f", "qcow2", tmp_path / "disk.qcow2", "1M")
    shown = diskchain("check", tmp_path)
    assert (shown.code, shown.out.splitlines()[-1]) == (0, "clean, 1 note (-v) in 1 file")
    assert f"{tmp_path}/disk.qcow2: clean" in diskchain("check", "-v", tmp_path).out
    assert diskchain("check", "-f", "qcow2", tmp_path).code == 2


def test_a_target_named_twice_is_told_of_once(tmp_path: Path) -> None:
    (tmp_path / "there").write_bytes(bytes(512))
    gone = diskchain("check", tmp_path / "gone", tmp_path / "gone", tmp_path / "there")
    assert (gone.code, gone.out.count("[missing]")) == (3, 1)


def test_a_base_that_the_guest_of_another_document_writes_to_is_found(qemu_img: QemuImg, tmp_path: Path) -> None:
    base = tmp_path / "base.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", base, "1M")
    top = overlay(qemu_img, tmp_path / "top.qcow2", "base.qcow2")
    for name, image in (("writer", base), ("reader", top)):
        (tmp_path / f"{name}.xml").write_text(
            f"<disk type='file' device='disk'><driver name='qemu' type='qcow2'/><source file='{image}'/>"
            "<target dev='vda' bus='virtio'/></disk>"
        )
    reader, writer = tmp_path / "reader.xml", tmp_path / "writer.xml"
    shown = diskchain("check", reader, writer)
    assert shown.code == 1
    assert f"{base} is a backing file here, and vda of {writer} writes to it" in shown.out
    assert diskchain("check", reader).code == 0


def test_a_candidate_comes_with_the_command_that_puts_it_in_place(
    qemu_img: QemuImg, broken: Path, tmp_path: Path
) -> None:
    found = tmp_path / "attic [1]" / "base.qcow2"
    found.parent.mkdir()
    qemu_img("create", "-q", "-f", "qcow2", found, "1M")
    shown = json.loads(diskchain("check", "--json", "--search", found.parent, broken).out)
    findings = {each["id"]: each for each in shown["targets"][0]["findings"]}
    assert findings["candidate"]["file"] == str(found)
    subprocess.run(["bash", "-c", findings["missing"]["fix"]], check=True)
    assert diskchain("check", broken).code == 0


def test_a_disk_that_only_some_targets_have_is_looked_at_there(tmp_path: Path) -> None:
    for dev in ("vda", "vdb"):
        (tmp_path / dev).write_bytes(bytes(4096))
        (tmp_path / f"{dev}.xml").write_text(
            f"<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='{tmp_path}/{dev}'/>"
            f"<target dev='{dev}' bus='virtio'/></disk>"
        )
    both = [tmp_path / "vda.xml", tmp_path / "vdb.xml"]
    assert diskchain("check", "-d", "vdb", *both).code == 0
    assert diskchain("check", "-d", "vdc", *both).code == 2
    assert diskchain("check", "-d", "vdb", both[0]).code == 2
