"""TARGET as chains to judge: whose access is asked for, what confines that process, what libvirt will have changed."""

import argparse
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from diskchain.access.assess import survey
from diskchain.access.grants.journal_schema import Hold
from diskchain.access.grants.trust import BY_USER, By, Named
from diskchain.access.judge import UNCONFINED, Confinement, FileAccess
from diskchain.access.kernel.identity import Identity, identify
from diskchain.access.security.libvirt_labels import DomainLabel
from diskchain.access.security.relabelled import as_relabelled, owners_by_libvirt
from diskchain.actions.chains import chain_of
from diskchain.actions.target import Target, document_of, image_target
from diskchain.cli.options.access import operation_of
from diskchain.discover.chain import BackingChain
from diskchain.errors import UsageError
from diskchain.readers.policy import LIBVIRT, OpenPolicy
from diskchain.storage.operation import Operation
from diskchain.storage.source import Source
from diskchain.system.deadline import DEFAULT_DEADLINE

if TYPE_CHECKING:
    from diskchain.libvirtxml.documents.domain_labels import DomainLabels


class Subject(NamedTuple):
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


class Question(NamedTuple):
    """Everything about a command line that asks for access.

    ``domain`` is the label libvirt gives the domain's files, None where libvirt has no hand in it. ``process``: the
    domain's running QEMU. ``seconds``: what a file has for each answer. ``target`` names it all for people and for the journal;
    ``declared_by``: what names the disks, and the layers that are declared.
    """

    target: str
    subjects: tuple[Subject, ...]
    who: Identity
    confined: Confinement = UNCONFINED
    domain: DomainLabel | None = None
    running: bool = False
    process: int | None = None
    seconds: float = DEFAULT_DEADLINE
    declared_by: Named = BY_USER

    def answer(self, subject: Subject, *, without: Iterable[Hold] = ()) -> tuple[FileAccess, ...]:
        """The judgement for one disk. ``without``: granted rights that are not to be leaned on."""
        adjust = None
        if self.domain is not None:
            adjust = as_relabelled(
                owners_by_libvirt(subject.chain, subject.operation, self.domain, running=self.running)
            )
        ignore = frozenset() if self.process is None else frozenset({self.process})
        return survey(
            subject.chain,
            subject.operation,
            self.who,
            self.confined,
            ignore=ignore,
            without=without,
            adjust=adjust,
            seconds=self.seconds,
        )


def question(args: argparse.Namespace, policy: OpenPolicy = LIBVIRT) -> Question:
    """What the arguments ask; ``policy``: what a header may make us look at. Raises UsageError when it is not said whose access is meant, or the host is another."""
    document = document_of(args, args.target)
    labels = None
    found = [image_target(args.target, args.format, args.timeout)] if document is None else []
    if document is not None:
        from diskchain.actions.document import document_targets
        from diskchain.libvirtxml.documents.domain_labels import parse_domain_labels

        if document.host is not None:
            raise UsageError(f"the files are on {document.host}; run diskchain there")
        found = document_targets(document.text, args.target)
        labels = parse_domain_labels(document.text, origin=args.target)
    who, domain = _who(args, labels)
    name = args.target if labels is None or not labels.name else labels.name
    return Question(
        target=name if args.disk is None else f"{name} {args.disk}",
        subjects=_subjects(args, found, policy),
        who=who,
        confined=_confinement(labels),
        domain=domain,
        running=labels is not None and labels.running,
        process=_process(labels),
        seconds=args.timeout,
        declared_by=BY_USER if document is None else Named(By.DOMAIN if args.connect else By.DOCUMENT, args.target),
    )


def _who(args: argparse.Namespace, labels: "DomainLabels | None") -> tuple[Identity, DomainLabel | None]:
    """Whose access is asked for, and the label libvirt gives that domain's files unless they are judged as they are."""
    seclabel = None if labels is None else labels.of("dac")
    label = seclabel.label if seclabel is not None else None
    if label is None and labels is not None and args.connect is not None:
        from diskchain.hypervisor.connection import Connection

        with Connection(args.connect) as connection:
            label = connection.base_label("dac")
    named: str | None = args.who or label
    if named is None:
        raise UsageError("whose access? Say --as USER[:GROUP], or name a domain with -c")
    who = identify(named, capabilities=args.capabilities)
    if labels is None:
        return who, None
    if args.capabilities is None:
        who = replace(who, capabilities=frozenset())  # libvirt takes them from every QEMU
    relabel = seclabel.relabel if seclabel is not None else True
    domain = DomainLabel("dac", label or f"+{who.uid}:+{who.gid}", relabel)
    return who, None if args.as_is else domain


def _subjects(args: argparse.Namespace, found: list[Target], policy: OpenPolicy) -> tuple[Subject, ...]:
    from diskchain.discover import Discoverer

    known = ", ".join(target.name for target in found) or "none"
    if args.disk is not None:
        found = [target for target in found if target.name == args.disk]
        if not found:
            raise UsageError(f"no disk is called {args.disk}; the disks are: {known}")
    if len(found) > 1 and args.operation != "start":
        raise UsageError(f"--for {args.operation} is about one disk; say which with -d: {known}")
    discoverer = Discoverer(policy, seconds=args.timeout)
    subjects = []
    for target in found:
        chain = chain_of(discoverer, target)
        subjects.append(Subject(target.name, chain, operation_of(args, chain.source)))
    return tuple(subjects)


def _confinement(labels: "DomainLabels | None") -> Confinement:
    """What security modules hold the domain's QEMU to, where this host enforces them."""
    from diskchain.access.security.apparmor_profile import apparmor_enabled, read_profile
    from diskchain.access.security.selinux import enforcing

    if labels is None:
        return UNCONFINED
    profile = read_profile(labels.uuid) if labels.uuid and labels.running and apparmor_enabled() else None
    selinux = labels.of("selinux")
    return Confinement(profile, selinux.imagelabel if selinux is not None and enforcing() else None)


def _process(labels: "DomainLabels | None") -> int | None:
    from diskchain.qemu.process import qemu_process

    return qemu_process(labels.uuid) if labels is not None and labels.running and labels.uuid else None
