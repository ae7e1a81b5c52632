"""Who acts for a domain: the running process, its labels, its connection and qemu.conf asked in this order, none of them guessed.

Puts together what ``system`` tells of processes, ``hypervisor`` of the daemon and ``libvirtxml`` of the domain. Judges nothing.
"""

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from diskchain.access.actor import Actor, Libvirtd, Origin
from diskchain.access.judge import UNCONFINED, Confinement
from diskchain.access.kernel.identity import ALL_CAPABILITIES, Capability, Identity, identify, user_name
from diskchain.access.security.libvirt_labels import DomainLabel
from diskchain.behaviours import KNOWS_DATA_FILES, UNKNOWN, can, refuses
from diskchain.errors import PeerError, UsageError
from diskchain.hypervisor.daemon import SYSTEM_STATE, Daemon, noted_process
from diskchain.hypervisor.qemu_conf import QemuConf, read_qemu_conf
from diskchain.system.process_rights import Credentials, credentials
from diskchain.versions import Versions

if TYPE_CHECKING:
    from diskchain.hypervisor.connection import Connection
    from diskchain.libvirtxml.documents.domain_labels import DomainLabels

_KEEPS_CAPABILITIES: Final = "a QEMU that runs as root keeps root's capabilities"
#: Bit numbers in a process's capability masks: ``include/uapi/linux/capability.h``.
_BITS: Final = {Capability.DAC_OVERRIDE: 1, Capability.DAC_READ_SEARCH: 2}


@dataclass(frozen=True, slots=True)
class Host:
    """What a connection tells of the libvirt whose domains are judged. ``label``: the DAC label of domains without one.

    Without a connection (``uri`` None), a document is judged as if this host's libvirt, as far as it is configured, had it.
    """

    uri: str | None = None
    label: str | None = None
    daemon: Daemon | None = None
    versions: Versions = UNKNOWN

    @property
    def settings(self) -> QemuConf:
        """What qemu.conf says."""
        return self.daemon.settings if self.daemon is not None else read_qemu_conf()


@dataclass(frozen=True, slots=True)
class Acting:
    """Who opens a domain's files, and the label that libvirt gives them; None where it gives them none.

    ``process``: the domain's running QEMU.
    """

    actor: Actor
    domain: DomainLabel | None
    process: int | None = None


def host_of(connection: "Connection") -> Host:
    """What ``connection`` tells."""
    return Host(connection.uri, connection.base_label("dac"), connection.daemon(), connection.versions)


def acting_for(
    labels: "DomainLabels", host: Host, *, who: str | None = None, capabilities: bool | None = None
) -> Acting:
    """Who acts for a domain. ``who``, ``capabilities``: what the user says about that.

    Raises UsageError, PeerError when nobody can tell.
    """
    process = _process(labels, host)
    present = None if process is None else credentials(process)
    libvirtd = _libvirtd(host)
    if who is not None:
        actor = Actor(identify(who, capabilities=capabilities), Origin.ASKED, "--as")
    elif process is not None and present is not None:
        actor = Actor(_identity(present), Origin.PROCESS, f"process {process}")
    else:
        actor = _configured(labels, host, capabilities=capabilities)
    return Acting(
        replace(actor, libvirtd=libvirtd, running=labels.running), _domain_label(labels, host, actor), process
    )


def _process(labels: "DomainLabels", host: Host) -> int | None:
    """The domain's running QEMU, by libvirt's own note. Of a document alone, this host's system libvirt, or our own session, has it."""
    if not labels.running:
        return None
    if host.daemon is not None:
        return host.daemon.process_of(labels.name, labels.uuid)
    ours = f"{os.environ.get('XDG_RUNTIME_DIR') or f'/run/user/{os.geteuid()}'}/libvirt/qemu/run"
    notes = ((SYSTEM_STATE, 0), (ours, os.geteuid()))
    found = (noted_process(state, labels.name, labels.uuid, owner) for state, owner in notes)
    return next((pid for pid in found if pid is not None), None)


def _configured(labels: "DomainLabels", host: Host, *, capabilities: bool | None) -> Actor:
    """As whom libvirt would start the domain."""
    dac = labels.of("dac")
    is_session = host.daemon is not None and host.daemon.is_session
    if dac is not None and dac.label and not is_session:
        return _actor(dac.label, Origin.SECLABEL, "the domain's <seclabel>", host, capabilities=capabilities)
    if host.daemon is not None and is_session:
        where = f"the user of {host.uri}"
        return _actor(f"+{host.daemon.uid}:+{host.daemon.gid}", Origin.SESSION, where, host, capabilities=capabilities)
    label, origin, where = _default_label(host)
    if label is None:
        if host.uri is None:
            raise UsageError("whose access? Say --as USER[:GROUP], or name a domain with -c")
        raise PeerError(f"{host.uri} does not tell as whom it runs QEMU; --as USER[:GROUP] does")
    return _actor(label, origin, where, host, capabilities=capabilities)


def _default_label(host: Host) -> tuple[str | None, Origin, str]:
    """The label of a domain that has none. Where qemu.conf and the daemon disagree, the daemon has not read the file."""
    settings = host.settings
    if settings.user is not None and isinstance(settings.user.value, str):
        group = settings.group.value if settings.group is not None else None
        named = settings.user.value if group is None else f"{settings.user.value}:{group}"
        told = host.label.partition(":")[0] if host.label is not None else None
        if told is None or identify(settings.user.value).uid == identify(told).uid:
            # Without a group in the file, libvirt's own default holds, which only the daemon knows.
            return host.label or named, Origin.CONFIGURATION, settings.where(settings.user)
    return host.label, Origin.CAPABILITIES, "libvirt's capabilities"


def _actor(label: str, origin: Origin, where: str, host: Host, *, capabilities: bool | None) -> Actor:
    who = identify(label, capabilities=False)
    if who.uid != 0 or capabilities is False:
        return Actor(who, origin, where)
    mighty = replace(who, capabilities=ALL_CAPABILITIES)
    known = capabilities or can(_KEEPS_CAPABILITIES, host.versions) is True
    return Actor(mighty, origin, where, () if known else (who,))


def _identity(seen: Credentials) -> Identity:
    capabilities = frozenset(each for each, bit in _BITS.items() if seen.capabilities >> bit & 1)
    name = user_name(seen.uid)
    return Identity(seen.uid, seen.gid, seen.groups | {seen.gid}, capabilities, None if name == str(seen.uid) else name)


def _libvirtd(host: Host) -> Libvirtd:
    return replace(_giver(host), refuses_leftovers=refuses("access-denied/leftover", host.versions))


def _giver(host: Host) -> Libvirtd:
    daemon = host.daemon
    if daemon is not None and daemon.is_session:
        own = identify(f"+{daemon.uid}:+{daemon.gid}", capabilities=False)
        return Libvirtd(own, gives=False, because="a session's libvirtd gives files to nobody")
    knows = can(KNOWS_DATA_FILES, host.versions)
    settings = host.settings
    if settings.problem is not None:
        # A document alone is judged by libvirt's defaults; a connection has a daemon that knows better.
        known = True if daemon is None else None
        because = f"dynamic_ownership is not known here ({settings.problem})"
        return Libvirtd(gives=known, because=because, knows_data_files=knows)
    dynamic, remember = settings.dynamic_ownership, settings.remember_owner
    remembers = remember is None or remember.value == 1
    if dynamic is not None and dynamic.value == 0:
        return Libvirtd(gives=False, because=f"dynamic_ownership = 0 ({settings.where(dynamic)})", remembers=remembers)
    return Libvirtd(remembers=remembers, knows_data_files=knows)


def _domain_label(labels: "DomainLabels", host: Host, actor: Actor) -> DomainLabel | None:
    """The label of the domain's files: the domain's own, else that of all domains, else that of whoever is asked about."""
    if host.daemon is not None and host.daemon.is_session:
        return None
    dac = labels.of("dac")
    label = dac.label if dac is not None and dac.label else _default_label(host)[0]
    who = actor.identity
    return DomainLabel("dac", label or f"+{who.uid}:+{who.gid}", dac.relabel if dac is not None else True)


def confinement(labels: "DomainLabels | None", host: Host) -> Confinement:
    """What security modules hold the domain's QEMU to, where this host enforces them and libvirt was not told to leave them out."""
    from diskchain.access.security.apparmor_profile import apparmor_enabled, read_profile
    from diskchain.access.security.selinux import enforcing

    driver = host.settings.security_driver
    if labels is None or (driver is not None and driver.value in ("none", ("none",))):
        return UNCONFINED
    profile = read_profile(labels.uuid) if labels.uuid and labels.running and apparmor_enabled() else None
    selinux = labels.of("selinux")
    return Confinement(profile, selinux.imagelabel if selinux is not None and enforcing() else None)
