"""Follow a chain from its top, by libvirt's safety rules, and say what is wrong instead of stopping at it.

Source: libvirt 11.3.0 ``qemuDomainDetermineDiskChain`` and ``virStorageSourceGetMetadata``:

* a declared format is never doubted; a top image without one is raw;
* layers and ends a user declared are taken as they are; detection goes on only below the last of them;
* a backing image whose format its overlay does not record is probed, and used only if it has no backing file of its own;
* a chain has at most 200 layers. libvirt finds loops by that limit alone; we find them by file identity.
"""

from typing import Final

from diskchain.discover import messages as notes
from diskchain.discover.cache import Tails
from diskchain.discover.chain import BackingChain, Layer, Origin, layer_of
from diskchain.discover.layer_reader import Look, OpenElsewhere, look, looks_like
from diskchain.discover.resolve import NO_FORMAT, RECORDED_FORMATS, CredentialsInside, referenced_source
from diskchain.errors import AmbiguousImage, PolicyRefusal, ReferenceSyntaxError
from diskchain.findings import Finding
from diskchain.image.header import ImageHeader
from diskchain.readers.file_facts import ImageFacts
from diskchain.readers.policy import LIBVIRT, OpenPolicy, refusal
from diskchain.storage.location import DirLocation, local_path
from diskchain.storage.source import DETECTED_TERMINATOR, UNKNOWN, Source, Terminator, with_backing
from diskchain.storage.terms import BACKING_FORMATS, Format, StorageType, Unknown

_RECORDED: Final = Origin.RECORDED
_DECLARED: Final = Origin.DECLARED
_RAW: Final = Format.RAW


class Discoverer:
    """Discovers chains, and remembers detected tails: a base shared by a thousand overlays is read once.

    ``policy`` says what a header may make us open; ``elsewhere`` opens what is on another host, which without it is not looked
    at. What was read is not read again: make a new one to look afresh.
    """

    def __init__(self, policy: OpenPolicy = LIBVIRT, elsewhere: OpenElsewhere | None = None) -> None:
        self.policy = policy
        self._elsewhere = elsewhere
        self._look_at = look
        self._depth = policy.depth
        self._guard = None if policy.open else policy
        self._tails = Tails()
        #: Without directories of its own, a policy asks what lies below that of the top: then tails belong to one top. And what was
        #: declared may be remembered for whoever names it, if it is a file: unless none may be named.
        self._remembers = policy.directories != () and (policy.types is None or StorageType.FILE in policy.types)
        #: Inodes of all files met so far.
        self._met: set[int] = set()

    @property
    def files_met(self) -> int:
        """How many files were read."""
        return len(self._met)

    def discover(self, top: Source, *, probe: bool = False) -> BackingChain:
        """The chain of ``top``, complete up to the first fault, which is a finding of a layer. Never raises.

        ``probe`` guesses the format of a top image that declares none; without it such an image is raw.
        """
        known = self._tails.find(top, self._depth)
        if known is not None:
            return BackingChain(known[1])
        seen: list[Look] = []
        fresh = True  # no file of this chain was met before, so none can be in a tail that is remembered
        above: Look | None = None
        source = top
        while True:
            format = source.format
            try:
                origin = _RECORDED if source.detected else _DECLARED
                step = (
                    self._look_undeclared(source, above, probe=probe)
                    if format is None
                    else self._look_at(source, format, origin, above, self._elsewhere, self._guard)
                )
            except PolicyRefusal as error:
                return self._chain(seen, None, seen[-1].stop(_refused(source, seen[-1], error)))
            header, facts = step.header, step.facts
            if header is not None and (header.data_file is not None or source.data_file is not None or header.extents):
                self._follow_parts(step, header)
            if facts is not None and (inode := facts.inode) is not None:
                if inode in self._met:
                    fresh = False
                    position = _position(facts, seen)
                    if position is not None:
                        end = seen[-1].stop(notes.loop(step.name, seen[-1].name, position))
                        return self._chain(seen, None, end)
                else:
                    self._met.add(inode)
            seen.append(step)
            below = self._below(step)
            if not isinstance(below, Source):
                return self._chain(seen, None, below)
            known = self._tails.find(below, self._depth - len(seen))
            if known is not None and (fresh or not _is_loop(seen, known[1])):
                return self._chain(seen, known[1], known[1].source, known[2])
            if len(seen) >= self._depth:
                return self._chain(seen, None, step.stop(notes.too_deep(step.name, len(seen), self.policy.name)))
            source, above = below, step

    def _look_undeclared(self, source: Source, above: Look | None, *, probe: bool) -> Look:
        """Open ``source``, which nobody said the format of, and say what was guessed about it."""
        if above is None and not probe and not isinstance(source.location, DirLocation):
            assumed = source._replace(format=_RAW)
            seen = self._look_at(assumed, _RAW, Origin.ASSUMED, above, self._elsewhere, self._guard)
            self._note_assumption(seen)
        else:
            seen = self._look_at(source, None, Origin.PROBED, above, self._elsewhere, self._guard)
            self._note_guess(seen, above)
        return seen

    def _note_assumption(self, seen: Look) -> None:
        try:
            guess = looks_like(seen.name, self.policy.probing) if seen.header is not None else None
        except AmbiguousImage as error:
            seen.note(notes.ambiguous(seen.name, error.problem))
            return
        if guess is not None and guess is not Format.RAW:
            seen.note(notes.assumed_raw(seen.name, guess))

    def _note_guess(self, seen: Look, above: Look | None) -> None:
        header, format = seen.header, seen.format
        if header is None or format is None:
            return
        if above is None:
            seen.note(notes.top_probed(seen.name, format))
            return
        from diskchain.discover.fixes import record_format

        fix = record_format(above.name, above.header, format)
        # libvirt's AUTO_SAFE: a QED may rely on probing
        if header.backing is not None and above.format is not Format.QED:
            seen.stop(notes.unrecorded_with_backing(seen.name, above.name, format, fix))
        else:
            seen.note(notes.unrecorded(seen.name, above.name, format, fix))

    def _below(self, seen: Look) -> Source | Terminator | Unknown:
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

    def _referenced(self, seen: Look, text: str, format_name: str | None, what: str) -> Source | Unknown:
        if format_name == NO_FORMAT:
            return seen.stop(notes.no_format(seen.name))
        format = None if format_name is None else RECORDED_FORMATS.get(format_name, _RAW)
        try:
            child = referenced_source(seen.source, text, format)
        except ReferenceSyntaxError as error:
            return seen.stop(notes.bad_reference(seen.name, what, error.problem))
        except CredentialsInside:
            return seen.stop(notes.credentials(seen.name))
        if self._guard is not None:
            rule = self._rule_against(seen, child, format)
            if rule is not None:
                return seen.stop(notes.refused(text, seen.name, rule))
        if format is _RAW and format_name != "raw":
            seen.note(notes.unknown_format_name(seen.name, format_name or "", known=format_name in RECORDED_FORMATS))
        return child

    def _rule_against(self, seen: Look, child: Source, format: Format | None) -> str | None:
        """Why the policy does not let ``child`` be followed, which ``seen`` names; None when it does."""
        policy = self.policy
        if seen.origin is Origin.PROBED and seen.asked.detected and policy.probing == "untrusted":
            return f"policy {policy.name} follows nothing that an image names whose own format is not recorded"
        return refusal(policy, child.location, format, seen.home)

    def _follow_parts(self, seen: Look, header: ImageHeader) -> None:
        """Look at the further files an image is kept in."""
        if header.data_file is not None or seen.source.data_file is not None:
            self._follow_data_file(seen, header.data_file)
        if header.extents:
            self._follow_extents(seen)

    def _follow_data_file(self, seen: Look, name: str | None) -> None:
        """Look at the external data file: the declared one, else the one the header names."""
        source = seen.source.data_file
        if source is None:
            if not name:
                seen.stop(notes.bad_reference(seen.name, "data file name", "it is empty"))
                return
            named = self._referenced(seen, name, "raw", "data file name")
            if not isinstance(named, Source):
                return
            source = named._replace(readonly=seen.source.readonly)
        origin = _RECORDED if source.detected else _DECLARED
        format = source.format or _RAW
        # QEMU reads it as raw whatever it begins with: a guest may have written a LUKS header there, or any other.
        try:
            data = self._look_at(source, format, origin, seen, self._elsewhere, self._guard, headed=format is not _RAW)
        except PolicyRefusal as error:
            seen.stop(_refused(source, seen, error))
            return
        header, facts = data.header, data.facts
        if data.format is Format.DIR:
            data.note(notes.not_storage(data.name, seen.name, "is a directory"))
        elif format is _RAW and facts is not None:
            header = ImageHeader(_RAW, facts.size)
        settled = with_backing(data.source, DETECTED_TERMINATOR)
        seen.data_file = Layer(settled, None, origin, header, facts, _findings_of_data_file(data, seen))
        seen.source = seen.source._replace(data_file=settled)

    def _follow_extents(self, seen: Look) -> None:
        """Look at the files the data of a VMDK is in."""
        from diskchain.discover.extents import follow_extents

        def refer(name: str, format: Format) -> Source | Unknown:
            return self._referenced(seen, name, str(format), "extent name")

        def look_at(source: Source, above: Look) -> Look | None:
            headed = source.format is not _RAW
            try:
                return self._look_at(
                    source, source.format, _RECORDED, above, self._elsewhere, self._guard, headed=headed
                )
            except PolicyRefusal as error:
                seen.stop(_refused(source, seen, error))
                return None

        seen.extents = follow_extents(seen, refer, look_at)
        if seen.extents:
            seen.source = seen.source._replace(extents=tuple(extent.source for extent in seen.extents))

    def _chain(
        self, seen: list[Look], layer: Layer | None, below: Source | Terminator | Unknown, size: int = 0
    ) -> BackingChain:
        """Tie the layers of ``seen`` together from the bottom up, over ``layer`` or an end, and remember what may be shared."""
        remembered = (layer is not None or below is DETECTED_TERMINATOR) and self._remembers
        for step in reversed(seen):
            source, origin = step.source, step.origin
            below = with_backing(source, below)
            layer = layer_of(below, layer, origin, step.header, step.facts, step.findings, step.data_file, step.extents)
            size += 1
            remembered = remembered and source.backing is UNKNOWN
            if remembered and (origin is _RECORDED or origin is _DECLARED):
                self._tails[source.location[0]] = None if step.asked is source else step.asked, layer, size
        return BackingChain(layer)  # type: ignore[arg-type] # seen is never empty


def _refused(source: Source, above: Look, error: PolicyRefusal) -> Finding:
    """What ``above`` names is not what the policy allows, as only the file itself told."""
    return notes.refused(source.reference or "", above.name, error.rule)


def _findings_of_data_file(data: Look, image: Look) -> tuple[Finding, ...]:
    """What was found of the data file of ``image``, with what mends that: no rebase does."""
    if not data.findings:
        return ()
    from diskchain.discover.fixes import tell_data_file

    told = data.source.detected and image.format is Format.QCOW2 and local_path(image.source.location)
    without_key = image.header is not None and image.header.encryption is None
    fix = tell_data_file(image.name) if told and without_key else None
    return tuple(each._replace(fix=fix if each.id == "missing" else None) for each in data.findings)


def _position(facts: ImageFacts, seen: list[Look]) -> int | None:
    """Where in ``seen`` the file with these ``facts`` is."""
    for position, step in enumerate(seen):
        if step.facts is not None and step.facts.identity == facts.identity:
            return position
    return None


def _is_loop(seen: list[Look], tail: Layer) -> bool:
    """Whether a file of ``seen`` is in ``tail`` too, under another name or format."""
    files = {step.facts.identity for step in seen if step.facts is not None}
    layer: Layer | None = tail
    while layer is not None:
        if layer.facts is not None and layer.facts.identity in files:
            return True
        layer = layer.below
    return False
