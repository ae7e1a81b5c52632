"""A domain's own ``<seclabel>`` elements: which user, label or profile its QEMU runs with.

Knows the domain level only; an image's ``<seclabel>`` is part of its source. Source: libvirt ``domain_conf.c``
(``virSecurityLabelDefParseXML``).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from diskchain.libvirtxml.documents.domain import DOMAIN_NAMES
from diskchain.libvirtxml.markup.document import Element, Text, as_document, refuse
from diskchain.libvirtxml.markup.scalars import text_of


@dataclass(frozen=True, slots=True)
class DomainSeclabel:
    """One ``<seclabel>``. ``label``: the process, ``imagelabel``: its files; both are there when the domain runs.

    ``relabel``: whether libvirt labels files; not said: it does, except where the label is static.
    """

    model: str
    label: str | None
    imagelabel: str | None
    relabel: bool


@dataclass(frozen=True, slots=True)
class DomainLabels:
    """Who a domain is to the security modules. ``running``: the document has an id."""

    name: str
    uuid: str | None
    running: bool
    seclabels: tuple[DomainSeclabel, ...]

    def of(self, model: str) -> DomainSeclabel | None:
        """The label of a model."""
        return next((label for label in self.seclabels if label.model == model), None)


def parse_domain_labels(text: Text, *, origin: str | None = None) -> DomainLabels | None:
    """The labels of a ``<domain>``; None for a document that has no single domain. Raises XmlError.

    >>> labels = parse_domain_labels(
    ...     "<domain id='1'><name>web</name><seclabel model='dac' relabel='no'><label>+1:+2</label></seclabel></domain>"
    ... )
    >>> labels.name, labels.running, labels.of("dac")
    ('web', True, DomainSeclabel(model='dac', label='+1:+2', imagelabel=None, relabel=False))
    """
    with as_document(text, origin).reading() as root:
        domain = root if root.tag in DOMAIN_NAMES else next(root.iterchildren(*DOMAIN_NAMES), None)
        if domain is None:
            return None
        texts = {child.tag: text_of(child) for child in domain.iterchildren("name", "uuid")}
        return DomainLabels(
            name=texts.get("name") or "",
            uuid=texts.get("uuid"),
            running=domain.get("id") is not None,
            seclabels=tuple(_seclabels(domain)),
        )


def _seclabels(domain: Element) -> Iterator[DomainSeclabel]:
    for element in domain.iterchildren("seclabel"):
        model = element.get("model")
        relabel = element.get("relabel")
        if relabel not in (None, "yes", "no"):
            refuse(element, f"relabel of <seclabel> is {relabel!r}, neither yes nor no")
        if model is not None:
            texts = {child.tag: text_of(child) for child in element.iterchildren("label", "imagelabel")}
            by_default = (element.get("type") or "dynamic") == "dynamic"
            yield DomainSeclabel(
                model, texts.get("label"), texts.get("imagelabel"), by_default if relabel is None else relabel == "yes"
            )
