"""Rights that nobody needs any more, and rights that are missing: all domains of a host against all their files.

Pure: what is there is passed in. Source for what libvirt leaves behind: libvirt ``security_dac.c``
(``virSecurityDACRestoreImageLabelSingle`` skips read-only images, and every backing file is read-only).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from diskchain.access.evidence import Present
from diskchain.access.grants.journal_schema import Grant, Hold
from diskchain.access.judge import Verdict, judge
from diskchain.access.kernel.identity import Identity, group_name, user_name
from diskchain.access.kernel.path_facts import Inode, Kind
from diskchain.access.requirements import Access, Need, Role, needs
from diskchain.access.security.apparmor_profile import Profile, ask_profile
from diskchain.access.security.libvirt_labels import DomainLabel
from diskchain.access.security.relabelled import as_relabelled, owners_by_libvirt
from diskchain.access.security.saved_labels import SavedLabel
from diskchain.access.security.selinux import parse_context
from diskchain.errors import printable
from diskchain.findings import Finding, finding
from diskchain.storage.operation import Start
from diskchain.storage.source import Source
from diskchain.system.shell_words import shell_word

_OWNER_WRITES = 0o200


@dataclass(frozen=True, slots=True)
class DomainUse:
    """A domain and the chains of its disks, as far as they are known.

    ``who`` is the user its QEMU runs as, with ``dac`` the label that says so; ``selinux`` and ``profile`` are what a
    running domain is confined to, None when it is not.
    """

    name: str
    running: bool
    chains: tuple[Source, ...]
    who: Identity
    dac: DomainLabel
    selinux: str | None = None
    profile: Profile | None = None


@dataclass(frozen=True, slots=True)
class HostState:
    """What the host looks like: every path of every chain, when it booted, what diskchain granted.

    ``grants`` are those whose process no longer lives; ``present`` knows the paths of their files, too.
    """

    present: Mapping[str, Present]
    boot_times: frozenset[int]
    grants: Sequence[Grant] = ()
    holds: Sequence[Hold] = ()


@dataclass(frozen=True, slots=True)
class _File:
    """One file, whatever its names, and who has it in a chain."""

    inode: Inode
    present: Present
    users: list[tuple[DomainUse, Need]]

    @property
    def running(self) -> list[DomainUse]:
        return [use for use, _ in self.users if use.running]


def audit_rights(uses: Iterable[DomainUse], host: HostState) -> list[Finding]:
    """Everything that is wrong with the rights of the files that ``uses`` name.

    Says "no running domain uses it" only of the domains it was told of.
    """
    domains = list(uses)
    files = _files(domains, host.present)
    hypervisors = {use.who.uid for use in domains if use.who.uid != 0}
    found: list[Finding] = []
    for file in files:
        found += _left_behind(file, hypervisors, host)
        found += _writable(file)
        found += _notes(file, host.boot_times)
    found += _denied(domains, host.present)
    found += _open_grants(host)
    return found


def _files(domains: list[DomainUse], present: Mapping[str, Present]) -> list[_File]:
    files: dict[tuple[int, int], _File] = {}
    for use in domains:
        for chain in use.chains:
            for need in needs(chain, Start()):
                there = present.get(need.path) if need.path is not None else None
                inode = there.facts.file if there is not None else None
                if there is not None and inode is not None and inode.kind in (Kind.FILE, Kind.BLOCK):
                    key = (inode.device, inode.number)
                    files.setdefault(key, _File(inode, there, [])).users.append((use, need))
    return list(files.values())


def _left_behind(file: _File, hypervisors: set[int], host: HostState) -> list[Finding]:
    inode = file.inode
    if inode.uid not in hypervisors or not inode.mode & _OWNER_WRITES or file.running:
        return []
    if file.present.locks is not None and file.present.locks.held:
        return []  # a domain of another connection, or a tool
    if any(not use.dac.relabel for use, _ in file.users):
        return []  # whoever manages labels by hand wants it so
    owner = f"{user_name(inode.uid)}:{group_name(inode.gid)}"
    message = f"{printable(inode.path)} belongs to {owner}, and no running domain uses it"
    return [
        finding(
            "label-left-behind", message, file=inode.path, referrer=file.users[0][0].name, fix=_owner_fix(file, host)
        )
    ]


def _owner_fix(file: _File, host: HostState) -> str:
    """Back to what the journal has, else to what libvirt noted, else to libvirt's own default."""
    inode = file.inode
    for hold in host.holds:
        if (hold.file.identity.device, hold.file.identity.inode) == (inode.device, inode.number):
            return f"diskchain revert {hold.grant}"
    original = next((note.original for note in file.present.saved_labels if note.model == "dac"), None)
    owner = (original or "root:root").replace("+", "")
    return f"chown {shell_word(owner)} -- {shell_word(inode.path)}"


def _writable(file: _File) -> list[Finding]:
    """A layer that a running domain only reads, labelled for writing, with nobody writing to it."""
    if file.present.locks is None or file.present.locks.written:
        return []
    if any(need.access is Access.WRITE for use, need in file.users if use.running):
        return []
    readers = [use for use, need in file.users if use.running and need.role is not Role.ACTIVE]
    path = file.inode.path
    found = []
    for use in readers:
        label = parse_context(file.present.selinux) if file.present.selinux else None
        domain = parse_context(use.selinux) if use.selinux else None
        if (
            label is not None
            and domain is not None
            and (label.type, label.categories) == (domain.type, domain.categories)
        ):
            message = f"{printable(path)} is labelled for {printable(use.name)} to write, which only reads it"
            fix = f"chcon {shell_word(use.dac.content_context)} {shell_word(path)}"
            found.append(finding("label-writable", message, file=path, referrer=use.name, fix=fix))
        if use.profile is not None and ask_profile(use.profile, path, Access.WRITE).allowed:
            message = (
                f"the AppArmor profile of {printable(use.name)} lets it write {printable(path)}, which it only reads"
            )
            found.append(finding("label-writable", message, file=path, referrer=use.name))
    return found


def _notes(file: _File, boot_times: frozenset[int]) -> list[Finding]:
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


def _denied(domains: list[DomainUse], present: Mapping[str, Present]) -> list[Finding]:
    """Files that would stop a domain from starting, or that a running one could not open again."""
    found = []
    for use in domains:
        for chain in use.chains:
            owners = owners_by_libvirt(chain, Start(), use.dac, running=use.running)
            there = _adjusted(present, as_relabelled(owners))
            wanted = [need for need in needs(chain, Start()) if need.path is None or need.path in present]
            for access in judge(wanted, there, use.who):
                first = access.first
                # Image locks come and go; that a file is missing is another finding.
                if access.verdict is not Verdict.DENIED or first is None or first.rule in ("image-lock", "path"):
                    continue
                message = (
                    f"{printable(use.name)} cannot {_verb(access.need.access)} {printable(access.need.path or '')}"
                )
                message += f": {printable(first.reason)}"
                found.append(
                    finding("access-denied", message, file=access.need.path, referrer=use.name, fix=first.command)
                )
    return found


def _adjusted(present: Mapping[str, Present], adjust: Callable[[str, Present], Present]) -> Callable[[str], Present]:
    return lambda path: adjust(path, present[path])


def _verb(access: Access) -> str:
    return "write" if access is Access.WRITE else "read"


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
