"""``<seclabel>`` of a source. Source: libvirt 11.3.0 (``virSecurityDeviceLabelDefParseXML``)."""

from diskchain.libvirtxml.markup.document import Element, refuse
from diskchain.libvirtxml.markup.scalars import YES_NO, one_of, text_of
from diskchain.libvirtxml.markup.unknown import NOTHING, attributes, children, numbered
from diskchain.libvirtxml.view import View
from diskchain.storage.foreign import Foreign
from diskchain.storage.seclabel import SecLabel

_ATTRIBUTES = frozenset({"model", "relabel", "labelskip"})
_CHILDREN = frozenset({"label"})

#: Longer labels are dropped (``VIR_SECURITY_LABEL_BUFLEN``, the final NUL taken off).
_LABEL_MAX = 4096

_yes_no = one_of(YES_NO)


def read_seclabels(elements: list[Element], view: View, place: str, found: list[Foreign]) -> tuple[SecLabel, ...]:
    """The labels of one source: at most one for each model."""
    labels: list[SecLabel] = []
    for n, element in enumerate(elements):
        label = _read_seclabel(element, view, numbered(place, n), found)
        if label.model is not None and any(label.model == other.model for other in labels):
            refuse(element, f"two <seclabel> of model {label.model}")
        labels.append(label)
    return tuple(labels)


def _read_seclabel(element: Element, view: View, place: str, found: list[Foreign]) -> SecLabel:
    names = attributes(element, _ATTRIBUTES, place, found)
    texts = children(element, _CHILDREN, place, found).get("label")
    relabel = _yes_no(element, "relabel of <seclabel>", names["relabel"]) if "relabel" in names else None
    skip = view.running and "labelskip" in names and _yes_no(element, "labelskip", names["labelskip"])
    label = None
    if texts:
        attributes(texts[0], NOTHING, f"{place}/label", found)
        label = text_of(texts[0])
    if label is not None and len(label.encode()) > _LABEL_MAX:
        label = None
    if label is not None and relabel is False:
        refuse(element, "<seclabel> has a <label> and relabel='no'")
    return SecLabel(names.get("model"), label, relabel, skip)
