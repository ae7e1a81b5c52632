"""Needed against present: whether somebody may use each file of a chain, and what stands in the way, first met first.

Pure. Puts the answers of ``by_kernel`` (the kernel, and what libvirt can give), ``apparmor_profile``, ``selinux`` and the image
locks (QEMU) in the order in which an open meets them.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from diskchain.access.actor import Actor, acting
from diskchain.access.by_kernel import Hindrance, made_by, making, opening
from diskchain.access.evidence import Present
from diskchain.access.kernel.identity import Identity
from diskchain.access.kernel.path_facts import Kind
from diskchain.access.requirements import Access, Need, Role
from diskchain.access.security.apparmor_profile import Profile, ask_profile
from diskchain.access.security.relabelled import Adjust, as_it_is
from diskchain.access.security.selinux import suffices
from diskchain.system.shell_words import shell_word


class Verdict(StrEnum):
    """The answer for one file."""

    ALLOWED = "allowed"
    DENIED = "denied"
    UNKNOWN = "cannot tell"
    ELSEWHERE = "not on this host"


@dataclass(frozen=True, slots=True)
class Confinement:
    """What security modules hold a QEMU to: its AppArmor profile, its SELinux image label. None: not confined by it."""

    apparmor: Profile | None = None
    selinux: str | None = None


#: No security module has a say.
UNCONFINED: Final = Confinement()


@dataclass(frozen=True, slots=True)
class FileAccess:
    """One file of a chain. ``present`` is None for storage that is not on this host.

    ``opened``: the process has it open as needed already, so nothing can be in the way.
    """

    need: Need
    present: Present | None
    hindrances: tuple[Hindrance, ...] = ()
    opened: bool = False

    @property
    def verdict(self) -> Verdict:
        """Denied when anything is known to be in the way, whatever else cannot be told."""
        if self.present is None:
            return Verdict.ELSEWHERE
        if any(not hindrance.unknown for hindrance in self.hindrances):
            return Verdict.DENIED
        return Verdict.UNKNOWN if self.hindrances else Verdict.ALLOWED

    @property
    def first(self) -> Hindrance | None:
        """The first thing that denies; failing that, the first that may."""
        return min(self.hindrances, key=lambda hindrance: hindrance.unknown, default=None)


def judge(
    needs: Iterable[Need],
    present: Callable[[str], Present],
    who: Identity | Actor,
    confined: Confinement = UNCONFINED,
    adjust: Adjust = as_it_is,
) -> tuple[FileAccess, ...]:
    """Needed against present for every file of ``needs``.

    ``present`` gives what is at a path, ``adjust`` what libvirt makes of that before the file is opened.
    """
    actor = acting(who)
    asked = (need for need in needs if need.path or not _is_empty(need))
    return tuple(_judge_one(need, present, actor, confined, adjust) for need in asked)


def _is_empty(need: Need) -> bool:
    """Whether the need is an empty drive."""
    return getattr(need.source.location, "path", "") is None


def _judge_one(
    need: Need, present: Callable[[str], Present], actor: Actor, confined: Confinement, adjust: Adjust
) -> FileAccess:
    if need.path is None:
        return FileAccess(need, None)
    there = present(need.path)
    file = there.facts.file
    if file is not None and actor.has_open(file, writable=need.access is Access.WRITE):
        return FileAccess(need, there, opened=True)
    found = making(need, there, actor)
    if need.new and not need.reuse and file is None and there.facts.creatable:
        # What is in the way of making it is no less in the way of opening it then.
        made = made_by(there, actor.maker)
        found += opening(need, made, actor, adjust, made=True) if actor.libvirtd is not None else []
        return FileAccess(need, there, tuple(dict.fromkeys(found)))
    found += opening(need, there, actor, adjust)
    if file is not None:
        found += _confined(need, there, confined, file.path, by_libvirt=actor.libvirtd is not None)
        found += _by_lock(there, need, file.path, running=actor.running) if file.kind in (Kind.FILE, Kind.BLOCK) else []
    return FileAccess(need, there, tuple(found))


def _confined(need: Need, there: Present, confined: Confinement, path: str, *, by_libvirt: bool) -> list[Hindrance]:
    if by_libvirt and need.role is Role.DESTINATION:
        return []  # libvirt labels it, and adds a rule for it, before QEMU opens it
    return [*_by_apparmor(confined.apparmor, path, need.access), *_by_selinux(confined.selinux, there, need, path)]


def _by_apparmor(profile: Profile | None, path: str, access: Access) -> list[Hindrance]:
    if profile is None:
        return []
    said = ask_profile(profile, path, access)
    if said.allowed:
        return []
    if said.allowed is None:
        return [Hindrance("apparmor", "the AppArmor profile cannot be read in full", path, unknown=True)]
    if said.rule is None or not said.rule.deny:
        return [Hindrance("apparmor", f"no rule of the AppArmor profile allows {access}", path)]
    file, _, line = (said.rule.origin or "").rpartition(":")
    profile_file = file.removesuffix(".files")
    command = f"sed -i {line}d {shell_word(file)} && apparmor_parser -r {shell_word(profile_file)}" if file else None
    return [Hindrance("apparmor", f"AppArmor: {said.rule} ({said.rule.origin})", path, command=command)]


def _by_selinux(label: str | None, there: Present, need: Need, path: str) -> list[Hindrance]:
    if label is None:
        return []
    enough = suffices(there.selinux, label, need.access)
    if enough:
        return []
    reason = f"SELinux: the label is {there.selinux or 'missing'}; {need.access} by the domain wants {label}"
    command = f"chcon {shell_word(label)} {shell_word(path)}"
    return [Hindrance("selinux", reason, path, enough is None, command)]


def _by_lock(there: Present, need: Need, path: str, *, running: bool) -> list[Hindrance]:
    if there.locks is None:
        return [Hindrance("image-lock", "we may not open it, so not ask for its image locks", path, unknown=True)]
    conflict = there.locks.conflict(need.access, shared=need.shared)
    if conflict is None:
        return []
    if running and not there.locks.holders:
        reason = f"image lock: {conflict}; we may not see whether that is the domain's own QEMU"
        return [Hindrance("image-lock", reason, path, unknown=True)]
    holders = ", ".join(map(str, there.locks.holders))
    return [Hindrance("image-lock", f"image lock: {conflict}" + (f": {holders}" if holders else ""), path)]
