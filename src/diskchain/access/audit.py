"""Rights that nobody needs any more, and rights that are missing: all domains of a host against all their files.

Pure: what is there is passed in.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from diskchain.access.audit_values import DomainUse, HostState, UsedDisk, UsedFile
from diskchain.access.evidence import Present
from diskchain.access.judge import FileAccess, Verdict, judge
from diskchain.access.kernel.path_facts import Kind
from diskchain.access.left_behind import left_behind
from diskchain.access.requirements import Access, Role, needs
from diskchain.access.security.apparmor_profile import ask_profile
from diskchain.access.security.relabelled import Adjust, as_it_is, as_relabelled, owners_by_libvirt
from diskchain.access.security.saved_labels import SavedLabel
from diskchain.access.security.selinux import parse_context
from diskchain.errors import printable
from diskchain.findings import Finding, finding
from diskchain.system.shell_words import shell_word

#: That a file is missing is another finding.
_TOLD_ELSEWHERE: Final = "path"
_LOCKED: Final = "image-lock"


def audit_rights(uses: Iterable[DomainUse], host: HostState) -> list[Finding]:
    """Everything that is wrong with the rights of the files that ``uses`` name.

    Says "no running domain uses it" only of the domains it was told of.
    """
    domains = list(uses)
    files = used_files(domains, host.present)
    found = _denied(domains, host)
    found += left_behind(files, host)
    for file in files:
        found += _writable(file)
        found += _notes(file, host.boot_times)
    found += _open_grants(host)
    return found


def used_files(domains: Iterable[DomainUse], present: Mapping[str, Present]) -> list[UsedFile]:
    """The files and block devices of all chains, each once."""
    files: dict[tuple[int, int], UsedFile] = {}
    for use in domains:
        for disk in use.disks:
            for need in needs(disk.chain, disk.start):
                there = present.get(need.path) if need.path is not None else None
                inode = there.facts.file if there is not None else None
                if there is not None and inode is not None and inode.kind in (Kind.FILE, Kind.BLOCK):
                    key = (inode.device, inode.number)
                    files.setdefault(key, UsedFile(inode, there, [])).users.append((use, need))
    return list(files.values())


def _writable(file: UsedFile) -> list[Finding]:
    """A layer that a running domain only reads, labelled for writing, with nobody writing to it."""
    if file.present.locks is None or file.present.locks.written:
        return []
    if any(need.access is Access.WRITE for use, need in file.users if use.running):
        return []
    readers = [use for use, need in file.users if use.running and need.role is not Role.ACTIVE]
    return [found for use in readers for found in (*_selinux_writable(file, use), *_apparmor_writable(file, use))]


def _selinux_writable(file: UsedFile, use: DomainUse) -> list[Finding]:
    label = parse_context(file.present.selinux) if file.present.selinux else None
    domain = parse_context(use.selinux) if use.selinux else None
    if label is None or domain is None or use.dac is None:
        return []
    if (label.type, label.categories) != (domain.type, domain.categories):
        return []
    path = file.inode.path
    message = f"{printable(path)} is labelled for {printable(use.name)} to write, which only reads it"
    fix = f"chcon {shell_word(use.dac.content_context)} {shell_word(path)}"
    return [finding("label-writable", message, file=path, referrer=use.name, fix=fix)]


def _apparmor_writable(file: UsedFile, use: DomainUse) -> list[Finding]:
    path = file.inode.path
    if use.profile is None or not ask_profile(use.profile, path, Access.WRITE).allowed:
        return []
    message = f"the AppArmor profile of {printable(use.name)} lets it write {printable(path)}, which it only reads"
    return [finding("label-writable", message, file=path, referrer=use.name)]


def _notes(file: UsedFile, boot_times: frozenset[int]) -> list[Finding]:
    path = file.inode.path
    found = []
    for note in file.present.saved_labels:
        fix = " && ".join(
            f"setfattr -x trusted.libvirt.security.{part}{note.model} {shell_word(path)}"
            for part in ("", "ref_", "timestamp_")
        )
        if note.stale(boot_times):
            message = (
                f"libvirt noted {_original(note)} as the {note.model} owner of {printable(path)} before this boot, and "
                "will give it to root instead"
            )
            found.append(finding("remembered-stale", message, file=path, fix=fix))
        elif note.users is not None and note.users > len(file.running):
            message = (
                f"libvirt counts {note.users} users of {printable(path)}, and {len(file.running)} running domains have "
                f"it; {_original(note)} will not be given back"
            )
            found.append(finding("remembered-count", message, file=path, fix=fix))
    return found


def _original(note: SavedLabel) -> str:
    return printable(note.original or "nobody")


def _denied(domains: list[DomainUse], host: HostState) -> list[Finding]:
    """Files that would stop a domain from starting, or that a running one could not open again."""
    found = []
    for use in domains:
        if use.running and use.process is not None and not use.actor.opened:
            continue  # it runs, and what it has open is not for us to see
        for disk in use.disks:
            wanted = [need for need in needs(disk.chain, disk.start) if need.path is None or need.path in host.present]
            adjust = _at_start(disk, use, host.boot_times)
            for access in judge(wanted, host.present.__getitem__, use.actor, adjust=adjust):
                found += _of_domain(use, access)
    return found


def _at_start(disk: UsedDisk, use: DomainUse, boot_times: frozenset[int]) -> Adjust:
    if use.dac is None or use.actor.libvirtd is None:
        return as_it_is
    return as_relabelled(
        owners_by_libvirt(disk.chain, disk.start, use.dac, running=use.running), use.actor.libvirtd, boot_times
    )


def _of_domain(use: DomainUse, access: FileAccess) -> list[Finding]:
    first, path = access.first, access.need.path
    if access.verdict is not Verdict.DENIED or first is None or first.rule == _TOLD_ELSEWHERE:
        return []
    name = printable(use.name)
    if first.rule == _LOCKED:
        # Its own lock, where its process is not seen; nobody else could have the image open beside it.
        if use.running:
            return []
        message = f"{name} cannot start now: {printable(path or '')}: {printable(first.reason)}"
        return [finding("image-locked", message, file=path, referrer=use.name)]
    verb = "write" if access.need.access is Access.WRITE else "read"
    message = f"{name} cannot {verb} {printable(path or '')}: {printable(first.reason)}"
    if first.advice and first.command is None:
        message += f"; {printable(first.advice)}"
    commands = dict.fromkeys(each.command for each in access.hindrances if each.command and not each.unknown)
    return [finding("access-denied", message, file=path, referrer=use.name, fix=" && ".join(commands) or None)]


def _open_grants(host: HostState) -> list[Finding]:
    """Grants whose files nobody has open."""
    found = []
    for grant in host.grants:
        paths = [hold.file.path for hold in host.holds if hold.grant == grant.id]
        locks = [host.present[path].locks for path in paths if path in host.present]
        if any(lock is None or lock.held for lock in locks):
            continue
        message = (
            f"grant {grant.id} ({grant.operation} of {printable(grant.target)}) still has rights on {len(paths)} files"
        )
        fix = f"diskchain revert {grant.id}"
        found.append(finding("grant-open", message, file=paths[0] if paths else None, fix=fix))
    return found
