"""The one pipeline from names to examined chains: every verb and the library go through it, so that they cannot disagree.

discover each disk of each target → relations between all chains seen together → examination of each chain → what its domain makes
of it. What is said of a document as a whole, and of disks that nobody can read, is kept beside the chains. Many targets, and directories
of them, are the business of :mod:`diskchain.actions.together`, which goes through the same steps.
"""

from operator import is_
from typing import TYPE_CHECKING, Final

from diskchain.actions.examined import DEFAULT, DEPTH_WARNING, DiskChain, Examined, Settings
from diskchain.actions.target import Target, TargetName, is_stream, may_be_document
from diskchain.checks.annotate import annotated
from diskchain.checks.closer import closer
from diskchain.checks.consistency import examine
from diskchain.discover import BackingChain, Discoverer, Layer
from diskchain.errors import DiskchainError
from diskchain.findings import Severity, about
from diskchain.storage.location import file_location, local_path
from diskchain.storage.reference.value import is_file_name
from diskchain.storage.source import UNKNOWN, Source
from diskchain.storage.terms import Format, StorageType
from diskchain.system.paths import absolute_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    from diskchain.actions.cures import Cures
    from diskchain.actions.read_document import TargetDocument
    from diskchain.checks.consistency import Quiet
    from diskchain.checks.relations import FileIdentity, Relations, Use
    from diskchain.discover.partial_layer import OpenElsewhere, PartialLayer
    from diskchain.findings import Finding
    from diskchain.readers.open import Image

__all__ = [
    "DEFAULT",
    "DEPTH_WARNING",
    "DiskChain",
    "Examined",
    "Run",
    "Settings",
    "examine_document",
    "examine_one",
    "examine_targets",
]

_INFO: Final = Severity.INFO  # in Python 3.11 every look-up of an enum's member costs a call
#: Said whatever the files are: what the journal holds is not known.
_OF_ALL: Final = "journal-unusable"


def examine_one(target: TargetName, settings: Settings) -> Examined:
    """A target by itself. Raises what keeps us from reading it: StorageError, UsageError, XmlError, PeerError."""
    found = Run(settings).one(target)
    if found.error is not None:
        raise found.error
    return found


def examine_targets(name: str, targets: "Sequence[Target]", settings: Settings) -> Examined:
    """Disks that a program has as values, under a ``name`` for people."""
    return Run(settings).targets(name, targets)


def examine_document(document: "TargetDocument", settings: Settings) -> Examined:
    """A document by itself. Raises XmlError for what is malformed or has no disks by its kind."""
    return Run(settings).document(document)


class Run:
    """One walk through targets: what was read for one is not read again for the next."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.shared = self._new_discoverer(None)
        self._cures: Cures | None = None
        #: Paths of targets that were read as raw and begin as documents do.
        self._perhaps_documents: set[str | None] = set()
        #: What is wrong with the rights on a host's files, by connection, until it was said.
        self._rights: dict[str, list[Finding]] = {}

    def one(self, name: TargetName) -> Examined:
        """A target by itself."""
        top = self.top(name)
        looked = self.look(name, None if top is None else (top, self.shared.discover(top, probe=True)))
        return self._by_itself(looked, name.connect)

    def _by_itself(self, looked: Examined, connect: str | None = None) -> Examined:
        if not any(disk.target.attached for disk in looked.disks):
            return self.judged(looked, {}, {}, connect)
        from diskchain.checks.relations import Relations

        relations = Relations()
        relate(relations, looked, several=False)
        return self.judged(looked, relations.uses(), {}, connect)

    def judged(
        self, looked: Examined, used: "dict[FileIdentity, Use]", quiet: "Quiet", connect: str | None = None
    ) -> Examined:
        """A target that was looked at, with all there is to say. ``quiet``: of all that are judged with the same ``used``.

        ``connect``: the URI of the connection whose domain it is.
        """
        target = self._all_judged(looked, used, quiet)
        view = target.view
        if connect is not None and view is not None and self.settings.rights:
            from diskchain.actions.secret_findings import with_secrets

            try:
                target = target.with_parts(with_secrets(connect, target.disks), target.said)
                if view.document.host is None:
                    target = target.with_parts(target.disks, target.said + self.rights(connect, target.disks))
            except DiskchainError as error:
                return Examined(target.name, error=error)
        target = self._at_hand(target)
        if self.settings.places is None and not self.settings.evidence:
            return target
        from diskchain.actions.evidence import of_another_host

        return of_another_host(target, self.settings)

    def _all_judged(self, target: Examined, used: "dict[FileIdentity, Use]", quiet: "Quiet") -> Examined:
        disks = tuple([self._judged(disk, used, quiet, target) for disk in target.disks])
        return target if all(map(is_, disks, target.disks)) else target.with_parts(disks, target.said)

    def _at_hand(self, target: Examined) -> Examined:
        """``target`` with what is said of libvirt and QEMU as it holds for the versions at hand, where those are known."""
        versions = target.versions or self.settings.versions
        if versions is None:
            return target
        from functools import partial

        from diskchain.behaviours import for_versions
        from diskchain.checks.annotate import rewritten

        word = partial(for_versions, versions=versions)
        disks = tuple(disk._replace(whole=rewritten(disk.whole, word)) for disk in target.disks)
        return target.with_parts(disks, tuple(map(word, target.said)))

    def top(self, name: TargetName) -> Source | None:
        """The target as an image whose format is to be looked for; None for what can be none, and where the one opening is not enough."""
        if not name.name or name.connect is not None or name.format is not None or is_stream(name.name):
            return None
        if ":" in name.name and not is_file_name(name.name):  # perhaps a URL
            return None
        if self.settings.reader is not None or self.settings.declared:
            return None
        try:
            top = Source(file_location(absolute_path(name.name)))
        except DiskchainError:
            return None
        if self.settings.places is not None:
            self._keep(top)
        return top

    def _keep(self, top: Source) -> None:
        """Let an image that a user named be that of this host; one below where another host's paths lie is confined as what it names is."""
        places, path = self.settings.places, local_path(top.location)
        if places is not None and path is not None and places.here(path) != path:
            places.keep(path)

    def _judged(self, disk: DiskChain, used: "dict[FileIdentity, Use]", quiet: "Quiet", of: Examined) -> DiskChain:
        """``disk`` of a target with what its chain says once all of it is known, what its domain makes of that, and what would mend it."""
        settings, target = self.settings, disk.target
        found = examine(disk.whole, depth_warning=settings.depth_warning, used=used, quiet=quiet)
        chain = annotated(disk.whole, found) if found else disk.whole
        if disk.headers is not None:
            from diskchain.checks.declared import declared_findings

            chain = annotated(chain, declared_findings(chain, self._discoverer([target]).discover))
        if target.attached:
            from diskchain.actions.domain_findings import as_attached

            chain = as_attached(target, chain)
        if settings.places is None and target.host is None and _has_cures(chain):
            chain = self._with_cures(target, chain, None if of.view is None else of.view.document)
        return disk if chain is disk.whole else disk._replace(whole=chain)

    def _with_cures(self, target: Target, chain: BackingChain, document: "TargetDocument | None") -> BackingChain:
        settings = self.settings
        if self._cures is None:
            from diskchain.actions.cures import Cures

            self._cures = Cures(policy=settings.policy, search=settings.search, seconds=settings.timeout)
        elsewhere = None if settings.reader is None else settings.reader.of([target])
        return self._cures.of(target, chain, elsewhere, document)

    def look(self, name: TargetName, walked: "tuple[Source, BackingChain] | None" = None) -> Examined:
        """A target as it is by itself. ``walked``: what :meth:`top` said, and the chain of that, if it said something."""
        try:
            if walked is not None and self._is_image(*walked):
                source, chain = walked
                disks = (DiskChain(Target(name.name, source, probe=True), chain, places=self.settings.places),)
                return Examined(name.name, disks, found_in=name.found_in)
            from diskchain.actions.read_document import document_of

            document = document_of(name)
            if document is not None:
                return self._document(document, name.found_in)
            from diskchain.actions.image_target import image_target

            target = image_target(name)
            self._keep(target.source)
            disk = self._discovered(target, self._discoverer([target]))
            return Examined(target.name, (disk,), found_in=name.found_in)
        except DiskchainError as error:
            if name.found_in is None:
                return Examined(name.name, error=error)
            from diskchain.discover.messages import unreadable_target

            return Examined(name.name, said=(unreadable_target(name.name, error),), found_in=name.found_in)

    def rights(self, uri: str, disks: "tuple[DiskChain, ...] | None" = None) -> "tuple[Finding, ...]":
        """What is wrong with the rights on files of ``disks``, None: of anybody, for the domains of a connection; each thing once."""
        from diskchain.actions.rights_audit import rights_findings

        if uri not in self._rights:
            # A file of two disks comes up twice.
            self._rights[uri] = [*dict.fromkeys(rights_findings(uri, seconds=self.settings.timeout))]
        left = self._rights[uri]
        files = None if disks is None else {path for disk in disks for path in disk.files}
        said = [each for each in left if files is None or each.file in files or each.id == _OF_ALL]
        self._rights[uri] = [each for each in left if each not in said]
        return tuple(_of_layer(each, disks or ()) for each in said)

    def _is_image(self, top: Source, chain: BackingChain) -> bool:
        """Whether the walk saw a file that is an image; else it is looked at anew."""
        header, facts = chain.top.header, chain.top.facts
        if header is None or facts is None or facts.type is not StorageType.FILE:
            return False
        return header.format is not Format.RAW or local_path(top.location) not in self._perhaps_documents

    def targets(self, name: str, targets: "Sequence[Target]") -> Examined:
        """The chains of these disks, examined together."""
        discoverer = self._discoverer(targets)
        looked = Examined(name, tuple(self._discovered(target, discoverer) for target in targets))
        return self._by_itself(looked)

    def document(self, document: "TargetDocument") -> Examined:
        """A document and the chains of its disks, examined together."""
        return self._by_itself(self._document(document))

    def _document(self, document: "TargetDocument", found_in: str | None = None) -> Examined:
        from diskchain.actions.document import read_view

        view = read_view(document, self.settings)
        discoverer = self._discoverer(view.targets)
        disks = [self._discovered(target, discoverer) for target in view.targets]
        said = view.said
        if view.is_plan:
            from diskchain.actions.document import without_overlays_to_be

            disks, more = without_overlays_to_be(document.origin, disks)
            said += more
        return Examined(document.origin, tuple(disks), said, view, versions=document.versions, found_in=found_in)

    def _discoverer(self, targets: "Sequence[Target]") -> Discoverer:
        """Nobody logs in anywhere without a reader, so one will do for all, and reads a shared base once."""
        settings = self.settings
        if settings.reader is None:
            return self.shared
        return self._new_discoverer(settings.reader.of(targets))

    def _new_discoverer(self, elsewhere: "OpenElsewhere | None") -> Discoverer:
        settings = self.settings
        return Discoverer(
            settings.policy, elsewhere, seconds=settings.timeout, closer=self._look_closer, places=settings.places
        )

    def _look_closer(self, step: "PartialLayer", image: "Image") -> None:
        """What a discoverer shows each image to, while it is open."""
        if step.format is Format.RAW and step.above is None and may_be_document(image.head, step.name):
            self._perhaps_documents.add(local_path(step.source.location))
        closer(step, image)

    def _discovered(self, target: Target, discoverer: Discoverer) -> DiskChain:
        declared = self.settings.declared
        whole = chain_of(discoverer, target, declared=declared)
        source = target.source
        if not target.attached or target.host is not None or declared:
            return DiskChain(target, whole, places=self.settings.places)
        if source.backing is UNKNOWN and source.data_file is None:
            return DiskChain(target, whole, places=self.settings.places)
        from diskchain.checks.compare import undeclared

        headers = discoverer.discover(undeclared(source))
        return DiskChain(target, whole, headers=headers, places=self.settings.places)


def _of_layer(found: "Finding", disks: "Sequence[DiskChain]") -> "Finding":
    """``found``, which is about a file, with the first disk and layer of ``disks`` that have it."""
    for disk in disks:
        layer = disk.layer_with(found.file)
        if layer is not None:
            return about(found, disk.name, layer)
    return found


def _has_cures(chain: BackingChain) -> bool:
    """Whether something may be to be done about a layer, or said of it after a closer look."""
    layer: Layer | None = chain.top
    while layer is not None:
        _, below, _, _, _, findings, data_file, extents = layer
        if findings and any(map(_has_cure, findings)):
            return True
        if data_file is not None or extents:
            return any(map(_has_cure, chain.findings))
        layer = below
    return False


def _has_cure(found: "Finding") -> bool:
    return found[1] is not _INFO or found.id == "format-mismatch"


def chain_of(discoverer: Discoverer, target: Target, *, declared: bool = False) -> BackingChain:
    """The chain of one target; only as ``declared`` when that is wanted, or when its files are on another host."""
    if target.host is None and not declared:
        return discoverer.discover(target.source, probe=target.probe)
    from diskchain.discover.declared import chain_elsewhere, declared_chain

    return declared_chain(target.source) if target.host is None else chain_elsewhere(target.source, target.host)


def relate(relations: "Relations", target: Examined, *, several: bool) -> None:
    """Let ``relations`` know what the guest of ``target`` may write to, and what it relies on. ``several``: there are other targets."""
    from diskchain.checks.relations import Attached

    for disk in target.disks:
        if disk.target.attached and disk.target.host is None:
            name = f"{disk.name} of {target.name}" if several else disk.name
            relations.add(Attached(name, disk.whole, _guest(target), disk.name))


def _guest(target: Examined) -> str:
    """Which guest a target is about: two documents may be about one."""
    return (target.view.guest if target.view is not None else None) or target.name
