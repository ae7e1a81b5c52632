"""What a Discoverer remembers: layers whose chain below was detected to its end. Pure.

A layer may be asked for again by another overlay, or as a top. The answer is the same when all that decides how it is read is the
same; when only its use differs (read-only, index, the words that name it …), the same evidence gets another Source.
"""

from typing import Any, Final

from diskchain.discover.chain import Layer, Origin
from diskchain.storage.source import UNKNOWN, Source
from diskchain.storage.terms import StorageType

_RECORDED: Final = Origin.RECORDED
_DECLARED: Final = Origin.DECLARED
_FILE: Final = StorageType.FILE
_new: Final = tuple.__new__  # makes a value at a third of the cost of calling its class

# The fields of a Source: location, format, backing; how the layer is read; how it is used. ``shared``, which layers below inherit,
# stands among the last.
_HOW: Final = slice(Source._fields.index("backing") + 1, Source._fields.index("reservations"))
_ALL_BEFORE_USE: Final = slice(_HOW.stop)
_USE: Final = slice(_HOW.stop, None)

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
        had: tuple[Any, ...] = old
        wanted: tuple[Any, ...] = source
        if (
            old.location != source.location
            or old.format is not source.format
            or had[_HOW] != wanted[_HOW]
            or old.shared is not source.shared
        ):
            return None
        if old.detected is source.detected:
            if had[_USE] == wanted[_USE]:
                return tail
        elif layer.facts is None or layer.facts.type is not _FILE:
            return None  # a detected file may turn out to be a device, a declared one may not
        parts: list[Any] = [*layer]
        parts[0] = _new(Source, had[_ALL_BEFORE_USE] + wanted[_USE])
        parts[2] = _RECORDED if source.detected else _DECLARED
        tail = self[path] = None, _new(Layer, parts), size
        return tail
