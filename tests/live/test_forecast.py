"""Generated domains, each with a fault: `access` and `check -c` say beforehand what a real libvirtd does.

DISKCHAIN_FORECASTS sets how many domains are tried with each configuration of the daemon.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.live.access_domains import DOMAIN, disk
from tests.live.daemons import libvirt
from tests.live.forecast_cases import OTHER, Case, Mount
from tests.live.forecasting import Forecast, circumstances, forecast, qemu_user, reckoned_boot, start
from tests.live.operation_cases import Stage, Step, layer_paths
from tests.live.peers import requires
from tests.live.private_libvirtd import PrivateLibvirtd, started, wait_for
from tests.live.storage import QemuImg

pytestmark = [pytest.mark.libvirtd, requires("root", "qemu-io", "bindfs", "chattr"), pytest.mark.timeout(3600)]

_CASES = int(os.environ.get("DISKCHAIN_FORECASTS", "20"))
_STEPS = 3
CONFIGURATIONS = {
    "as shipped": "remember_owner = 1",
    "no dynamic ownership": "dynamic_ownership = 0",
    "root": 'user = "root"\ngroup = "root"',
    "forgetful, another user": 'user = "daemon"\ngroup = "kvm"\nremember_owner = 0',
}


@pytest.fixture(scope="module", params=CONFIGURATIONS)
def daemon(request: pytest.FixtureRequest) -> Iterator[PrivateLibvirtd]:
    with started(CONFIGURATIONS[request.param]) as private:
        yield private


def test_a_start_is_forecast(daemon: PrivateLibvirtd, image_dir: Path, qemu_img: QemuImg) -> None:
    user, boot = qemu_user(daemon), reckoned_boot(daemon, image_dir, qemu_img)
    wrong, unsure = [], 0
    outcomes = {True: 0, False: 0}
    for seed in range(_CASES):
        case = Case(seed, image_dir, qemu_img, (0, user, OTHER), boot)
        try:
            with circumstances(daemon, case.mounts, case.lock):
                xml = DOMAIN.format(name=case.name, disks=case.disks, seclabel=case.seclabel)
                domain = daemon.connection.defineXML(xml)
                said = forecast(daemon, case.name)
                problem = start(daemon, domain)
                end(domain)
        finally:
            case.clear()
        outcomes[not problem] += 1
        unsure += said.works is None
        wrong += [] if starts_as_said(case, said, problem) else [f"{case.name} {case.about} {said} {problem}"]
    assert not wrong, "\n".join(wrong)
    assert unsure <= _CASES // 10, f"{unsure} of {_CASES} could not be told"
    assert min(outcomes.values()) > _CASES // 10, outcomes  # neither answer is rare


def test_an_operation_on_a_running_domain_is_forecast(
    daemon: PrivateLibvirtd, image_dir: Path, qemu_img: QemuImg
) -> None:
    user = qemu_user(daemon)
    wrong, unsure = [], 0
    outcomes = {True: 0, False: 0}
    for seed in range(max(_CASES // 2, 1)):
        stage = Stage(seed, image_dir, qemu_img, (0, OTHER, user))
        for path in stage.paths:
            os.chown(path, user, 0)
        domain = daemon.connection.defineXML(DOMAIN.format(name=stage.name, disks=disk(stage.paths[0]), seclabel=""))
        assert start(daemon, domain) == ""
        for _ in range(_STEPS):
            step = stage.step(layer_paths(domain))
            try:
                with circumstances(daemon, step.mounts, step.lock):
                    said = forecast(daemon, stage.name, step.wanted)
                    problem = step.run(domain) or end_of_job(domain)
            finally:
                step.clear()
            outcomes[not problem] += 1
            unsure += said.works is None
            if not works_as_said(step, said, problem):
                wrong.append(f"{stage.name} {step.about} {said} {problem}")
        end(domain)
    assert not wrong, "\n".join(wrong)
    assert unsure <= max(sum(outcomes.values()) // 8, 1), f"{unsure} could not be told"
    assert min(outcomes.values()) > sum(outcomes.values()) // 10, outcomes


def end_of_job(domain: Any) -> str:
    """Waits for it. What kept it from ending, empty when it ended."""
    try:
        wait_for(lambda: not domain.blockJobInfo("vda", 0), "the job to end")
    except libvirt.libvirtError as error:
        return str(error)
    return ""


def end(domain: Any) -> None:
    with suppress(libvirt.libvirtError):
        domain.destroy()
    domain.undefine()


def starts_as_said(case: Case, said: Forecast, problem: str) -> bool:
    """Whether libvirt does what was said, about a file that was said; and `check -c` says what `access` does."""
    in_check = bool({"access-denied", "image-locked"} & set(said.check))
    told_elsewhere = bool(said.rules) and all(rule == "path" for rule in said.rules)
    if said.works is None:
        counted = any(reason.startswith("owner:") for reason in said.reasons)
        return (has_fuse(case.mounts) or counted) and not in_check
    if said.works:
        return not problem and not in_check
    named = any(path in problem for path in said.denied) or ("image-lock" in said.rules and " lock" in problem)
    return named and in_check is not told_elsewhere


def works_as_said(step: Step, said: Forecast, problem: str) -> bool:
    if said.works is None:
        return has_fuse(step.mounts)
    return said.works is not bool(problem)


def has_fuse(mounts: tuple[Mount, ...]) -> bool:
    return any(mount.kind == "fuse" for mount in mounts)
