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
from diskchain.actions.actor import Host, acting_for, confinement, host_of
from diskchain.actions.chains import examine_one
from diskchain.actions.examined import DEFAULT, Examined, Settings
from diskchain.actions.operation import START, Wanted
from diskchain.actions.select_layer import selected
from diskchain.actions.target import TargetName
from diskchain.discover.chain import BackingChain
from diskchain.errors import UsageError, printable
from diskchain.findings import Finding
from diskchain.storage.operation import Operation, Start
from diskchain.storage.source import Source, files, layers
from diskchain.system.deadline import DEFAULT_DEADLINE

if TYPE_CHECKING:
    from diskchain.actions.document_view import DocumentView
    from diskchain.libvirtxml.documents.domain_labels import DomainLabels


@dataclass(frozen=True, slots=True)
class Subject:
    """One disk to judge: what was ``found`` of it, and the chain of that. ``first``: the position of the layer that was asked for."""

    name: str
    found: BackingChain
    operation: Operation
    first: int = 0

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
    ``declared_by``: what names the disks, and the layers that are declared. ``unread``: what is said of disks that cannot be read in the
    document, and so cannot be judged.
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
    unread: tuple[Finding, ...] = ()

    @property
    def known(self) -> bool:
        """Whether all there is to judge is known: every disk, and every chain to its end."""
        return not self.unread and all(subject.complete for subject in self.subjects)

    @property
    def who(self) -> Identity:
        """The user whose access is asked for."""
        return self.actor.identity

    def answer(self, subject: Subject, *, without: Iterable[Hold] = ()) -> tuple[FileAccess, ...]:
        """The judgement for one disk. ``without``: granted rights that are not to be leaned on."""
        every = survey(
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
        if not subject.first:
            return every
        asked = {file.location for layer in [*layers(subject.chain)][subject.first :] for file in files(layer)}
        return tuple(each for each in every if each.need.source.location in asked)

    def _adjust(self, subject: Subject) -> Adjust:
        libvirtd = self.actor.libvirtd
        if self.domain is None or libvirtd is None:
            return as_it_is
        owners = owners_by_libvirt(subject.chain, subject.operation, self.domain, running=self.running)
        return as_relabelled(owners, libvirtd, boot_times())


@dataclass(frozen=True, slots=True)
class Who:
    """Whose access is meant. ``name``: ``USER[:GROUP]``, None: the user libvirt runs the domain's QEMU as.

    ``capabilities``: whether the process keeps root's; None: root does, except a domain's QEMU. ``as_is``: as if libvirt gave no
    file away.
    """

    name: str | None = None
    capabilities: bool | None = None
    as_is: bool = False


ITS_USER: Final = Who()


def ask(
    name: TargetName,
    wanted: Wanted = START,
    disks: Sequence[str] = (),
    who: Who = ITS_USER,
    settings: Settings = DEFAULT,
) -> Question:
    """The question about the disks and layers of a target that ``disks`` names, all disks for none.

    Raises UsageError when the files are on another host, when nobody can tell whose access it is, or when an operation is about one
    disk and there are several; LayerNotFound, StorageError, XmlError, PeerError.
    """
    target = examine_one(name, settings._replace(rights=False))
    view = target.view
    if view is not None and view.document.host is not None:
        raise UsageError(f"the files are on {printable(view.document.host)}; run diskchain there")
    chosen = selected(target, disks, settings.timeout)
    labels = None if view is None else parse_labels(view)
    subjects = _subjects(target, chosen, wanted, settings, labels)
    unread = tuple(found for found in chosen.said if found.id == "document" and (not disks or found.disk is not None))
    if view is None or labels is None:
        actor = _named(who, "name a domain with -c" if view is None else "the document has no domain")
        declared_by = BY_USER if view is None else Named(By.DOCUMENT, name.name)
        return Question(
            _called(name.name, disks),
            subjects,
            actor,
            seconds=settings.timeout,
            declared_by=declared_by,
            unread=unread,
        )
    host = _host(name.connect)
    acting = acting_for(labels, host, who=who.name, capabilities=who.capabilities)
    return Question(
        target=_called(labels.name or name.name, disks),
        subjects=subjects,
        actor=acting.actor,
        confined=confinement(labels, host),
        domain=None if who.as_is else acting.domain,
        running=labels.running,
        process=acting.process,
        seconds=settings.timeout,
        declared_by=Named(By.DOCUMENT if name.connect is None else By.DOMAIN, name.name),
        unread=unread,
    )


def parse_labels(view: "DocumentView") -> "DomainLabels | None":
    """Who the domain of a document is to the security modules; None where it has no single domain. Raises XmlError."""
    from diskchain.libvirtxml.documents.domain_labels import parse_domain_labels

    return parse_domain_labels(view.text, origin=view.document.origin)


def _named(who: Who, otherwise: str) -> Actor:
    if who.name is None:
        raise UsageError(f"whose access? Say --as USER[:GROUP]: {otherwise}")
    return Actor(identify(who.name, capabilities=who.capabilities), Origin.ASKED, "--as")


def _called(name: str, disks: Sequence[str]) -> str:
    return " ".join((name, *disks))


def _host(connect: str | None) -> Host:
    if connect is None:
        return Host()
    from diskchain.hypervisor.connection import Connection

    with Connection(connect) as connection:
        return host_of(connection)


def _subjects(
    target: Examined, chosen: Examined, wanted: Wanted, settings: Settings, labels: "DomainLabels | None"
) -> tuple[Subject, ...]:
    if len(chosen.disks) > 1 and wanted.kind != "start":
        known = ", ".join(printable(disk.name) for disk in target.disks)
        raise UsageError(f"--for {wanted.kind} is about one disk; say which with -d: {known}")
    subjects = []
    for disk in chosen.disks:
        operation = wanted.on(disk.name, disk.whole.source, settings.timeout)
        if isinstance(operation, Start) and labels is not None and not labels.running:
            operation = Start(_overlay(target, disk.name, labels.name))
        subjects.append(Subject(disk.title, disk.whole, operation, disk.first))
    return tuple(subjects)


def _overlay(target: Examined, disk: str, domain: str) -> Source | None:
    """What libvirt makes for a transient disk when the domain starts."""
    disks = target.view.disks if target.view is not None else ()
    return next((each.overlay_of(domain) for each in disks if each.target.dev == disk), None)
