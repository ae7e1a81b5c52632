"""Read a disk that libvirt's parser would refuse, and tell everything it would refuse, not only the first.

libvirt's parser stops at the first thing that is wrong, and so does ours. To get past it, what is wrong is put right in
a copy of the element, and the copy is read again, until nothing is wrong any more or nothing can be mended.
"""

from copy import deepcopy
from dataclasses import dataclass
from typing import Any, cast

from diskchain.guest.disk import Disk
from diskchain.libvirtxml.markup.document import Element, Refusal
from diskchain.libvirtxml.markup.scalars import shown
from diskchain.libvirtxml.parse.disk import read_disk
from diskchain.libvirtxml.view import View

_MOST_PROBLEMS = 32  # of one disk; each costs another reading
#: Right for any number, switch or size that can be wrong.
_FILLER = "1"
_UUID = "00000000-0000-0000-0000-000000000000"
#: What other things depend on: with a made-up value here, rules would find what is not there.
_DECISIVE = frozenset({"type", "device", "bus", "protocol", "format", "engine", "dev", "name", "namespace"})

#: What no other rule looks at: without it, the rest of a disk is what it was.
_BESIDE = frozenset({"seclabel"})


@dataclass(frozen=True, slots=True)
class Refused:
    """What the parser says about ``element``, a part of the document."""

    element: Element
    problem: str
    allowed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """A disk, as far as it can be understood (None: too little of it), and all that the parser refuses."""

    disk: Disk | None
    refused: tuple[Refused, ...]


def read_all(element: Element, view: View) -> Reading:
    """One ``<disk>``."""
    try:
        return Reading(read_disk(element, view), ())
    except Refusal:
        return _Patient(element, view).heal()


class _Patient:
    """A copy of ``element`` to mend."""

    def __init__(self, element: Element, view: View) -> None:
        self._view = view
        self._copy = cast("Any", deepcopy(element))
        self._originals = dict(zip(self._copy.iter(), element.iter(), strict=True))
        self._refused: list[Refused] = []
        #: Attributes that got another value; they count as not said in the end.
        self._changed: list[tuple[Any, str]] = []
        #: Elements something was taken out of: what is missing there now is our doing.
        self._cut: list[Any] = []
        self._decisive = False
        self._met: list[tuple[Any, str]] = []

    def heal(self) -> Reading:
        for _ in range(_MOST_PROBLEMS):
            try:
                read_disk(self._copy, self._view)
            except Refusal as refusal:
                self._note(refusal)
                if not self._mend(refusal):
                    break
            else:
                return Reading(self._rest(), tuple(self._refused))
        return Reading(None, tuple(self._refused))

    def _note(self, refusal: Refusal) -> None:
        if not any(refusal.element is one for one in self._cut) and not self._quotes_ours(refusal):
            original = self._originals[refusal.element]
            said = Refused(original, refusal.problem, refusal.allowed)
            if said not in self._refused:
                self._refused.append(said)

    def _quotes_ours(self, refusal: Refusal) -> bool:
        """Whether it is about a value that stands there since a repair, and not in the document."""
        return any(
            element is refusal.element and shown(element.get(name) or "") in refusal.problem
            for element, name in self._changed
        )

    def _mend(self, refusal: Refusal) -> bool:
        """Put one thing right; False when that cannot be done."""
        element = cast("Any", refusal.element)
        again = any(element is one and refusal.problem == problem for one, problem in self._met)
        self._met.append((element, refusal.problem))
        if not again and self._replace(element, refusal):
            return True
        if element is self._copy:
            return False
        self._decisive = self._decisive or element.tag not in _BESIDE
        parent = element.getparent()
        self._cut.append(parent)
        parent.remove(element)
        return True

    def _replace(self, element: Any, refusal: Refusal) -> bool:
        """Give what the refusal quotes a value that is right."""
        right = refusal.allowed[0] if refusal.allowed else _UUID if "UUID" in refusal.problem else _FILLER
        for name, value in element.items():
            if shown(value) in refusal.problem and value != right:
                element.set(name, right)
                self._changed.append((element, name))
                self._decisive = self._decisive or name in _DECISIVE
                return True
        if element.text and shown(element.text) in refusal.problem:
            element.text = right
            self._decisive = True
            return True
        return False

    def _rest(self) -> Disk | None:
        """The disk without what was wrong; None when too much hung on that."""
        if self._decisive:
            return None
        for element, name in self._changed:
            element.attrib.pop(name, None)
        try:
            return read_disk(self._copy, self._view)
        except Refusal:
            return None
