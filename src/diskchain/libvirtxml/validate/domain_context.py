"""What the rest of a domain says that decides whether its disks are right: threads, labels, groups, memory."""

import re
from dataclasses import dataclass

from diskchain.guest.address import DriveAddress
from diskchain.libvirtxml.markup.document import Element

_DRIVE = ("controller", "bus", "target", "unit")
_MANY_THREADS = 10_000  # more than any host runs
_NUMBER = re.compile("[0-9]{1,9}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The domain around the disks. ``known`` False: there is none, so nothing can be missing in it.

    ``iothreads`` are the ids of its I/O threads, ``throttle_groups`` the names of its groups, ``fixed_labels`` the
    security models whose domain label forbids relabelling, ``shared_memory`` says whether another process can map the
    guest's memory, ``hostdevs`` are the SCSI addresses of host devices.
    """

    iothreads: frozenset[int] = frozenset()
    throttle_groups: frozenset[str] = frozenset()
    fixed_labels: frozenset[str] = frozenset()
    shared_memory: bool = False
    hostdevs: frozenset[DriveAddress] = frozenset()
    known: bool = False


def read_surroundings(domain: Element) -> Surroundings:
    """Read them off a ``<domain>``. Whatever is malformed counts as not there: it is not about disks."""
    return Surroundings(
        _iothreads(domain),
        frozenset(text for text in _texts(domain, "throttlegroups/throttlegroup/group_name") if text),
        frozenset(
            model for label in domain.iterchildren("seclabel") if (model := label.get("model")) and _is_fixed(label)
        ),
        _shares_memory(domain),
        frozenset(_hostdevs(domain)),
        known=True,
    )


def _texts(domain: Element, path: str) -> list[str]:
    return [(found.text or "").strip() for found in domain.xpath(path)]


def _iothreads(domain: Element) -> frozenset[int]:
    """The ids given, and the lowest free ones for the rest."""
    said = {int(id) for id in domain.xpath("iothreadids/iothread/@id") if _NUMBER.fullmatch(id)}
    (text,) = _texts(domain, "iothreads")[:1] or [""]
    number = min(int(text), _MANY_THREADS) if _NUMBER.fullmatch(text) else 0
    id = 1
    while len(said) < number:
        said.add(id)
        id += 1
    return frozenset(said)


def _is_fixed(label: Element) -> bool:
    relabel, type = label.get("relabel"), label.get("type")
    return relabel == "no" or (relabel is None and type in {"static", "none"})


def _shares_memory(domain: Element) -> bool:
    """NUMA cells decide; a cell that does not say takes what the memory backing says."""
    whole = domain.find("memoryBacking/access")
    default = None if whole is None else whole.get("mode")
    cells = [cell.get("memAccess") or default for cell in domain.xpath("cpu/numa/cell")]
    return all(access == "shared" for access in cells or [default])


def _hostdevs(domain: Element) -> list[DriveAddress]:
    found: list[DriveAddress] = []
    for address in domain.xpath("devices/hostdev[@type='scsi']/address[@type='drive']"):
        numbers = [address.get(name) or "0" for name in _DRIVE]
        if all(map(_NUMBER.fullmatch, numbers)):
            controller, bus, target, unit = map(int, numbers)
            found.append(DriveAddress(controller, bus, target, unit))
    return found
