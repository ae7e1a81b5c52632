"""What libvirt will do to the labels of a chain: which label each file gets, which is remembered, which is given back.

Pure. Knows libvirt's rules for the ``dac`` and ``selinux`` models (``apparmor`` works with rules instead of labels and
has a module of its own). Source: libvirt 11.3.0 ``virSecurity{DAC,SELinux}SetImageLabelInternal`` and
``…RestoreImageLabelSingle``; measured against libvirt 9.0.0.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from diskchain.errors import UsageError, printable
from diskchain.storage.location import BlockLocation, FileLocation
from diskchain.storage.seclabel import SecLabel
from diskchain.storage.source import Source, layers

DAC: Final = "dac"
SELINUX: Final = "selinux"

#: ``/etc/selinux/targeted/contexts/virtual_image_context`` as distributions ship it.
CONTENT_CONTEXT: Final = "system_u:object_r:virt_content_t:s0"
FILE_CONTEXT: Final = "system_u:object_r:svirt_image_t:s0"


@dataclass(frozen=True, slots=True)
class DomainLabel:
    """The domain's ``<seclabel>`` of one model: for dac ``+UID:+GID``, for selinux the image label."""

    model: str
    label: str
    relabel: bool = True
    content_context: str = CONTENT_CONTEXT
    file_context: str = FILE_CONTEXT


class Why(StrEnum):
    """Which rule chose the label, or why there is none."""

    OWN = "the image's own seclabel"
    TOP = "the seclabel of the image on top"
    DOMAIN = "the domain's label"
    CONTENT = "read-only content"
    SHARED = "shared between domains"
    DOMAIN_REFUSES = "the domain's seclabel says relabel='no'"
    IMAGE_REFUSES = "its seclabel says relabel='no'"
    TOP_REFUSES = "the seclabel of the image on top says relabel='no'"
    NOT_A_FILE = "it is no file or block device of this host"


@dataclass(frozen=True, slots=True)
class Relabelling:
    """What libvirt does to one file when the domain starts and when it stops.

    ``label`` None: it stays as it is. ``remembered``: the original is kept in ``trusted.libvirt.security.*``.
    ``given_back``: undone at shutdown, to the remembered label or else to libvirt's default.
    """

    source: Source
    depth: int
    label: str | None
    why: Why
    remembered: bool = False
    given_back: bool = False


def at_start(chain: Source, domain: DomainLabel) -> tuple[Relabelling, ...]:
    """What a domain's start does to each image and data file of a disk, top first."""
    found: list[Relabelling] = []
    for depth, layer in enumerate(layers(chain)):
        case = _Case(layer, chain, depth, writable=depth == 0 and not layer.readonly)
        found += _with_data_file(case, domain)
    return tuple(found)


def at_job(layer: Source, depth: int, domain: DomainLabel, *, writable: bool) -> tuple[Relabelling, ...]:
    """What a block job's grant or revocation does to one layer and its data file.

    The layer is labelled as if it were alone, so a seclabel of the image on top does not count, and nothing is
    remembered.
    """
    return tuple(
        replace(relabelling, remembered=False, given_back=False)
        for relabelling in _with_data_file(_Case(layer, layer, depth, writable=writable), domain)
    )


def dac_ids(label: str) -> tuple[int | None, int | None]:
    """User and group of a DAC label ``USER:GROUP`` (``+N``: a number); None for a part that is empty.

    Raises UsageError when a name is unknown.
    """
    from diskchain.access.kernel.identity import identify

    user, _, group = label.partition(":")
    if not user and not group:
        raise UsageError(f"not a DAC label: {printable(label[:80])!r}")
    uid = identify(user).uid if user else None
    gid = identify(f"+0:{group}").gid if group else None
    return uid, gid


@dataclass(frozen=True, slots=True)
class _Case:
    """One image to label, the image on top of it in the same call, and whether the call makes it writable."""

    image: Source
    top: Source
    depth: int
    writable: bool


def _with_data_file(case: _Case, domain: DomainLabel) -> list[Relabelling]:
    found = [_one(case.image, case, case.top, domain)]
    if case.image.data_file is not None:
        # A data file asks the image it belongs to under dac, the image on top under selinux.
        found.append(_one(case.image.data_file, case, case.image if domain.model == DAC else case.top, domain))
    return found


def _one(source: Source, case: _Case, heir: Source, domain: DomainLabel) -> Relabelling:
    label, why = _choose(source, case, heir, domain)
    kept = label is not None and case.depth == 0 and not source.readonly and not source.shared
    return Relabelling(source, case.depth, label, why, remembered=kept, given_back=kept)


def _choose(source: Source, case: _Case, heir: Source, domain: DomainLabel) -> tuple[str | None, Why]:
    if not isinstance(source.location, FileLocation | BlockLocation) or source.location.path is None:
        return None, Why.NOT_A_FILE
    if not domain.relabel:
        return None, Why.DOMAIN_REFUSES
    for label, chosen, refused in (
        (_seclabel(source, domain.model), Why.OWN, Why.IMAGE_REFUSES),
        (_seclabel(heir, domain.model), Why.TOP, Why.TOP_REFUSES),
    ):
        if label is not None and label.relabel is False:
            return None, refused
        if label is not None and label.label:
            return label.label, chosen
    if domain.model == DAC:
        return domain.label, Why.DOMAIN
    if case.image.shared and case.image is case.top:
        return domain.file_context, Why.SHARED
    return (domain.label, Why.DOMAIN) if case.writable else (domain.content_context, Why.CONTENT)


def _seclabel(source: Source, model: str) -> SecLabel | None:
    return next((label for label in source.seclabels if label.model == model), None)
