"""What a real libvirtd refuses to define, ``check`` refuses, and the other way round.

Two drivers judge: QEMU's, and `test:///default`, which knows the rules for all hypervisors only.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import libvirt
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from diskchain.errors import UsageError
from diskchain.findings import Finding, Severity
from diskchain.guest.disk import Disk
from diskchain.libvirtxml.codec import format_disk
from diskchain.libvirtxml.postparse import Profile
from diskchain.libvirtxml.validate.document import check_document
from diskchain.libvirtxml.view import View
from diskchain.storage.terms import StorageType
from tests.libvirtxml.definable import definable_disks
from tests.libvirtxml.validate.cases import CASES
from tests.libvirtxml.validate.fragments import Case, document
from tests.libvirtxml.validate.mutations import CHANGES, Change
from tests.live.daemons import Libvirtd
from tests.live.domains import PausedDomain

_LATER = "checked when the domain starts, and not when it is defined; see test_validate_start"
_DATA_STORE = "<dataStore>: since libvirt 10.10"
_MAPPING = "<iothreads> of a disk: since libvirt 10.0"
_FILTERS = "<throttlefilters>: since libvirt 11.2"
#: What we refuse and libvirt 9.0 lets pass: an id, words of the message (all messages when empty), and the reason.
STRICTER = (
    ("protocol-sheepdog", "", _LATER),
    ("data-store-format", "", _DATA_STORE),
    ("data-store-raw", "", _DATA_STORE),
    ("data-store-nested", "", _DATA_STORE),
    ("data-store-slice", "", _DATA_STORE),
    ("discard-no-unref", "", "discard_no_unref: since libvirt 9.5"),
    ("iothread-conflict", "", _MAPPING),
    ("iothread-mapping", "", _MAPPING),
    ("iothread-unknown", "no I/O thread 3", _MAPPING),
    ("throttle-with-iotune", "", _FILTERS),
    ("throttle-cdrom", "", _FILTERS),
    ("throttle-group-unknown", "", _FILTERS),
    ("virtio-only", "queue_size", "9.0 checks the other options of virtio, and ignores this one"),
    ("encryption-qemu", "takes one secret", "9.0 takes the first of several"),
    ("encryption-librbd", "", "a slip in libvirt: of network sources it lets all pass, not only rbd"),
    ("encryption-secret", "", _LATER),
    ("tls-protocol", "", _LATER),
    ("hosts", "", _LATER),
    ("host-brackets", "", _LATER),
    ("network-name-empty", "", "defined, and lost or refused later; see test_empty_names"),
    ("seclabel-label", "", "9.0 drops what 11.3 refuses"),
    ("host-transport", "", _LATER),
    ("iscsi-lun", "", _LATER),
    ("usb-empty", "", _LATER),
    ("iotune-bus", "", "a newer libvirt refuses it; on a PC no disk on sd starts at all"),
    ("shareable-format", "cannot share a LUKS image", "9.0 looks at the format only, which is raw"),
)
#: What libvirt 9.0 refuses and we let pass, by its words, and the reason.
LOOSER = (
    ("disk product is more than 16 characters", "a newer libvirt takes 40 on ide and sata"),
    ("removable is only valid for usb disks", "a newer libvirt takes it on scsi disks too"),
    ("Only scsi disk supports vendor and product", "a newer libvirt takes a product on ide and sata too"),
    ("in element 'disk': 'vhostvdpa'", "vhostvdpa: since libvirt 9.8"),
    ("unknown volume encryption format type luks-any", "luks-any: since libvirt 9.3"),
)

_SURROUNDINGS = Case(
    "",
    "",
    "",
    "<memoryBacking><source type='memfd'/><access mode='shared'/></memoryBacking><iothreads>4</iothreads>",
)
_ROUNDS = 120
_NAME = "diskchain-validated"


class Judge(NamedTuple):
    """A libvirt connection, and the profile it is the judge of."""

    connection: Any
    profile: Profile

    def refuses(self, xml: str) -> str | None:
        """What libvirt complains about in a domain, None when it defines it."""
        if self.profile is Profile.GENERIC:
            xml = xml.replace("<domain type='qemu'>", "<domain type='test'>")
        try:
            domain = self.connection.defineXML(xml)
        except libvirt.libvirtError as error:
            return str(error)
        domain.undefine()
        return None


def errors(xml: str, profile: Profile) -> list[Finding]:
    """What `check` refuses."""
    found = check_document(xml, profile).findings
    return [finding for _, finding in found if finding.severity is Severity.ERROR]


def tolerated(found: list[Finding], complaint: str | None) -> bool:
    """Whether a difference is listed: our findings, or libvirt's complaint when we have none."""
    if not found:
        return any(words in (complaint or "") for words, _ in LOOSER)
    return all(any(one.id == id and words in one.message for id, words, _ in STRICTER) for one in found)


class Table:
    """How often we agree: by source type, and by rule for what breaks one rule only."""

    def __init__(self) -> None:
        self.types: dict[tuple[str, str], Counter[str]] = {}
        self.rules: dict[str, Counter[str]] = {}

    def compare(self, judge: Judge, type: str, xml: str) -> str | None:
        """Both opinions of a document; how they differ, unless that is listed."""
        found, complaint = errors(xml, judge.profile), judge.refuses(xml)
        verdict = "refused" if found else "accepted"
        if (complaint is None) is bool(found):
            verdict = "listed" if tolerated(found, complaint) else "different"
        self.types.setdefault((judge.profile.value, type), Counter())[verdict] += 1
        ids = {finding.id for finding in found}
        for id in ids if len(ids) == 1 else ():
            self.rules.setdefault(id, Counter())[verdict] += 1
        return f"we say {ids or 'nothing'}, libvirt {complaint}:\n{xml}" if verdict == "different" else None

    def lines(self) -> Iterator[str]:
        heads = ("accepted", "refused", "listed", "different")
        yield "agreement with libvirt on what can be defined (accepted, refused: by both; listed: below)"
        yield f"{'profile':10}{'type':26}" + "".join(f"{head:>10}" for head in heads)
        for (profile, type), counts in sorted(self.types.items()):
            yield f"{profile:10}{type:26}" + "".join(f"{counts[head]:10}" for head in heads)
        yield f"{'documents that break one rule':46}" + "".join(f"{head:>10}" for head in heads[1:])
        for id, counts in sorted(self.rules.items()):
            yield f"{id:46}" + "".join(f"{counts[head]:10}" for head in heads[1:])
        for id, words, why in STRICTER:
            yield f"listed: we refuse, libvirt 9.0 defines: {id}{f' ({words})' if words else ''}: {why}"
        for words, why in LOOSER:
            yield f"listed: libvirt 9.0 refuses, we do not: {words}: {why}"


@pytest.fixture(scope="module")
def table(request: pytest.FixtureRequest) -> Iterator[Table]:
    rows = Table()
    yield rows
    plugins = request.config.pluginmanager
    reporter, capture = plugins.get_plugin("terminalreporter"), plugins.get_plugin("capturemanager")
    if reporter is not None and capture is not None:
        with capture.global_and_fixture_disabled():
            reporter.write_line("\n" + "\n".join(rows.lines()))


@pytest.fixture(
    scope="module",
    params=[pytest.param(Profile.QEMU, marks=pytest.mark.libvirtd), Profile.GENERIC],
    ids=["qemu", "generic"],
)
def judge(request: pytest.FixtureRequest) -> Iterator[Judge]:
    if request.param is Profile.QEMU:
        libvirtd: Libvirtd = request.getfixturevalue("libvirtd")
        yield Judge(libvirtd.connection, Profile.QEMU)
        return
    libvirt.registerErrorHandler(lambda *_: None, None)
    connection = libvirt.open("test:///default")
    yield Judge(connection, Profile.GENERIC)
    connection.close()


def test_documents_made_to_break_a_rule(judge: Judge, table: Table) -> None:
    documents = [document(disks, case, _NAME) for case in CASES for disks in (case.bad, case.good)]
    different = [said for xml in documents if (said := table.compare(judge, "made by hand", xml))]
    assert not different, "\n".join(different)


@pytest.mark.parametrize("type", list(StorageType))
def test_generated_disks(type: StorageType, judge: Judge, table: Table) -> None:
    different: list[str] = []

    @settings(
        max_examples=_ROUNDS,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(definable_disks(type), st.lists(CHANGES, max_size=2))
    def each(disk: Disk, changes: list[Change]) -> None:
        for change in changes:
            disk = change(disk)
        try:
            text = format_disk(disk, view=View.INACTIVE, secure=True, indent=4)
        except UsageError:  # what no document can say
            return
        said = table.compare(judge, str(type), document(text, _SURROUNDINGS, _NAME))
        if said is not None:
            different.append(said)

    each()
    assert not different, f"{len(different)} differences\n" + "\n".join(different[:40])


def test_what_libvirt_itself_writes_is_clean(libvirtd: Libvirtd) -> None:
    refused = set()
    for case in CASES:
        try:
            domain = libvirtd.connection.defineXML(document(case.good, case, _NAME))
        except libvirt.libvirtError:  # newer than this libvirt
            refused.add(case.id)
            continue
        written = domain.XMLDesc(libvirt.VIR_DOMAIN_XML_INACTIVE)
        domain.undefine()
        assert not errors(written, Profile.QEMU), written
    assert len(refused) < len(CASES) // 4, refused


def test_a_running_domain_is_clean(paused_domain: Callable[..., PausedDomain], image_dir: Path) -> None:
    (image_dir / "a").write_bytes(bytes(1 << 20))
    cdrom = "<disk type='file' device='cdrom'><target dev='hda' bus='ide'/></disk>"
    disk = f"<disk type='file'><source file='{image_dir}/a'/><target dev='vda' bus='virtio'/></disk>"
    assert not check_document(paused_domain(disk + cdrom).live_xml()).findings
