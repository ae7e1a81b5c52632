"""A file as it will be once libvirtd has given it to the domain's user: the DAC table applied to what is there now. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from diskchain.access.actor import Libvirtd
from diskchain.access.evidence import Present
from diskchain.access.kernel.chown_check import Giving
from diskchain.access.kernel.path_facts import Inode
from diskchain.access.requirements import destination_of, writable_depths
from diskchain.access.security.libvirt_labels import DAC, DomainLabel, Relabelling, at_job, at_start, dac_ids
from diskchain.behaviours import KNOWS_DATA_FILES, since
from diskchain.storage.location import local_path
from diskchain.storage.operation import Operation
from diskchain.storage.source import Source, Terminator, layers


@dataclass(frozen=True, slots=True)
class Owner:
    """Who a file is given to; None: that part stays.

    ``remembered``: libvirt notes the present owner first. ``data_file``: it belongs to a qcow2 image that keeps its data elsewhere;
    ``overlooked``: one that also a libvirt that knows data files does not look for.
    """

    uid: int | None
    gid: int | None
    remembered: bool = False
    data_file: bool = False
    overlooked: bool = False


_OVERLOOKED: Final = (
    f"libvirt since {since(KNOWS_DATA_FILES)} looks for no data file of an image that has a backing file, or below which a document ends the chain; "
    "diskchain complete writes it into the document"
)
_COUNTED: Final = "libvirt's note says that another domain uses"

#: The owner each path gets.
Owners = dict[str, Owner]


@dataclass(frozen=True, slots=True)
class Outlook:
    """A file as it will be when QEMU opens it.

    ``otherwise``: as it will be if libvirt cannot give it away, which nobody can tell because of ``doubt``; None where it is
    certain. ``kept``: why its owner stays although libvirt would change it. ``refused``: why libvirt itself may end the operation
    before that.
    """

    present: Present
    otherwise: Present | None = None
    doubt: str = ""
    kept: str = ""
    refused: str = ""


#: From a path and what is there to what will be there.
Adjust = Callable[[str, Present], Outlook]


def owners_by_libvirt(chain: Source, operation: Operation, domain: DomainLabel, *, running: bool) -> Owners:
    """Who owns what after libvirt's relabelling for ``operation``. A running domain was relabelled at its start."""
    found = [] if running else list(at_start(chain, domain))
    stack = list(layers(chain))
    for depth in sorted(writable_depths(chain, operation)):
        found += at_job(stack[depth], depth, domain, writable=True)
    new = destination_of(operation)
    if new is not None:
        found += at_start(new, domain)
    images = (*stack, *(layers(new) if new is not None else ()))
    data_files = {layer.data_file for layer in images}
    overlooked = {layer.data_file for layer in images if is_data_file_overlooked(layer)}
    return {
        path: _owner(one, is_data_file=one.source in data_files, overlooked=one.source in overlooked)
        for one in found
        if (path := local_path(one.source.location)) is not None and one.label
    }


def as_relabelled(owners: Owners, libvirtd: Libvirtd, boot_times: frozenset[int]) -> Adjust:
    """What becomes of each file; the paths that ``owners`` leaves out stay as they are."""

    def adjust(path: str, present: Present) -> Outlook:
        file, owner = present.facts.file, owners.get(path)
        if owner is None or file is None:
            return Outlook(present)
        uid = file.uid if owner.uid is None else owner.uid
        gid = file.gid if owner.gid is None else owner.gid
        given = replace(present, facts=replace(present.facts, file=replace(file, uid=uid, gid=gid)))
        outlook = _given(file, uid, gid, owner, libvirtd)
        if outlook.works is None:
            return Outlook(given, present, outlook.reason)
        if not outlook.works:
            return Outlook(present, kept=outlook.reason)
        # libvirt believes a count that it noted in this boot, and that it reckons from the clock, to a second.
        counted = libvirtd.remembers and owner.remembered and _counted(present, boot_times)
        refused = f"{_COUNTED} {file.path}, and it gives it to no other owner then"
        return Outlook(given, refused=refused if counted and (file.uid, file.gid) != (uid, gid) else "")

    return adjust


def _given(file: Inode, uid: int, gid: int, owner: Owner, libvirtd: Libvirtd) -> Giving:
    given = libvirtd.give(file, uid, gid)
    known = libvirtd.knows_data_files and not owner.overlooked
    # What could not be given away anyway stays, whichever version of libvirt it is.
    if not owner.data_file or known or given.works is False or (file.uid, file.gid) == (uid, gid):
        return given
    if libvirtd.knows_data_files:
        return Giving(works=False, reason=_OVERLOOKED)
    unknown = f"libvirt before {since(KNOWS_DATA_FILES)} knows nothing of data files"
    if libvirtd.knows_data_files is None:
        return Giving(works=None, reason=f"{unknown}, and its version is not known here")
    return Giving(works=False, reason=unknown)


def as_it_is(_path: str, present: Present) -> Outlook:
    """No libvirt changes anything."""
    return Outlook(present)


def is_data_file_overlooked(image: Source) -> bool:
    """Whether libvirt 11.3 does not find the data file of ``image``: the document does not declare it, and it is not looked for."""
    if image.data_file is None or not image.data_file.detected:
        return False
    below = image.backing
    return isinstance(below, Source) or (isinstance(below, Terminator) and not below.detected)


def _owner(one: Relabelling, *, is_data_file: bool, overlooked: bool) -> Owner:
    uid, gid = dac_ids(one.label or "")
    return Owner(uid, gid, one.remembered, is_data_file, overlooked)


def _counted(present: Present, boot_times: frozenset[int]) -> bool:
    """Whether libvirt would find a count of users that it believes (``virSecurityDACSetOwnership``)."""
    return any(note.model == DAC and note.users and not note.stale(boot_times) for note in present.saved_labels)
