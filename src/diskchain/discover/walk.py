"""Follow a chain from its top, by libvirt's safety rules, and say what is wrong instead of stopping at it.

Source: libvirt 11.3.0 ``qemuDomainDetermineDiskChain`` and ``virStorageSourceGetMetadata``:

* a declared format is never doubted; a top image without one is raw;
* layers and ends a user declared are taken as they are; detection goes on only below the last of them;
* a backing image whose format its overlay does not record is probed, and used only if it has no backing file of its own;
* a chain has at most 200 layers. libvirt finds loops by that limit alone; we find them by file identity.

Walks in whatever thread it is called by, and notes how far it has got; that it could take without end is for
:mod:`diskchain.discover.discoverer` to know.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from diskchain.discover import messages as notes
from diskchain.discover.cache import Tails
from diskchain.discover.chain import BackingChain, Layer, Origin, layer_of
from diskchain.discover.layer_reader import looks_like, read_layer
from diskchain.discover.partial_layer import Closer, OpenElsewhere, PartialLayer
from diskchain.discover.resolve import NO_FORMAT, RECORDED_FORMATS, CredentialsInside, referenced_source
from diskchain.errors import AmbiguousImage, PolicyRefusal, ReferenceSyntaxError
from diskchain.findings import Finding
from diskchain.image.header import ImageHeader
from diskchain.readers.file_facts import ImageFacts
from diskchain.readers.policy import OpenPolicy, refusal
from diskchain.storage.location import DirLocation, FileLocation, local_path
from diskchain.storage.source import DETECTED_TERMINATOR, UNKNOWN, Source, Terminator, with_backing
from diskchain.storage.terms import BACKING_FORMATS, Format, StorageType, Unknown

if TYPE_CHECKING:
    from diskchain.readers.places import Places

_RECORDED: Final = Origin.RECORDED
_DECLARED: Final = Origin.DECLARED
_PROBED: Final = Origin.PROBED
_ASSUMED: Final = Origin.ASSUMED
_RAW: Final = Format.RAW


class Walker:
    """Walks chains, and remembers detected tails: a base shared by a thousand overlays is read once.

    ``policy`` says what a header may make us open; ``elsewhere`` opens what is on another host, which without it is not looked at.
    ``top``: where the walk began; ``seen``: the layers it has been through, top first; ``step``: what it reads, or has just read;
    ``image``: the layer that names that, if it is no layer itself. ``closer`` sees each image that could be read. ``places``: where another
    host's paths lie here, for :func:`diskchain.discover.mapped.read_mapped`.
    """

    def __init__(
        self,
        policy: OpenPolicy,
        elsewhere: OpenElsewhere | None,
        before: "Walker | None" = None,
        closer: Closer | None = None,
        places: "Places | None" = None,
    ) -> None:
        """``before``: one whose memory to start with. It may go on: what it is held up by may answer yet."""
        self.places = places
        self.policy = policy
        self.elsewhere = elsewhere
        self.read: Callable[..., None] = read_layer
        self.closer = closer
        self.guard = None if policy.open else policy
        self.top: Source | None = None
        self.seen: list[PartialLayer] = []
        self.step: PartialLayer | None = None
        self.image: PartialLayer | None = None
        #: The path that the header of ``step`` names, while the policy asks where it leads.
        self.resolving: str | None = None
        self._depth = policy.depth
        self.tails: Tails = Tails(before.tails if before is not None else ())
        #: Without directories of its own, a policy asks what lies below that of the top: then tails belong to one top. And what was
        #: declared may be remembered for whoever names it, if it is a file: unless none may be named.
        self._remembers = policy.directories != () and (policy.types is None or StorageType.FILE in policy.types)
        #: Inodes of all files met so far.
        self.met: set[int] = set(before.met if before is not None else ())

    @property
    def files_met(self) -> int:
        """How many files were read."""
        return len(self.met)

    def discover(self, top: Source, *, probe: bool = False) -> BackingChain:
        """The chain of ``top``, complete up to the first fault, which is a finding of a layer. Never raises.

        ``probe`` guesses the format of a top image that declares none; without it such an image is raw.
        """
        known = self.tails.find(top, self._depth)
        return BackingChain(known[1]) if known is not None else self._walk(top, probe=probe)

    def _walk(self, top: Source, *, probe: bool) -> BackingChain:
        seen: list[PartialLayer] = []
        self.top, self.seen = top, seen
        fresh = True  # no file of this chain was met before, so none can be in a tail that is remembered
        above: PartialLayer | None = None
        source = top
        while True:
            format = source.format
            try:
                if format is None:
                    step = self._read_undeclared(source, above, probe=probe)
                else:
                    origin = _RECORDED if source.detected else _DECLARED
                    self.step = step = PartialLayer(source, format, origin, above)
                    self.read(step, self.elsewhere, self.guard, self.closer)
            except PolicyRefusal as error:
                return self.chain(seen, None, seen[-1].stop(_refused(source, seen[-1], error)))
            header, facts = step.header, step.facts
            if header is not None and (header.data_file is not None or source.data_file is not None or header.extents):
                self._follow_parts(step, header)
            if facts is not None and (inode := facts.inode) is not None:
                if inode in self.met:
                    fresh = False
                    position = _position(facts, seen)
                    if position is not None:
                        end = seen[-1].stop(notes.loop(step.name, seen[-1].name, position))
                        return self.chain(seen, None, end)
                else:
                    self.met.add(inode)
            seen.append(step)
            below = self._below(step)
            if not isinstance(below, Source):
                return self.chain(seen, None, below)
            known = self.tails.find(below, self._depth - len(seen))
            if known is not None and (fresh or not _is_loop(seen, known[1])):
                return self.chain(seen, known[1], known[1].source, known[2])
            if len(seen) >= self._depth:
                return self.chain(seen, None, step.stop(notes.too_deep(step.name, len(seen), self.policy.name)))
            source, above = below, step

    def _look_at(
        self, source: Source, format: Format | None, origin: Origin, above: PartialLayer | None, *, headed: bool = True
    ) -> PartialLayer:
        """Read ``source``, which ``above`` names. Raises PolicyRefusal."""
        self.step = step = PartialLayer(source, format, origin, above)
        self.read(step, self.elsewhere, self.guard, self.closer, headed=headed)
        return step

    def _read_undeclared(self, source: Source, above: PartialLayer | None, *, probe: bool) -> PartialLayer:
        """Open ``source``, which nobody said the format of, and say what was guessed about it."""
        if above is None and not probe and not isinstance(source.location, DirLocation):
            step = self._look_at(source._replace(format=_RAW), _RAW, Origin.ASSUMED, above)
            self._note_assumption(step)
        else:
            step = self._look_at(source, None, _PROBED, above)
            if step.header is not None and step.format is not None:
                self._note_guess(step, step.header, step.format)
        return step

    def _note_assumption(self, seen: PartialLayer) -> None:
        path = seen.path
        try:
            guess = None if seen.header is None or path is None else looks_like(path, self.policy.probing)
        except AmbiguousImage as error:
            seen.note(notes.ambiguous(seen.name, error.problem))
            return
        if guess is not None and guess is not Format.RAW:
            seen.note(notes.assumed_raw(seen.name, guess))

    def _note_guess(self, seen: PartialLayer, header: ImageHeader, format: Format) -> None:
        above = seen.above
        if above is None:
            seen.note(notes.top_probed(seen.name, format))
            return
        from diskchain.discover.fixes import has_room_for, record_format

        fix = record_format(above.name, above.header, format)
        # libvirt's AUTO_SAFE: a QED may rely on probing
        if header.backing is not None and above.format is not Format.QED:
            seen.stop(notes.unrecorded_with_backing(seen.name, above.name, format, fix))
        else:
            seen.note(notes.unrecorded(seen.name, above.name, format, fix, room=has_room_for(above.format, format)))

    def _below(self, seen: PartialLayer) -> Source | Terminator | Unknown:
        """What is below a layer: as declared, else as its header says, else what a fault leaves, which is unknown."""
        declared, header = seen.source.backing, seen.header
        named = header.backing if header is not None and seen.format in BACKING_FORMATS else None
        if declared is not UNKNOWN:
            if named is not None and isinstance(declared, Terminator):
                seen.note(notes.terminated_early(seen.name, named.text))
            return declared
        if seen.fault:
            return UNKNOWN
        if named is None:
            return DETECTED_TERMINATOR
        recorded = None if named.implied else named.format  # libvirt does not take a format for granted
        if recorded is None and not self.policy.unrecorded:
            rule = f"policy {self.policy.name} follows no reference without a recorded format"
            return seen.stop(notes.refused(named.text, seen.name, rule))
        return self._referenced(seen, named.text, recorded, "backing file name")

    def _referenced(self, seen: PartialLayer, text: str, format_name: str | None, what: str) -> Source | Unknown:
        format = None if format_name is None else RECORDED_FORMATS.get(format_name, _RAW)
        try:
            child = referenced_source(seen.source, text, format)
        except ReferenceSyntaxError as error:
            return seen.stop(_not_understood(seen.name, what, text, error))
        except CredentialsInside:
            return seen.stop(notes.credentials(seen.name))
        if ":" in text:
            self._note_claims(seen, text, child, what)
        if self.guard is not None:
            self.resolving = local_path(child.location)
            rule = self._rule_against(seen, self._here(child), format)
            self.resolving = None
            if rule is not None:
                return seen.stop(notes.refused(text, seen.name, rule))
        if format_name == NO_FORMAT:
            seen.note(notes.no_format(seen.name))
        elif format is _RAW and format_name != "raw":
            seen.note(notes.unknown_format_name(seen.name, format_name or "", known=format_name in RECORDED_FORMATS))
        return child

    @staticmethod
    def _note_claims(seen: PartialLayer, text: str, child: Source, what: str) -> None:
        """Say it when a string in a header is about whom to trust."""
        from diskchain.storage.reference.trust import claims, weakened

        claimed = claims(text)
        if claimed:
            seen.note(notes.trust_in_header(seen.name, what, claimed, handed_on=weakened(child.location)))

    def _here(self, child: Source) -> Source:
        """``child`` where it lies on this host."""
        path = local_path(child.location)
        return (
            child
            if self.places is None or path is None
            else child._replace(location=FileLocation(self.places.here(path)))
        )

    def _rule_against(self, seen: PartialLayer, child: Source, format: Format | None) -> str | None:
        """Why the policy does not let ``child`` be followed, which ``seen`` names; None when it does."""
        policy = self.policy
        if seen.origin is Origin.PROBED and seen.asked.detected and policy.probing == "untrusted":
            return f"policy {policy.name} follows nothing that an image names whose own format is not recorded"
        return refusal(policy, child.location, format, seen.home)

    def _follow_parts(self, image: PartialLayer, header: ImageHeader) -> None:
        """Look at the further files an image is kept in."""
        self.image = image
        if header.data_file is not None or image.source.data_file is not None:
            self._follow_data_file(image, header.data_file)
        if header.extents:
            self._follow_extents(image)
        self.image = None

    def _follow_data_file(self, image: PartialLayer, name: str | None) -> None:
        from diskchain.discover.data_file import follow_data_file

        def look_at(source: Source, format: Format, origin: Origin, headed: bool) -> PartialLayer | None:  # noqa: FBT001
            return self._look_at_part(image, source, format, origin, image, headed=headed)

        follow_data_file(image, name, lambda text: self._referenced(image, text, "raw", "data file name"), look_at)

    def _follow_extents(self, image: PartialLayer) -> None:
        from diskchain.discover.extents import follow_extents

        def refer(name: str, format: Format) -> Source | Unknown:
            return self._referenced(image, name, str(format), "extent name")

        def look_at(source: Source, above: PartialLayer) -> PartialLayer | None:
            return self._look_at_part(image, source, source.format, _RECORDED, above, headed=source.format is not _RAW)

        image.extents = follow_extents(image, refer, look_at)
        if image.extents:
            image.source = image.source._replace(extents=tuple(extent.source for extent in image.extents))

    def _look_at_part(  # what a layer is read by
        self,
        image: PartialLayer,
        source: Source,
        format: Format | None,
        origin: Origin,
        above: PartialLayer,
        *,
        headed: bool,
    ) -> PartialLayer | None:
        """A file of ``image``; None: it was refused, which ``image`` says."""
        try:
            return self._look_at(source, format, origin, above, headed=headed)
        except PolicyRefusal as error:
            image.stop(_refused(source, image, error))
            return None

    def chain(
        self, seen: list[PartialLayer], layer: Layer | None, below: Source | Terminator | Unknown, size: int = 0
    ) -> BackingChain:
        """Tie the layers of ``seen`` together from the bottom up, over ``layer`` or an end, and remember what may be shared."""
        remembered = (layer is not None or below is DETECTED_TERMINATOR) and self._remembers
        for step in reversed(seen):
            source, origin = step.source, step.origin
            below = with_backing(source, below)
            layer = layer_of(below, layer, origin, step.header, step.facts, step.findings, step.data_file, step.extents)
            size += 1
            remembered = remembered and source.backing is UNKNOWN
            if not remembered or origin is _ASSUMED:
                continue
            if origin is not _PROBED:
                self.tails[source.location[0]] = None if step.asked is source else step.asked, layer, size
            elif step.above is None and _is_settled(step):  # what is guessed of a backing file depends on who names it
                self.tails[source.location[0]] = None, layer, size
        return BackingChain(layer)  # type: ignore[arg-type] # seen is never empty


def _is_settled(step: PartialLayer) -> bool:
    """Whether reading it told nothing that no document says but its format."""
    source, asked = step.source, step.asked
    return (
        source.encryption is asked.encryption
        and source.data_file is asked.data_file
        and source.extents is asked.extents
        and source.location is asked.location
    )


def _not_understood(name: str, what: str, text: str, error: ReferenceSyntaxError) -> Finding:
    """A ``text`` in the header of ``name`` that libvirt cannot follow; another program or system may."""
    from diskchain.storage.reference.foreign_name import foreign_name

    foreign = foreign_name(text)
    if foreign is not None:
        return notes.foreign_reference(name, what, text, foreign.opens)
    return notes.bad_reference(name, what, error.problem)


def _refused(source: Source, above: PartialLayer, error: PolicyRefusal) -> Finding:
    """What ``above`` names is not what the policy allows, as only the file itself told."""
    return notes.refused(source.reference or "", above.name, error.rule)


def _position(facts: ImageFacts, seen: list[PartialLayer]) -> int | None:
    """Where in ``seen`` the file with these ``facts`` is."""
    for position, step in enumerate(seen):
        if step.facts is not None and step.facts.identity == facts.identity:
            return position
    return None


def _is_loop(seen: list[PartialLayer], tail: Layer) -> bool:
    """Whether a file of ``seen`` is in ``tail`` too, under another name or format."""
    files = {step.facts.identity for step in seen if step.facts is not None}
    layer: Layer | None = tail
    while layer is not None:
        if layer.facts is not None and layer.facts.identity in files:
            return True
        layer = layer.below
    return False
