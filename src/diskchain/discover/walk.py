"""Follow a chain from its top, by libvirt's safety rules, and say what is wrong instead of stopping at it.

Source: libvirt 11.3.0 ``qemuDomainDetermineDiskChain`` and ``virStorageSourceGetMetadata``:

* a declared format is never doubted; a top image without one is raw;
* layers and ends a user declared are taken as they are; detection goes on only below the last of them;
* a backing image whose format its overlay does not record is probed, and used only if it has no backing file of its own;
* a chain has at most 200 layers. libvirt finds loops by that limit alone; we find them by file identity.
"""

from typing import Final, cast

from diskchain.discover import notes
from diskchain.discover.chain import BackingChain, Layer, Origin
from diskchain.discover.look import Look, look, looks_like
from diskchain.discover.reference import RECORDED_FORMATS, CredentialsInside, referenced_source
from diskchain.errors import ReferenceSyntaxError
from diskchain.readers.policy import LIBVIRT, OpenPolicy, refusal
from diskchain.storage.location import DirLocation, local_path
from diskchain.storage.source import DETECTED_TERMINATOR, UNKNOWN, Source, Terminator, with_backing
from diskchain.storage.terms import BACKING_FORMATS, Format, Unknown

_RECORDED: Final = Origin.RECORDED
_DECLARED: Final = Origin.DECLARED
_RAW: Final = Format.RAW


class Discoverer:
    """Discovers chains, and remembers detected tails: a base shared by a thousand overlays is read once.

    ``policy`` says what a header may make us open. What was read is not read again: make a new one to look afresh.
    """

    def __init__(self, policy: OpenPolicy = LIBVIRT) -> None:
        self._policy = policy
        self._gated = not policy.open
        #: Layers whose chain below was detected to its end, and how many layers that makes, by path.
        self._known: dict[object, tuple[Layer, int]] = {}

    def discover(self, top: Source, *, probe: bool = False) -> BackingChain:
        """The chain of ``top``, complete up to the first fault, which is a finding of a layer. Never raises.

        ``probe`` guesses the format of a top image that declares none; without it such an image is raw.
        """
        seen: list[Look] = []
        identities: dict[tuple[int, int], int] = {}
        above: Look | None = None
        source = top
        depth = self._policy.depth
        known = self._remembered(top, depth)
        if known is not None:
            return BackingChain(known[0])
        while True:
            step = self._look(source, above, probe=probe)
            if step.facts is not None and step.facts.identity is not None:
                position = identities.setdefault(step.facts.identity, len(seen))
                if position != len(seen):
                    end = seen[-1].stop(notes.loop(step.name, seen[-1].name, position))
                    return self._chain(seen, end)
            seen.append(step)
            below = self._below(step, seen[0])
            if not isinstance(below, Source):
                return self._chain(seen, below)
            tail = self._remembered(below, depth - len(seen))
            if tail is not None:
                return self._chain(seen, *tail)
            if len(seen) >= depth:
                return self._chain(seen, step.stop(notes.too_deep(step.name, len(seen))))
            source, above = below, step

    def _look(self, source: Source, above: Look | None, *, probe: bool) -> Look:
        """Open ``source``, say what was guessed about it, and follow its data file."""
        format = source.format
        if format is not None:
            seen = look(source, format, _RECORDED if source.detected else _DECLARED, above)
        elif above is None and not probe and not isinstance(source.location, DirLocation):
            seen = look(source._replace(format=_RAW), _RAW, Origin.ASSUMED, above)
            self._note_assumption(seen)
        else:
            seen = look(source, None, Origin.PROBED, above)
            self._note_guess(seen, above)
        header = seen.header
        if header is not None and (header.data_file is not None or source.data_file is not None):
            self._follow_data_file(seen, header.data_file)
        return seen

    def _note_assumption(self, seen: Look) -> None:
        guess = looks_like(seen.name) if seen.header is not None else None
        if guess is not None and guess is not Format.RAW:
            seen.note(notes.assumed_raw(seen.name, guess))

    def _note_guess(self, seen: Look, above: Look | None) -> None:
        header, format = seen.header, seen.format
        if header is None or format is None:
            return
        if above is None:
            seen.note(notes.top_probed(seen.name, format))
        elif header.backing is not None:
            seen.stop(notes.unrecorded_with_backing(seen.name, above.name, format))
        else:
            seen.note(notes.unrecorded(seen.name, above.name, format))

    def _below(self, seen: Look, top: Look) -> Source | Terminator | Unknown:
        """What is below a layer: as declared, else as its header says, else what a fault leaves, which is unknown."""
        declared = seen.source.backing
        header = seen.header
        named = header.backing if header is not None else None
        if named is not None and seen.format not in BACKING_FORMATS:
            named = None
        if declared is not UNKNOWN:
            if named is not None and isinstance(declared, Terminator):
                seen.note(notes.terminated_early(seen.name, named.text))
            return declared
        if seen.fault:
            return UNKNOWN
        if named is None:
            return DETECTED_TERMINATOR
        return self._referenced(seen, top, named.text, named.format, "backing file name")

    def _referenced(self, seen: Look, top: Look, text: str, format_name: str | None, what: str) -> Source | Unknown:
        format = None if format_name is None else RECORDED_FORMATS.get(format_name, _RAW)
        try:
            child = referenced_source(seen.source, text, format)
        except ReferenceSyntaxError as error:
            return seen.stop(notes.bad_reference(seen.name, what, error.problem))
        except CredentialsInside:
            return seen.stop(notes.credentials(seen.name))
        if self._gated:
            rule = refusal(self._policy, child.location, format, local_path(top.source.location))
            if rule is not None:
                return seen.stop(notes.refused(text, seen.name, rule))
        if format is _RAW and format_name != "raw":
            seen.note(notes.unknown_format_name(seen.name, format_name or ""))
        return child

    def _follow_data_file(self, seen: Look, name: str | None) -> None:
        """Look at the external data file: the declared one, else the one the header names."""
        source = seen.source.data_file
        if source is None:
            if not name:
                seen.stop(notes.bad_reference(seen.name, "data file name", "it is empty"))
                return
            named = self._referenced(seen, seen, name, "raw", "data file name")
            if not isinstance(named, Source):
                return
            source = named._replace(readonly=seen.source.readonly)
        origin = _RECORDED if source.detected else _DECLARED
        data = look(source, source.format or _RAW, origin, seen)
        settled = with_backing(data.source, DETECTED_TERMINATOR)
        seen.data_file = Layer(settled, None, origin, data.header, data.facts, data.findings)
        seen.source = seen.source._replace(data_file=settled)

    def _chain(self, seen: list[Look], end: Layer | Terminator | Unknown, depth: int = 0) -> BackingChain:
        """Tie the layers together from the bottom up, and remember the detected tails whose end is known."""
        layer, below = (end, end.source) if isinstance(end, Layer) else (None, end)
        detected = isinstance(below, Source) or below is DETECTED_TERMINATOR
        for step in reversed(seen):
            detected = detected and step.source.backing is UNKNOWN
            below = with_backing(step.source, below)
            layer = Layer(below, layer, step.origin, step.header, step.facts, step.findings, step.data_file)
            depth += 1
            if detected and (step.origin is _RECORDED or step.origin is _DECLARED):
                self._known[below.location[0]] = layer, depth
        return BackingChain(cast("Layer", layer))  # there is always a top

    def _remembered(self, source: Source, depth: int) -> tuple[Layer, int] | None:
        """What was found out about ``source`` before, if it was the same in all that matters, and at most ``depth`` layers."""
        known = self._known.get(source.location[0])
        if known is None or known[1] > depth or self._policy.directories == ():
            return None  # the last: what may be referenced then depends on the top
        layer, size = known
        old = layer.source
        if with_backing(source, old.backing) == old and source.backing is UNKNOWN:
            return known
        if (
            old.location != source.location
            or old.format is not source.format
            or old.shared != source.shared
            or old.seclabels != source.seclabels
            or source.backing is not UNKNOWN
            # These depend on who names the layer.
            or old.encryption
            or source.encryption
            or old.data_file
            or source.data_file
            or source.slice
        ):
            return None
        origin = _RECORDED if source.detected else _DECLARED
        renamed = with_backing(source, old.backing)
        return Layer(renamed, layer.below, origin, layer.header, layer.facts, layer.findings), size
