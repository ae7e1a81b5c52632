"""Files that belong to QEMU's user although no running domain uses them: which of them libvirt left behind, by what evidence.

Pure. An owner alone proves nothing: an administrator's ``chown -R`` looks the same. Evidence is libvirt's note of the former owner
that was not used, a grant in our journal that was not reverted, or libvirt's log of a domain that had the file open.
Source for what libvirt leaves: libvirt ``security_dac.c`` (``virSecurityDACRestoreImageLabelSingle`` skips read-only images, and
every backing file is read-only), measured with 9.0.0.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from diskchain.access.audit_values import HostState, UsedFile
from diskchain.access.grants.journal_schema import Hold
from diskchain.access.kernel.identity import group_name, user_name
from diskchain.access.requirements import Role
from diskchain.access.security.libvirt_labels import DAC
from diskchain.access.security.saved_labels import SavedLabel
from diskchain.errors import printable
from diskchain.findings import Finding, Severity, finding
from diskchain.system.shell_words import shell_word

_OWNER_WRITES: Final = 0o200
_NAMED: Final = 3  # files that a note lists


def left_behind(files: Iterable[UsedFile], host: HostState) -> list[Finding]:
    """One finding for each file that was left behind for certain, and one note for each owner of all others."""
    found: list[Finding] = []
    after_use: dict[str, list[UsedFile]] = {}
    unexplained: dict[str, list[UsedFile]] = {}
    for file in files:
        if not _is_candidate(file):
            continue
        certain = _by_journal(file, host) or _by_libvirts_note(file, host.boot_times)
        if certain is not None:
            found.append(certain)
        elif _ran_with(file):
            after_use.setdefault(_owner(file), []).append(file)
        else:
            unexplained.setdefault(_owner(file), []).append(file)
    found += [_after_use(owner, kept) for owner, kept in after_use.items()]
    found += [_unexplained(owner, kept) for owner, kept in unexplained.items()]
    return found


def _is_candidate(file: UsedFile) -> bool:
    """Whether the file belongs to the user of one of its domains, writable, and nobody uses it or wants it so."""
    inode, locks = file.inode, file.present.locks
    given = [use for use, _ in file.users if use.libvirt_gives]
    users = {use.actor.identity.uid for use in given if use.actor.identity.uid != 0}
    if inode.uid not in users or not inode.mode & _OWNER_WRITES or file.running:
        return False
    if locks is not None and locks.held:
        return False  # a domain of another connection, or a tool
    return len(given) == len(file.users)  # else whoever manages owners by hand wants it so


def _by_journal(file: UsedFile, host: HostState) -> Finding | None:
    """A grant whose process is gone, and that was not reverted."""
    over = {grant.id for grant in host.grants}
    for hold in host.holds:
        if hold.grant in over and _is_of(hold, file):
            message = f"{_path(file)} belongs to {_owner(file)}, no running domain uses it, and grant {hold.grant} was not reverted"
            return _certain(file, message, f"diskchain revert {hold.grant}")
    return None


def _is_of(hold: Hold, file: UsedFile) -> bool:
    return (hold.file.identity.device, hold.file.identity.inode) == (file.inode.device, file.inode.number)


def _by_libvirts_note(file: UsedFile, boot_times: frozenset[int]) -> Finding | None:
    """The former owner is noted, and did not get the file back: libvirt's note counts users, or is of another boot."""
    note = next((each for each in file.present.saved_labels if each.model == DAC), None)
    if note is None or note.original is None or not (note.users or note.stale(boot_times)):
        return None
    message = f"{_path(file)} belongs to {_owner(file)}, no running domain uses it, and libvirt did not give it back to {_original(note)}"
    owner = note.original.replace("+", "")
    return _certain(file, message, f"chown {shell_word(owner)} -- {shell_word(file.inode.path)}")


def _certain(file: UsedFile, message: str, fix: str) -> Finding:
    return finding("label-left-behind", message, file=file.inode.path, referrer=file.users[0][0].name, fix=fix)


def _ran_with(file: UsedFile) -> bool:
    """Whether it is a backing file, which libvirt never gives back, and a domain that is over had it open."""
    return any(need.role is not Role.ACTIVE and need.path in use.opened_before for use, need in file.users)


def _after_use(owner: str, files: Sequence[UsedFile]) -> Finding:
    domains = sorted({use.name for file in files for use, _ in file.users if use.opened_before})
    message = (
        f"{_count(files, 'backing file')} still {_verb(files)} to {owner} now that {printable(', '.join(domains))} "
        f"{'is' if len(domains) == 1 else 'are'} over: libvirt gives back the top layer only. "
        f"Who owned them before is not known: {_listed(files)}"
    )
    return finding("label-left-behind", message, severity=Severity.INFO, file=files[0].inode.path)


def _unexplained(owner: str, files: Sequence[UsedFile]) -> Finding:
    message = (
        f"{_count(files, 'file')} {_verb(files)} to {owner}, and no running domain uses them; nothing shows that libvirt gave "
        f"them to it (an administrator's chown looks the same): {_listed(files)}"
    )
    return finding("owned-by-qemu", message, file=files[0].inode.path)


def _count(files: Sequence[UsedFile], what: str) -> str:
    return f"{len(files)} {what}{'' if len(files) == 1 else 's'}"


def _verb(files: Sequence[UsedFile]) -> str:
    return "belongs" if len(files) == 1 else "belong"


def _listed(files: Sequence[UsedFile]) -> str:
    more = len(files) - _NAMED
    return ", ".join(_path(file) for file in files[:_NAMED]) + (f" and {more} more" if more > 0 else "")


def _path(file: UsedFile) -> str:
    return printable(file.inode.path)


def _owner(file: UsedFile) -> str:
    return f"{user_name(file.inode.uid)}:{group_name(file.inode.gid)}"


def _original(note: SavedLabel) -> str:
    return printable(note.original or "nobody")
