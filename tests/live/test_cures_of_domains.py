"""A cure for a domain that does not run is dumped, edited and defined as it is printed; a running one gets none that libvirt would lose."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.checks.curing import run
from tests.cli.commands import diskchain
from tests.live.daemons import Libvirtd
from tests.live.domains import PausedDomain
from tests.live.peers import requires
from tests.live.storage import QemuImg

Start = Callable[..., PausedDomain]


@requires("virsh")
def test_a_moved_image_is_named_in_the_definition(
    libvirtd: Libvirtd, image_dir: Path, qemu_img: QemuImg, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = f"diskchain-test-cure-{tmp_path.parent.name}"
    (image_dir / "new").mkdir()
    qemu_img("create", "-q", "-f", "qcow2", image_dir / "new" / "disk", "1M")
    domain = libvirtd.connection.defineXML(
        f"<domain type='qemu'><name>{name}</name><memory>65536</memory><os><type arch='x86_64' machine='pc'>hvm</type></os>"
        f"<devices><disk type='file'><driver name='qemu' type='qcow2'/><source file='{image_dir}/disk'/>"
        "<target dev='vda' bus='virtio'/></disk></devices></domain>"
    )
    try:
        told = diskchain("check", "--json", "-c", libvirtd.uri, name, "--search", image_dir / "new")
        fix = next(
            each["fix"]
            for target in json.loads(told.out)["targets"]
            for each in target["findings"]
            if each["id"] == "missing"
        )
        run(fix)
        assert f"<source file='{image_dir}/new/disk'/>" in domain.XMLDesc()
        assert "missing" not in diskchain("check", "-c", libvirtd.uri, name).out
        assert f"<source file='{image_dir}/disk'/>" in next(tmp_path.glob("*.before-edit.xml")).read_text()
    finally:
        domain.undefine()
