"""A file as it will be once libvirt has given it to the domain's user: the DAC table applied to what is there now. Pure."""

from collections.abc import Callable
from dataclasses import replace

from diskchain.access.evidence import Present
from diskchain.access.kernel.path_facts import Inode
from diskchain.access.requirements import writable_depths
from diskchain.access.security.libvirt_labels import DomainLabel, at_job, at_start, dac_ids
from diskchain.storage.location import local_path
from diskchain.storage.operation import Operation
from diskchain.storage.source import Source, layers

#: The owner a path gets; None: that part stays.
Owners = dict[str, tuple[int | None, int | None]]


def owners_by_libvirt(chain: Source, operation: Operation, domain: DomainLabel, *, running: bool) -> Owners:
    """Who owns what after libvirt's relabelling for ``operation``. A running domain was relabelled at its start."""
    found = [] if running else list(at_start(chain, domain))
    stack = list(layers(chain))
    for depth in sorted(writable_depths(chain, operation)):
        found += at_job(stack[depth], depth, domain, writable=True)
    owners: Owners = {}
    for one in found:
        path = local_path(one.source.location)
        if path is not None and one.label is not None:
            owners[path] = dac_ids(one.label)
    return owners


def as_relabelled(owners: Owners) -> Callable[[str, Present], Present]:
    """What to pass as ``adjust`` to :func:`~diskchain.access.assess.survey`."""

    def adjust(path: str, present: Present) -> Present:
        file = present.facts.file
        if path not in owners or file is None or not _can_be_given(file):
            return present
        uid, gid = owners[path]
        given = replace(file, uid=file.uid if uid is None else uid, gid=file.gid if gid is None else gid)
        return replace(present, facts=replace(present.facts, file=given))

    return adjust


def _can_be_given(file: Inode) -> bool:
    """Whether chown would work; libvirt carries on where it does not."""
    options = file.mount.options | file.mount.super_options if file.mount else frozenset()
    return "ro" not in options and not file.immutable and not file.append
