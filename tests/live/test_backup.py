"""What libvirt makes of a backup, ``align_backup`` makes of it; what libvirt does not begin, ``check`` refuses."""

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import libvirt
import pytest

from diskchain.behaviours import for_versions
from diskchain.findings import Severity
from diskchain.libvirtxml.documents.backup import Backup, format_backup, parse_backup
from diskchain.libvirtxml.documents.backup_alignment import align_backup
from diskchain.libvirtxml.documents.domain import parse_domain, post_parse_domain
from diskchain.libvirtxml.markup.document import as_document
from diskchain.libvirtxml.validate.backup import backup_findings
from tests.live.daemons import Libvirtd
from tests.live.domains import PausedDomain
from tests.live.storage import QemuImg
from tests.storage.servers import accepts, serving

_DISK = (
    "<disk type='file' device='{device}'><driver name='qemu' type='{format}'/><source file='{path}'/>"
    "<target dev='{target}' bus='{bus}'/>{more}</disk>"
)
_EMPTY = "<disk type='file' device='cdrom'><target dev='hda' bus='ide'/><readonly/></disk>"
_SERVED = (
    "<disk type='network' device='disk'><driver name='qemu' type='raw'/><source protocol='nbd' name='x'>"
    "<host transport='unix' socket='{socket}'/></source><target dev='vdn' bus='virtio'/></disk>"
)
_SINCE = "<incremental>c0</incremental>"
_SERVER = "<server transport='unix' socket='{socket}'/>"


def _disk(name: str, more: str = "", inside: str = "") -> str:
    return f"<disk name='{name}' type='file'{more}>{inside}</disk>"


def _to(name: str, more: str = "", element: str = "target", driver: str = "") -> str:
    return _disk(name, more, f"{driver}<{element} file='{{directory}}/{name}.out'/>")


class Asked(NamedTuple):
    """A backup: its disks (None: no such element), what stands before them, and a checkpoint to make with it."""

    disks: str | None
    before: str = ""
    mode: str = "push"
    checkpoint: str | None = None

    def document(self, directory: Path) -> str:
        listed = "" if self.disks is None else f"<disks>{self.disks}</disks>"
        inside = f"{self.before}{listed}".format(directory=directory, socket=directory / "pull")
        return f"<domainbackup mode='{self.mode}'>{inside}</domainbackup>"


#: Of a domain with vda, vdb (qcow2), vdc (qcow2, read-only) and an empty drive hda.
ASKED = {
    "all": Asked(None),
    "all, with a checkpoint": Asked(None, checkpoint="monday"),
    "one": Asked(_to("vda")),
    "one, raw": Asked(_to("vdb", driver="<driver type='raw'/>")),
    "the read-only one": Asked(_to("vdc")),
    "one that is not taken, and one that is": Asked("<disk name='vda' backup='no'/>" + _to("vdb")),
    "all since a checkpoint": Asked(None, _SINCE),
    "one of them whole": Asked(_to("vda", " backupmode='full'") + _to("vdb"), _SINCE),
    "one of them since a checkpoint": Asked(_to("vda", " incremental='c0'") + _to("vdb")),
    "one since that of all": Asked(_to("vda", " backupmode='incremental'"), _SINCE),
    "a pull of all": Asked(None, _SERVER, "pull"),
    "a pull of one": Asked(_to("vda", " exportname='e'", "scratch"), _SERVER, "pull"),
    "a pull since a checkpoint": Asked(_to("vda", "", "scratch"), _SINCE + _SERVER, "pull"),
    "a pull since a checkpoint, its bitmap named": Asked(
        _to("vda", " exportbitmap='b'", "scratch"), _SINCE + _SERVER, "pull"
    ),
    "a pull of one whole": Asked(_to("vda", " backupmode='full'", "scratch"), _SINCE + _SERVER, "pull"),
    # What is not begun, or is by newer versions alone.
    "without a target": Asked(_disk("vda")),
    "no disk of the domain": Asked(_to("vdz")),
    "no disk of the domain, and not taken": Asked("<disk name='vdz' backup='no'/>"),
    "one twice": Asked(_to("vda") + _to("vda")),
    "one taken and not": Asked(_to("vda") + "<disk name='vda' backup='no'/>"),
    "an empty drive": Asked(_to("hda")),
    "none": Asked("<disk name='vda' backup='no'/>"),
    "an empty list": Asked(""),
    "since nothing": Asked(_to("vda", " backupmode='incremental'")),
    "a pull without a server": Asked(_to("vda", "", "scratch"), "", "pull"),
    "a pull by TCP without a port": Asked(_to("vda", "", "scratch"), "<server name='127.0.0.1'/>", "pull"),
    "a target of a pull": Asked(_to("vda"), _SERVER, "pull"),
    "scratch space of a push": Asked(_to("vda", "", "scratch")),
    "raw scratch space": Asked(_to("vda", "", "scratch", "<driver type='raw'/>"), _SERVER, "pull"),
}


@pytest.fixture
def domain(paused_domain: Callable[..., PausedDomain], image_dir: Path, qemu_img: QemuImg) -> PausedDomain:
    disks = _EMPTY
    for target in ("vda", "vdb", "vdc"):
        path = image_dir / f"{target}.qcow2"
        qemu_img("create", "-q", "-f", "qcow2", path, "1M")
        more = "<readonly/>" if target == "vdc" else ""
        disks += _DISK.format(device="disk", format="qcow2", path=path, target=target, bus="virtio", more=more)
    image_dir.chmod(0o777)  # QEMU makes the socket of a pull there
    return paused_domain(disks)


class Begun(NamedTuple):
    """What libvirt says of a backup it began, or why it did not."""

    xml: str | None
    refusal: str = ""


def _begin(domain: Any, document: str, checkpoint: str | None) -> Begun:
    made = None if checkpoint is None else f"<domaincheckpoint><name>{checkpoint}</name></domaincheckpoint>"
    try:
        domain.backupBegin(document, made, 0)
    except libvirt.libvirtError as error:
        return Begun(None, str(error))
    try:
        return Begun(domain.backupGetXMLDesc(0))
    except libvirt.libvirtError as error:  # it is through already
        return Begun(None, "" if error.get_error_code() == libvirt.VIR_ERR_NO_DOMAIN_BACKUP else str(error))
    finally:
        _end(domain)


def _end(domain: Any) -> None:
    with contextlib.suppress(libvirt.libvirtError):
        domain.abortJob()


def _without_indexes(backup: Backup) -> str:
    """As XML, without the numbers of nodes."""
    return re.sub(r" index='\d+'", "", format_backup(backup))


@pytest.fixture
def server(image_dir: Path, qemu_img: QemuImg) -> Iterator[Path]:
    socket, image = image_dir / "served", image_dir / "served.raw"
    qemu_img("create", "-q", "-f", "raw", image, "1M")
    with serving(accepts(str(socket)), "qemu-nbd", "-t", "-e", "4", "-k", socket, "-f", "raw", "-x", "x", image):
        socket.chmod(0o777)
        yield socket


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_a_backup_is_what_libvirt_makes_of_it(
    asked: Asked, domain: PausedDomain, image_dir: Path, libvirtd: Libvirtd
) -> None:
    if _SINCE in asked.before or "c0" in (asked.disks or ""):
        every = "".join(f"<disk name='{name}' checkpoint='bitmap'/>" for name in ("vda", "vdb"))
        domain.domain.checkpointCreateXML(
            f"<domaincheckpoint><name>c0</name><disks>{every}</disks></domaincheckpoint>", 0
        )
    document = asked.document(image_dir)
    disks = post_parse_domain(parse_domain(domain.inactive_xml())).disks
    found = [for_versions(each, libvirtd.versions) for each in backup_findings(as_document(document), disks)]
    refused = [each for each in found if each.severity is Severity.ERROR]
    begun = _begin(domain.domain, document, asked.checkpoint)
    assert bool(refused) is bool(begun.refusal), (found, begun.refusal)
    if begun.xml is None:
        return
    suffix = asked.checkpoint or next(iter(re.findall(r"\.(\d{9,})'/>", begun.xml)), "0")
    assert _without_indexes(align_backup(parse_backup(document), disks, suffix)) == _without_indexes(
        parse_backup(begun.xml)
    )


@pytest.mark.parametrize(
    "disks", [None, "<disk name='vdn' type='file'/>", _to("vdn"), "<disk name='vda' backup='no'/>" + _to("vdn")]
)
def test_no_target_is_made_up_for_what_is_no_file(
    disks: str | None,
    server: Path,
    paused_domain: Callable[..., PausedDomain],
    image_dir: Path,
    qemu_img: QemuImg,
    libvirtd: Libvirtd,
) -> None:
    qemu_img("create", "-q", "-f", "qcow2", image_dir / "a", "1M")
    file = _DISK.format(device="disk", format="qcow2", path=image_dir / "a", target="vda", bus="virtio", more="")
    domain = paused_domain(file + _SERVED.format(socket=server))
    document = Asked(disks).document(image_dir)
    known = post_parse_domain(parse_domain(domain.inactive_xml())).disks
    found = [for_versions(each, libvirtd.versions) for each in backup_findings(as_document(document), known)]
    begun = _begin(domain.domain, document, None)
    assert any(each.severity is Severity.ERROR for each in found) is bool(begun.refusal), (found, begun.refusal)


def test_a_domain_without_a_disk_is_not_backed_up(paused_domain: Callable[..., PausedDomain]) -> None:
    domain = paused_domain("")
    assert "at least one disk" in _begin(domain.domain, "<domainbackup/>", None).refusal
    assert [each.id for each in backup_findings(as_document("<domainbackup/>"), ())] == ["backup-disk"]
