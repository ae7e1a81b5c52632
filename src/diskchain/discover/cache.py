"""What a Discoverer remembers: layers whose chain below was detected to its end. Pure.

A layer may be asked for again by another overlay, or as a top. The answer is the same when all that decides how it is read is the
same; when only its use differs (read-only, index, the words that name it …), the same evidence gets another Source.
"""

from typing import Final

from diskchain.discover.chain import Layer, Origin, with_source
from diskchain.storage.source import UNKNOWN, Source, read_alike, used_alike, used_as
from diskchain.storage.terms import StorageType

_RECORDED: Final = Origin.RECORDED
_DECLARED: Final = Origin.DECLARED
_PROBED: Final = Origin.PROBED
_FILE: Final = StorageType.FILE

#: What was asked for, where looking at it settled more than ``backing``; what came of it; how many layers that is with those below.
Tail = tuple[Source | None, Layer, int]


class Tails(dict[object, Tail]):
    """Tails by the path of their first layer."""

    __slots__ = ()

    def find(self, source: Source, room: int) -> Tail | None:
        """What came of ``source``, or would come of it, if that is at most ``room`` layers."""
        path = source.location[0]
        tail = self.get(path)
        if tail is None or tail[2] > room or source.backing is not UNKNOWN:
            return None
        asked, layer, size = tail
        if asked is not None:
            return tail if asked == source else None
        old = layer.source
        if not read_alike(old, source):
            return None
        findings = layer.findings
        if (
            layer.origin is _PROBED
        ):  # as a top; the same bytes are read as the same format when it is declared or recorded
            findings = tuple([found for found in findings if found.id != "format-probed"])  # a generator costs more
        elif old.detected is source.detected and used_alike(old, source):
            return tail
        if old.detected is not source.detected and (layer.facts is None or layer.facts.type is not _FILE):
            return None  # a detected file may turn out to be a device, a declared one may not
        origin = _RECORDED if source.detected else _DECLARED
        tail = self[path] = None, with_source(layer, used_as(old, source), origin, findings), size
        return tail
