"""A real libvirt reads generated disks and prints them; what we make of the same text must be the same text.

Two drivers judge: `test:///default`, which lives in the library and only knows the generic rules, and the QEMU driver.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator

import libvirt
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from tests.libvirtxml.definable import definable_disks
from tests.libvirtxml.judge import Judge, Verdict, open_judge
from tests.live.daemons import Libvirtd

from diskchain.guest.disk import Disk
from diskchain.libvirtxml.codec import format_disk
from diskchain.libvirtxml.postparse import Profile
from diskchain.libvirtxml.view import View
from diskchain.storage.terms import StorageType

#: What our output has and libvirt 9.0 has not, one line and one reason each. Nothing else may differ.
TOLERATED = {
    r"^ *<address type='(pci|usb)'.*\n": "libvirt picks PCI and USB addresses when it defines a domain",
    r"^ *<dataStore(?s:.)*?</dataStore>\n": "since libvirt 10.10",
    r"^ *<throttlefilters>\n.*\n *</throttlefilters>\n": "since libvirt 11.2",
    r"^ *<iothreads>\n(?:.*\n)*? *</iothreads>\n": "since libvirt 10.0",
    r" discard_no_unref='\w+'": "since libvirt 9.5",
    r" discard_granularity='\d+'": "since libvirt 10.2",
    r"^ *<reconnect delay='\d+'/>\n": "since libvirt 9.1",
    r"^ *<knownHosts .*\n": "since libvirt 9.8",
    r"^ *<identity username=.*\n": "since libvirt 9.8",
}
#: What libvirt 9.0 cannot be asked at all.
UNKNOWN_TYPES = {StorageType.VHOSTVDPA: "since libvirt 9.8"}

_ROUNDS = {"test": 120, "qemu": 130}


def tolerant(text: str) -> str:
    """`text` without what `TOLERATED` lists; an element left empty by that is closed, or goes too."""
    for pattern in TOLERATED:
        text = re.sub(pattern, "", text, flags=re.MULTILINE)
    text = re.sub(r"<(driver|source)\b([^>\n]*)>\n *</\1>", r"<\1\2/>", text)
    return re.sub(r"^ *<(driver|source|blockio)/>\n", "", text, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def test_driver() -> Iterator[Judge]:
    judge = open_judge("test:///default", "test", Profile.GENERIC)
    yield judge
    judge.connection.close()


@pytest.fixture(scope="module")
def qemu_driver(libvirtd: Libvirtd) -> Judge:
    libvirt.registerErrorHandler(lambda *_: None, None)
    return Judge(libvirtd.connection, "qemu", Profile.QEMU)


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Iterator[Callable[[str, str, Counter[str]], None]]:
    """Collects one row for each driver and type, and prints them at the end."""
    rows: list[str] = []

    def add(driver: str, type: str, heard: Counter[str]) -> None:
        rows.append(f"{driver:6} {type:10} {heard['same']:8} {heard['refused']:8} {heard['different']:10}")

    yield add
    reporter = request.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and rows:
        head = f"{'driver':6} {'type':10} {'same':>8} {'refused':>8} {'different':>10}"
        lines = [head, *rows, *(f"tolerated: {p}  ({why})" for p, why in TOLERATED.items())]
        capture = request.config.pluginmanager.get_plugin("capturemanager")
        assert capture is not None
        with capture.global_and_fixture_disabled():  # what a teardown prints is otherwise never seen
            reporter.write_line("\nagreement with libvirt on generated disks\n" + "\n".join(lines))


def _agree(judge: Judge, type: StorageType, rounds: int) -> tuple[Counter[str], list[Verdict]]:
    heard: Counter[str] = Counter()
    different: list[Verdict] = []

    @settings(
        max_examples=rounds,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(definable_disks(type))
    def each(disk: Disk) -> None:
        verdict = judge.hear(format_disk(disk, view=View.INACTIVE, secure=True, indent=4))
        verdict = verdict._replace(theirs=tolerant(verdict.theirs), ours=tolerant(verdict.ours))
        if verdict.refusal is not None:
            heard["refused"] += 1
        elif verdict.theirs == verdict.ours:
            heard["same"] += 1
        else:
            heard["different"] += 1
            different.append(verdict)

    each()
    return heard, different


@pytest.mark.parametrize("type", [type for type in StorageType if type not in UNKNOWN_TYPES])
def test_libvirts_test_driver_prints_what_we_print(
    type: StorageType, test_driver: Judge, table: Callable[[str, str, Counter[str]], None]
) -> None:
    heard, different = _agree(test_driver, type, _ROUNDS["test"])
    table("test", type, heard)
    assert not different, f"libvirt:\n{different[0].theirs}\nwe:\n{different[0].ours}"
    assert heard["same"] >= _ROUNDS["test"] // 4


@pytest.mark.parametrize("type", [type for type in StorageType if type not in UNKNOWN_TYPES])
def test_libvirts_qemu_driver_prints_what_we_print(
    type: StorageType, qemu_driver: Judge, table: Callable[[str, str, Counter[str]], None]
) -> None:
    heard, different = _agree(qemu_driver, type, _ROUNDS["qemu"])
    table("qemu", type, heard)
    assert not different, f"libvirt:\n{different[0].theirs}\nwe:\n{different[0].ours}"
    assert heard["same"] >= _ROUNDS["qemu"] // 4
