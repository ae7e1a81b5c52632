"""Transient disks with a real libvirtd: what the domain runs with, what is said of it, and what keeps it from starting."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from diskchain.actions.access import ask
from diskchain.actions.diff import diff
from diskchain.actions.operation import START
from diskchain.actions.target import TargetName
from diskchain.behaviours import from_number, refuses
from diskchain.findings import Verdict
from diskchain.versions import Versions
from tests.live.access_domains import DOMAIN, disk
from tests.live.forecasting import forecast, start
from tests.live.peers import requires
from tests.live.private_libvirtd import PrivateLibvirtd, started
from tests.live.storage import QemuImg

pytestmark = [pytest.mark.libvirtd, requires("root")]


@pytest.fixture(scope="module")
def daemon() -> Iterator[PrivateLibvirtd]:
    with started() as private:
        yield private


@pytest.fixture
def image(image_dir: Path, qemu_img: QemuImg) -> Path:
    path = image_dir / "disk.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", path, "1M")
    return path


def transient(daemon: PrivateLibvirtd, image: Path) -> Any:
    xml = DOMAIN.format(name="transient", disks=disk(image, after="<transient/>"), seclabel="")
    return daemon.connection.defineXML(xml)


def test_the_overlay_of_a_running_domain_is_no_difference(daemon: PrivateLibvirtd, image: Path) -> None:
    domain = transient(daemon, image)
    domain.create()  # the overlay is put in before the guest runs
    found = diff(TargetName("transient", connect=daemon.uri))
    assert found.verdict is Verdict.CLEAN
    assert all(row.agree for each in found.disks for row in each.rows)
    (note,) = [each for each in found.findings if each.id == "transient-overlay"]
    assert f"{image}.TRANSIENT-transient" in note.message
    domain.destroy()
    domain.undefine()
    assert not Path(f"{image}.TRANSIENT-transient").exists()


@pytest.mark.parametrize("content", [b"", b"written before the host crashed"])
def test_an_overlay_that_was_left_behind_keeps_the_domain_from_starting_where_libvirt_does_not_replace_it(
    daemon: PrivateLibvirtd, image: Path, content: bytes
) -> None:
    domain = transient(daemon, image)
    assert forecast(daemon, "transient").works
    left = Path(f"{image}.TRANSIENT-transient")
    left.write_bytes(content)
    said = forecast(daemon, "transient")
    refused = start(daemon, domain)
    if refused:
        assert "already exists" in refused
        assert (said.works, said.denied, said.check) == (False, [str(left)], ["access-denied"])
        left.unlink()
    else:
        assert (said.works, said.check) == (True, [])
        domain.destroy()
    assert refuses("access-denied/leftover", Versions(from_number(daemon.connection.getLibVersion()))) == bool(refused)
    domain.undefine()


def test_without_a_version_it_is_said_which_libvirt_starts_despite_what_was_left_behind(image: Path) -> None:
    left = Path(f"{image}.TRANSIENT-transient")
    left.touch()
    label = "<seclabel type='static' model='dac' relabel='yes'><label>+1:+1</label></seclabel>"
    xml = DOMAIN.format(name="transient", disks=disk(image, after="<transient/>"), seclabel=label)
    document = image.with_name("vm.xml")
    document.write_text(xml)
    told = ask(TargetName(str(document)), START, ("vda",))
    (access,) = [each for subject in told.subjects for each in told.answer(subject) if each.need.path == str(left)]
    assert [each.unknown for each in access.hindrances if each.rule == "exists"] == [True]
    (reason,) = [each.reason for each in access.hindrances if each.rule == "exists"]
    assert reason.endswith("libvirt up to 9.0 refuses to start the domain, since 11.3 it writes over it")


def test_libvirtd_makes_the_overlay_and_gives_it_away(daemon: PrivateLibvirtd, image: Path) -> None:
    image.parent.chmod(0o711)
    domain = transient(daemon, image)
    assert forecast(daemon, "transient").works
    assert start(daemon, domain) == ""
    assert os.stat(f"{image}.TRANSIENT-transient").st_uid != 0  # noqa: PTH116 - no Path ends like this
    domain.destroy()
    domain.undefine()
