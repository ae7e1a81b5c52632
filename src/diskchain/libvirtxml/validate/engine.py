"""Run the rules of a profile over disks, and say what they find and where."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from diskchain.errors import printable
from diskchain.findings import Finding, about, finding
from diskchain.guest.disk import Disk
from diskchain.guest.order import libvirt_order
from diskchain.libvirtxml.postparse import Profile, post_parse
from diskchain.libvirtxml.validate import (
    disk,
    domain,
    lun,
    qemu_bus,
    qemu_disk,
    qemu_domain,
    qemu_iothread,
    qemu_source,
    qemu_start,
    source,
    vhostuser,
)
from diskchain.libvirtxml.validate.domain_context import Surroundings
from diskchain.libvirtxml.validate.rule import DiskCheck, DomainCheck, Problem, Rule, SourceCheck
from diskchain.storage.lookup import shown_name
from diskchain.storage.source import layers


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rules of a profile, by what they look at."""

    sources: tuple[Rule[SourceCheck], ...]
    disks: tuple[Rule[DiskCheck], ...]
    domains: tuple[Rule[DomainCheck], ...]


_GENERIC = RuleSet((*source.RULES,), (*disk.RULES, *lun.RULES, *vhostuser.RULES), (*domain.RULES,))

#: QEMU's rules come on top of those for all hypervisors.
RULES = {
    Profile.GENERIC: _GENERIC,
    Profile.QEMU: RuleSet(
        (*_GENERIC.sources, *qemu_source.RULES, *qemu_start.RULES),
        (*_GENERIC.disks, *qemu_disk.RULES, *qemu_bus.RULES, *qemu_iothread.RULES),
        (*_GENERIC.domains, *qemu_domain.RULES),
    ),
}


@dataclass(frozen=True, slots=True)
class Found:
    """A problem of ``disks[disk]``: the rule it breaks, and the layer it is in (0: the top image, or the disk itself)."""

    disk: int
    id: str
    layer: int
    problem: Problem


def problems(disks: Sequence[Disk], profile: Profile, around: Surroundings) -> list[Found]:
    """What is wrong with the disks of one domain, as parsed, in their order; :func:`post_parse` is part of this."""
    rules = RULES[profile]
    filled = _with_defaults(disks, profile)
    found = [one for position, value in enumerate(filled) for one in _of_disk(position, value, rules, around)]
    for rule in rules.domains:
        found += [Found(one.disk, rule.id, 0, one.problem) for one in rule.check(filled, around)]
    return sorted(found, key=lambda one: one.disk)


def as_finding(found: Found, one: Disk, origin: str | None, line: int | None) -> Finding:
    """A problem in words. ``line`` is where in the document called ``origin``."""
    who = f"disk {one.target.dev}" if one.target.dev else f"disk number {found.disk + 1}"
    below = f", {found.layer} below the top" if found.layer else ""
    allowed = found.problem.allowed
    listed = f" (allowed: {', '.join(allowed)})" if allowed else ""
    message = printable(f"{who}{below}: {found.problem.message}{listed}")
    said = finding(found.id, message, file=origin, line=line, allowed=tuple(map(str, allowed)))
    dev = one.target.dev or None
    return about(said, dev, shown_name(dev, one.source, found.layer) if dev and found.layer else None)


def _with_defaults(disks: Sequence[Disk], profile: Profile) -> list[Disk]:
    """Post-parse, which goes by libvirt's order, without changing ours."""
    order = libvirt_order(disks)
    filled = list(disks)
    in_order = post_parse([disks[position] for position in order], profile)
    for position, with_defaults in zip(order, in_order, strict=True):
        filled[position] = with_defaults
    return filled


def _of_disk(position: int, one: Disk, rules: RuleSet, around: Surroundings) -> Iterator[Found]:
    for disk_rule in rules.disks:
        for problem in disk_rule.check(one, around):
            yield Found(position, disk_rule.id, 0, problem)
    for number, layer in enumerate(layers(one.source)):
        for rule in rules.sources:
            for problem in rule.check(layer):
                yield Found(position, rule.id, number, problem)
            if layer.data_file is not None:
                for problem in rule.check(layer.data_file):
                    inside = replace(problem, at=f"source/dataStore/{problem.at}")
                    yield Found(position, rule.id, number, inside)
