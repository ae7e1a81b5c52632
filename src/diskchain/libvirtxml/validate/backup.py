"""What libvirt would say of a ``<domainbackup>``, alone or for a domain: findings with lines.

Knows the elements; what the values come to is in :mod:`diskchain.libvirtxml.documents.backup_alignment`. Source: libvirt 9.0.0 and 11.3.0,
``domainbackup.rng``, which both hold every backup against, and ``conf/backup_conf.c``.
"""

from collections.abc import Iterator, Sequence

from diskchain.behaviours import statement
from diskchain.errors import printable
from diskchain.findings import Finding, finding
from diskchain.guest.disk import Disk
from diskchain.libvirtxml.documents.backup import Backup, BackupDisk, BackupMode, parse_backup
from diskchain.libvirtxml.documents.backup_alignment import BackupProblem, backup_problems, has_target
from diskchain.libvirtxml.markup.document import Document, Element
from diskchain.storage.terms import Format


def backup_findings(document: Document, disks: Sequence[Disk] | None = None) -> list[Finding]:
    """All that keeps libvirt from beginning the backup; ``disks``: of the domain, None where it is not known. Raises XmlError."""
    backup = parse_backup(document)
    elements = [disk for group in document.root.iterchildren("disks") for disk in group if isinstance(disk.tag, str)]
    problems = [*backup_problems(backup, disks), *_of_schema(document.root, elements, backup)]
    places = [document.root if one.disk is None else elements[one.disk] for one in problems]
    return [
        finding(one.id, printable(one.message), file=document.origin, line=line)._replace(
            disk=None if one.disk is None else backup.disks[one.disk].name
        )
        for one, line in zip(problems, document.lines(places), strict=True)
    ]


def _of_schema(root: Element, elements: Sequence[Element], backup: Backup) -> Iterator[BackupProblem]:
    groups = [*root.iterchildren("disks")]
    if groups and not elements:
        yield BackupProblem(
            "backup-disk", "<disks> names none: libvirt takes all only where there is no <disks> at all"
        )
    pull = backup.mode is BackupMode.PULL
    other, place = ("target", "<scratch>") if pull else ("scratch", "<target>")
    for number, (element, disk) in enumerate(zip(elements, backup.disks, strict=True)):
        if disk.backup is False:
            continue
        if element.find(other) is not None:
            mode = BackupMode.PULL if pull else BackupMode.PUSH
            message = f"disk {disk.name} of a backup of mode {mode} has a {place}, and no <{other}>"
            yield BackupProblem("backup-target", message, number)
        elif pull and disk.store is not None and disk.store.format not in (None, Format.QCOW2):
            message = f"the scratch file of disk {disk.name} is qcow2, not {disk.store.format}"
            yield BackupProblem("backup-target", message, number)
        elif not has_target(disk):
            yield _made_up(disk, number)


def _made_up(disk: BackupDisk, number: int) -> BackupProblem:
    message = f"disk {disk.name} is named without saying where to: {statement('backup-target-made-up')}"
    return BackupProblem("backup-target-made-up", message, number)
