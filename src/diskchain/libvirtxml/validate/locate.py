"""From a problem's place back to an element of the document."""

from diskchain.libvirtxml.markup.document import Element

#: Where else to look: the older place of what is now in ``<source>``; a top image's format is the driver's; an address
#: nobody wrote was made from the target.
_ELSEWHERE = {"source/auth": "auth", "source/encryption": "encryption", "format": "driver", "address": "target"}


def element_at(disk: Element, layer: int, place: str) -> Element:
    """What is at ``place`` of the ``layer``-th layer of a disk, from 0; the nearest above it when it is not there."""
    element = disk
    for _ in range(layer):
        below = element.find("backingStore")
        if below is None:
            break
        element = below
    found, rest = _descend(element, place)
    for ours, older in _ELSEWHERE.items():
        if rest and place.startswith(ours):
            other, left = _descend(element, older + place.removeprefix(ours))
            if len(left) < len(rest) or other is not element:
                return other
    return found


def _descend(element: Element, place: str) -> tuple[Element, list[str]]:
    """The deepest element on the way to ``place``, and the steps that lead nowhere."""
    steps = [step for step in place.split("/") if step]
    for number, step in enumerate(steps):
        below = element.find(step)
        if below is None:
            return element, steps[number:]
        element = below
    return element, []
