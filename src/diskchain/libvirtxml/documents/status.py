"""``<domstatus>``: what libvirt's daemon writes down of a running domain, for its own next start.

Source: libvirt 11.3.0 (``virDomainObjFormat``, ``qemuDomainObjPrivateXMLFormat``).
"""

from dataclasses import dataclass

from diskchain.libvirtxml.documents.backup import Backup, format_backup, read_backup
from diskchain.libvirtxml.documents.blockjob import BlockJob, block_job_element, read_block_job
from diskchain.libvirtxml.documents.domain import Domain, format_domain, read_domain
from diskchain.libvirtxml.markup.document import Element, Text, as_document, refuse
from diskchain.libvirtxml.markup.scalars import ULLONG_MAX, YES_NO, one_of, read_number
from diskchain.libvirtxml.markup.template import Frame, Hole
from diskchain.libvirtxml.markup.writer import attribute, element, yes_no
from diskchain.libvirtxml.view import View

_HOLES = (Hole((), "blockjobs"), Hole((), "backups"), Hole((), "domain"))

_yes_no = one_of(YES_NO)


@dataclass(frozen=True, slots=True)
class DomainStatus:
    """A running domain.

    ``node_index`` is the last number a node name got. ``jobs_active`` says whether any block job is running, None when
    the document does not. ``frame`` is the rest of the document.
    """

    state: str | None
    reason: str | None
    pid: int | None
    domain: Domain
    jobs: tuple[BlockJob, ...]
    jobs_active: bool | None
    backups: tuple[Backup, ...]
    node_index: int | None
    frame: Frame


def parse_status(text: Text, *, origin: str | None = None) -> DomainStatus:
    """A ``<domstatus>``, as in ``/run/libvirt/qemu/NAME.xml``.

    >>> status = parse_status('''
    ... <domstatus state='running' reason='booted' pid='42'>
    ...   <blockjobs active='yes'>
    ...     <blockjob name='pull-vda-libvirt-1-format' type='pull' state='running' jobflags='0x0'><disk dst='vda'/></blockjob>
    ...   </blockjobs>
    ...   <domain type='kvm' id='7'><name>web</name></domain>
    ... </domstatus>''')
    >>> status.state, status.domain.name, status.jobs[0].disk, str(status.jobs[0].state)
    ('running', 'web', 'vda', 'running')

    Raises XmlError.
    """
    with (document := as_document(text, origin)).reading() as root:
        if root.tag != "domstatus":
            refuse(root, f"<{root.tag}> is no <domstatus>")
        parts: dict[str, Element] = {}
        for child in root:
            parts.setdefault(child.tag, child)
        if "domain" not in parts:
            refuse(root, "<domstatus> has no <domain>")
        jobs = parts.get("blockjobs")
        active = jobs.get("active") if jobs is not None else None
        pid, node = root.get("pid"), parts["nodename"].get("index") if "nodename" in parts else None
        return DomainStatus(
            root.get("state"),
            root.get("reason"),
            None if pid is None else read_number(root, "pid of <domstatus>", pid),
            read_domain(document, (root.tag, "domain"), parts["domain"], View.STATUS),
            () if jobs is None else tuple(map(read_block_job, jobs.iterchildren("blockjob"))),
            None if jobs is None or active is None else _yes_no(jobs, "active of <blockjobs>", active),
            tuple(
                read_backup(backup, View.STATUS)
                for backup in (parts["backups"].iterchildren("domainbackup") if "backups" in parts else ())
            ),
            None if node is None else read_number(parts["nodename"], "index of <nodename>", node, most=ULLONG_MAX),
            Frame(document, root, (root.tag,), _HOLES),
        )


def format_status(status: DomainStatus) -> str:
    """The whole document: disks, jobs and backups written anew, the rest as it stood. Raises UsageError."""
    frame = status.frame
    pads = [" " * (frame.indent(hole) or 0) for hole in range(len(_HOLES))]
    jobs = "".join(block_job_element(pads[0] + "  ", job) for job in status.jobs)
    backups = "".join(format_backup(one, view=View.STATUS, indent=len(pads[1]) + 2) for one in status.backups)
    domain = format_domain(status.domain, view=View.STATUS)
    return frame.fill(
        [
            element(pads[0], "blockjobs", attribute("active", yes_no(status.jobs_active)), jobs),
            element(pads[1], "backups", "", backups),
            f"{pads[2]}{domain}\n",
        ]
    )
