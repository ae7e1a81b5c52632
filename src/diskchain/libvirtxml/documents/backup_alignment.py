"""What libvirt makes of a ``<domainbackup>`` before it begins: which disks are taken, whole or since which checkpoint, and where to.

A pure function of the backup and of the domain's disks. Must not know files: whether a target is there already, libvirt finds out later.
Source: libvirt 11.3.0 ``virDomainBackupAlignDisks``, ``virDomainBackupDefAssignStore``, ``qemuBackupDiskPrepareDataOne``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from diskchain.errors import UsageError
from diskchain.guest.disk import Disk
from diskchain.libvirtxml.documents.backup import Backup, BackupDisk, BackupMode, BackupTransport, DiskBackupMode
from diskchain.storage.location import BlockLocation, FileLocation, Location, VolumeLocation
from diskchain.storage.source import Source
from diskchain.storage.terms import Format


@dataclass(frozen=True, slots=True)
class BackupProblem:
    """Why libvirt would not begin. ``id``: of the finding; ``disk``: the place in ``backup.disks``, None for the whole."""

    id: str
    message: str
    disk: int | None = None


def align_backup(backup: Backup, disks: Sequence[Disk], suffix: str) -> Backup:
    """``backup`` of a domain with these ``disks``, in libvirt's order, with every disk named and all that goes without saying said.

    ``suffix``: the name of the checkpoint that is made with it, else the time in seconds: what made-up targets end in. A disk that is
    named counts as taken unless it says no; where none is named, all are that have a medium and can be written.

    >>> from diskchain.libvirtxml.codec import parse_disk
    >>> disk = parse_disk("<disk><source file='/vm/a'/><target dev='vda' bus='virtio'/></disk>")
    >>> align_backup(Backup(), [disk], "monday").disks[0].store.location.path
    '/vm/a.monday'

    Raises UsageError with the first of :func:`backup_problems`.
    """
    for problem in backup_problems(backup, disks):
        raise UsageError(problem.message)
    known = {disk.target.dev: disk for disk in disks}
    aligned = [one if one.backup is False else _taken(one, known[one.name], backup, suffix) for one in backup.disks]
    named = {one.name for one in backup.disks}
    for disk in disks:
        if disk.target.dev in named:
            continue
        if not backup.disks and _is_taken_unasked(disk):
            aligned.append(_taken(BackupDisk(disk.target.dev), disk, backup, suffix))
        else:
            aligned.append(BackupDisk(disk.target.dev, backup=False))
    return replace(backup, mode=backup.mode or BackupMode.PUSH, disks=tuple(aligned))


def backup_problems(backup: Backup, disks: Sequence[Disk] | None = None) -> Iterator[BackupProblem]:
    """Why libvirt would not begin ``backup``: of a domain with these ``disks``; None: what can be said without them."""
    yield from _of_server(backup)
    met: set[str] = set()
    for place, one in enumerate(backup.disks):
        if one.name in met:
            yield BackupProblem("backup-disk", f"disk {one.name} is named twice", place)
        met.add(one.name)
        if one.backup is not False and one.mode is DiskBackupMode.INCREMENTAL and not _checkpoint(one, backup):
            message = f"disk {one.name} is to be backed up since a checkpoint, and none is named for it or for all"
            yield BackupProblem("backup-incremental", message, place)
    if disks is not None:
        yield from _with_domain(backup, disks)
    elif backup.disks and all(one.backup is False for one in backup.disks):
        yield BackupProblem(
            "backup-disk", "no disk is backed up: every one that is named says no, and the others are left out"
        )


def _of_server(backup: Backup) -> Iterator[BackupProblem]:
    if backup.mode is not BackupMode.PULL:
        return
    if backup.server is None:
        yield BackupProblem("backup-server", "a backup of mode pull needs a <server> to be fetched from")
    elif backup.server.transport is BackupTransport.TCP and not backup.server.port:
        yield BackupProblem("backup-server", "libvirt chooses no TCP port for the <server>: it has to be said")


def _with_domain(backup: Backup, disks: Sequence[Disk]) -> Iterator[BackupProblem]:
    if not disks:
        yield BackupProblem("backup-disk", "the domain has no disk")
        return
    known = {disk.target.dev: disk for disk in disks}
    taken: list[tuple[BackupDisk, Disk, int | None]] = []
    for place, one in enumerate(backup.disks):
        disk = known.get(one.name)
        if disk is None:
            names = ", ".join(known)
            yield BackupProblem("backup-disk", f"the domain has no disk {one.name}: it has {names}", place)
        elif one.backup is not False and disk.is_empty:
            yield BackupProblem("backup-disk", f"disk {one.name} has no medium", place)
        elif one.backup is not False:
            taken.append((one, disk, place))
    if not backup.disks:
        taken = [(BackupDisk(disk.target.dev), disk, None) for disk in disks if _is_taken_unasked(disk)]
    if not taken and all(one.backup is False for one in backup.disks):
        yield BackupProblem("backup-disk", "no disk is backed up")
    for one, disk, number in taken:
        if not has_target(one) and _path(disk.source.location) is None:
            message = f"disk {one.name} has no target, and libvirt makes one up only beside a file"
            yield BackupProblem("backup-target", message, number)


def has_target(disk: BackupDisk) -> bool:
    """Whether a disk says where it is backed up to."""
    location = None if disk.store is None else disk.store.location
    return location is not None and not (isinstance(location, FileLocation | BlockLocation) and not location.path)


def _is_taken_unasked(disk: Disk) -> bool:
    return not disk.is_empty and not disk.readonly


def _checkpoint(disk: BackupDisk, backup: Backup) -> str | None:
    """The one it is backed up since."""
    if disk.incremental is None and disk.mode is not DiskBackupMode.FULL:
        return backup.incremental
    return disk.incremental


def _taken(one: BackupDisk, disk: Disk, backup: Backup, suffix: str) -> BackupDisk:
    checkpoint = _checkpoint(one, backup)
    mode = one.mode or (DiskBackupMode.INCREMENTAL if checkpoint else DiskBackupMode.FULL)
    store = one.store or Source(FileLocation(None))
    if not has_target(one):
        store = store._replace(location=FileLocation(f"{_path(disk.source.location)}.{suffix}"))
    done = replace(
        one, backup=True, mode=mode, incremental=checkpoint, store=store._replace(format=store.format or Format.QCOW2)
    )
    if backup.mode is not BackupMode.PULL:
        return done
    bitmap = f"backup-{one.name}" if checkpoint else None
    return replace(done, export_name=one.export_name or one.name, export_bitmap=one.export_bitmap or bitmap)


def _path(location: Location) -> str | None:
    """The path of a file; None of all else."""
    if isinstance(location, VolumeLocation) and location.actual is not None:
        location = location.actual
    return location.path if isinstance(location, FileLocation) else None
