"""What every test gets: the real peers' fixtures, the `requires` marker, and a summary that names the peers met.

A test that needs a part of the host says so at its head (`@requires("losetup", "root")`) or by using a fixture of
`tests.live`. Without the part it is skipped with the reason; under `DISKCHAIN_REQUIRE_LIVE=1` it fails.
"""

import os
import signal
from collections.abc import Iterable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.live.peers import PEER_VERSIONS, demand

# A loaded machine is no bug: pytest-timeout bounds a test, not the time of one example. CI judges a change, not the luck of the
# draw: it always tries the same examples; runs by hand explore.
settings.register_profile(
    "diskchain",
    deadline=None,
    print_blob=True,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("diskchain")

pytest_plugins = [
    "tests.live.domains",
    "tests.live.hung",
    "tests.live.private_libvirtd",
    "tests.live.secrets",
    "tests.live.storage",
]

# A fixture that talks to a peer marks the tests that use it, directly or through another fixture.
_MARKER_OF_FIXTURE = {
    "libvirtd": "libvirtd",
    "loop_device": "live",
    "paused_domain": "qemu",
    "private_libvirtd": "libvirtd",
    "qemu_img": "qemu",
}
_PEER_MARKERS = ("libvirtd", "qemu")
#: The files that take longest, longest first. They are begun first, whatever the number of tests in them: begun last, one keeps a worker
#: busy when the others have nothing left to do.
_LONGEST = (
    "live/test_forecast.py",
    "access/test_sudden_death.py",
    "live/test_open.py",
    "image/test_any_bytes.py",
    "jobs/test_killed.py",
    "jobs/test_faults.py",
    "access/test_open_check_reality.py",
    "image/test_against_qemu.py",
)
_TESTS_OF_PEER = pytest.StashKey[dict[str, set[str]]]()


def pytest_configure(config: pytest.Config) -> None:
    # A shell without job control starts its background jobs with SIGINT ignored, nohup(1) ignores SIGHUP, and what they start
    # inherits that; the tests that end a command with a signal need it to be endable wherever they run.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    config.stash[PEER_VERSIONS] = {}
    tests_of_peer: dict[str, set[str]] = {peer: set() for peer in _PEER_MARKERS}
    config.stash[_TESTS_OF_PEER] = tests_of_peer


@pytest.hookimpl(tryfirst=True)  # before `-m` selects
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    order = {here / name: number for number, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: order.get(item.path, len(order)))
    for item in items:
        for fixture in getattr(item, "fixturenames", ()):
            if fixture in _MARKER_OF_FIXTURE:
                item.add_marker(_MARKER_OF_FIXTURE[fixture])
        for peer, tests in config.stash[_TESTS_OF_PEER].items():
            if item.get_closest_marker(peer):
                tests.add(item.nodeid)
        if any(item.get_closest_marker(name) for name in (*_PEER_MARKERS, "requires")):
            item.add_marker("live")


@pytest.hookimpl(tryfirst=True)  # before any fixture does work in vain
def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker in item.iter_markers("requires"):
        demand(*marker.args)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    reports: Iterable[pytest.TestReport] = terminalreporter.getreports("passed")
    passed = {report.nodeid for report in reports}
    counts = {peer: len(tests & passed) for peer, tests in config.stash[_TESTS_OF_PEER].items()}
    versions = config.stash[PEER_VERSIONS]
    met = [f"{count} tests against {versions.get(peer, peer)}" for peer, count in counts.items() if count]
    terminalreporter.write_line(f"real peers: {', '.join(met) or 'none met'}")
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "instants":  # tests that count what they looked at
                terminalreporter.write_line(f"instants: {report.nodeid.rpartition('::')[2]}: {value}")
