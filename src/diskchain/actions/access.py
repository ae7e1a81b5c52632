"""Whether a domain, or anybody, may do something with the files of a target: the question as a value, and its answer.

Whose access it is, what confines that process, what libvirt will have changed by then. Prints nothing.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from diskchain.access.actor import Actor, Origin
from diskchain.access.assess import survey
from diskchain.access.grants.journal_schema import Hold
from diskchain.access.grants.trust import BY_USER, By, Named
from diskchain.access.judge import UNCONFINED, Confinement, FileAccess
from diskchain.access.kernel.identity import Identity, identify
from diskchain.access.security.libvirt_labels import DomainLabel
from diskchain.access.security.relabelled import Adjust, as_it_is, as_relabelled, owners_by_libvirt
from diskchain.access.security.saved_labels import boot_times
from diskchain.actions.actor import Acting, Host, acting_for, host_of
from diskchain.actions.chains import chain_of
from diskchain.actions.operation import START, Wanted
from diskchain.actions.target import Target, TargetDocument, image_target
from diskchain.discover.chain import BackingChain
from diskchain.errors import UsageError
from diskchain.readers.policy import LIBVIRT, OpenPolicy
from diskchain.storage.operation import Operation
from diskchain.storage.source import Source
from diskchain.system.deadline import DEFAULT_DEADLINE

if TYPE_CHECKING:
    from diskchain.libvirtxml.documents.domain_labels import DomainLabels


@dataclass(frozen=True, slots=True)
class Settings:
    """How the files are looked at. ``policy``: what a header may make us look at; ``seconds``: what a file has for each answer."""

    policy: OpenPolicy = LIBVIRT
    seconds: float = DEFAULT_DEADLINE


_BY_DEFAULT: Final = Settings()


@dataclass(frozen=True, slots=True)
class Subject:
    """One disk to judge: what was ``found`` of it, and the chain of that."""

    name: str
    found: BackingChain
    operation: Operation

    @property
    def chain(self) -> Source:
        """The chain as it is known."""
        return self.found.source

    @property
    def complete(self) -> bool:
        """Whether it is known to its end."""
        return self.found.complete


@dataclass(frozen=True, slots=True)
class Question:
    """Everything about a question for access.

    ``domain`` is the label libvirt gives the domain's files, None where libvirt has no hand in it. ``process``: the
    domain's running QEMU. ``seconds``: what a file has for each answer. ``target`` names it all for people and for the journal;
    ``declared_by``: what names the disks, and the layers that are declared.
    """

    target: str
    subjects: tuple[Subject, ...]
    actor: Actor
    confined: Confinement = UNCONFINED
    domain: DomainLabel | None = None
    running: bool = False
    process: int | None = None
    seconds: float = DEFAULT_DEADLINE
    declared_by: Named = BY_USER

    @property
    def who(self) -> Identity:
        """The user whose access is asked for."""
        return self.actor.identity

    def answer(self, subject: Subject, *, without: Iterable[Hold] = ()) -> tuple[FileAccess, ...]:
        """The judgement for one disk. ``without``: granted rights that are not to be leaned on."""
        return survey(
            subject.chain,
            subject.operation,
            self.actor,
            self.confined,
            ignore=frozenset() if self.process is None else frozenset({self.process}),
            without=without,
            adjust=self._adjust(subject),
            seconds=self.seconds,
            process=self.process if self.actor.origin is Origin.PROCESS else None,
        )

    def _adjust(self, subject: Subject) -> Adjust:
        libvirtd = self.actor.libvirtd
        if self.domain is None or libvirtd is None:
            return as_it_is
        owners = owners_by_libvirt(subject.chain, subject.operation, self.domain, running=self.running)
        return as_relabelled(owners, libvirtd, boot_times())


def ask_about_image(
    name: str,
    format: str | None,
    who: str | None,
    wanted: Wanted = START,
    *,
    capabilities: bool | None = None,
    settings: Settings = _BY_DEFAULT,
) -> Question:
    """The question about one image, with no libvirt involved. Raises UsageError without ``who``, StorageError."""
    found = image_target(name, format, settings.seconds)
    if who is None:
        raise UsageError("whose access? Say --as USER[:GROUP], or name a domain with -c")
    actor = Actor(identify(who, capabilities=capabilities), Origin.ASKED, "--as")
    return Question(name, _subjects([found], wanted, settings), actor, seconds=settings.seconds)


def ask_about_document(  # noqa: PLR0913 - what is asked, and ways to ask it differently
    document: TargetDocument,
    origin: str,
    wanted: Wanted = START,
    *,
    connect: str | None = None,
    disk: str | None = None,
    who: str | None = None,
    capabilities: bool | None = None,
    as_is: bool = False,
    settings: Settings = _BY_DEFAULT,
) -> Question:
    """The question about a domain. ``connect``: the connection it is from. ``as_is``: as if libvirt gave no file away.

    Raises UsageError when the files are on another host or nobody can tell whose access it is, XmlError, PeerError.
    """
    from diskchain.actions.document import document_targets
    from diskchain.libvirtxml.documents.domain_labels import parse_domain_labels

    if document.host is not None:
        raise UsageError(f"the files are on {document.host}; run diskchain there")
    found = document_targets(document.text, origin)
    labels = parse_domain_labels(document.text, origin=origin)
    host = _host(connect)
    if labels is None:
        if who is None:
            raise UsageError("whose access? Say --as USER[:GROUP]: the document has no domain")
        acting = Acting(Actor(identify(who, capabilities=capabilities), Origin.ASKED, "--as"), None)
    else:
        acting = acting_for(labels, host, who=who, capabilities=capabilities)
    name = origin if labels is None or not labels.name else labels.name
    return Question(
        target=name if disk is None else f"{name} {disk}",
        subjects=_subjects(_chosen(found, disk, wanted), wanted, settings),
        actor=acting.actor,
        confined=confinement(labels, host),
        domain=None if as_is else acting.domain,
        running=labels is not None and labels.running,
        process=acting.process,
        seconds=settings.seconds,
        declared_by=Named(By.DOCUMENT if connect is None else By.DOMAIN, origin),
    )


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


def _host(connect: str | None) -> Host:
    if connect is None:
        return Host()
    from diskchain.hypervisor.connection import Connection

    with Connection(connect) as connection:
        return host_of(connection)


def _chosen(found: Sequence[Target], disk: str | None, wanted: Wanted) -> list[Target]:
    known = ", ".join(target.name for target in found) or "none"
    chosen = [target for target in found if disk in (None, target.name)]
    if disk is not None and not chosen:
        raise UsageError(f"no disk is called {disk}; the disks are: {known}")
    if len(chosen) > 1 and wanted.kind != "start":
        raise UsageError(f"--for {wanted.kind} is about one disk; say which with -d: {known}")
    return chosen


def _subjects(targets: Sequence[Target], wanted: Wanted, settings: Settings) -> tuple[Subject, ...]:
    from diskchain.discover import Discoverer

    discoverer = Discoverer(settings.policy, seconds=settings.seconds)
    chains = [(target.name, chain_of(discoverer, target)) for target in targets]
    return tuple(Subject(name, chain, wanted.on(chain.source, settings.seconds)) for name, chain in chains)
