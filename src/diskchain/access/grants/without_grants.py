"""What a file would be like without the rights of other grants. Pure.

A second grant must not lean on the first one's rights: they go when the first grant ends. So it is judged, and planned, as
if they were not there.
"""

from collections.abc import Iterable
from dataclasses import replace

from diskchain.access.evidence import Present
from diskchain.access.grants.changes import FileState, changed
from diskchain.access.grants.journal_schema import FileRecord, Hold
from diskchain.access.kernel.path_facts import Inode, Search, Step
from diskchain.system.posix_acl import Acl


def without_grants(present: Present, holds: Iterable[Hold]) -> Present:
    """``present`` as it would be without the grants in ``holds``."""
    by_file: dict[tuple[int, int], tuple[FileRecord, list[Hold]]] = {}
    for hold in holds:
        key = (hold.file.identity.device, hold.file.identity.inode)
        by_file.setdefault(key, (hold.file, []))[1].append(hold)
    if not by_file:
        return present

    def plain(inode: Inode) -> Inode:
        found = by_file.get((inode.device, inode.number))
        if found is None or found[0].identity.birth != inode.birth:
            return inode
        return _original_rights(inode, *found)

    steps: list[Step] = []
    for step in present.facts.steps:
        directory = plain(step.directory)
        steps.append(Search(directory) if isinstance(step, Search) else replace(step, directory=directory))
    file = present.facts.file
    facts = replace(present.facts, steps=tuple(steps), file=None if file is None else plain(file))
    return replace(present, facts=facts)


def _original_rights(inode: Inode, file: FileRecord, holds: list[Hold]) -> Inode:
    """Undoes what is still as our grants left it; an owner or ACL that was changed since is taken as it is."""
    changes = [change for hold in holds for change in hold.changes]
    if not changes:
        return inode
    granted = changed(file.original, changes)
    if (inode.uid, inode.gid) == (granted.uid, granted.gid):
        inode = replace(inode, uid=file.original.uid, gid=file.original.gid)
    if inode.mode == granted.mode and _acl_of(granted) == inode.acl:
        inode = replace(inode, mode=file.original.mode, acl=_acl_of(file.original))
    return inode


def _acl_of(state: FileState) -> Acl | None:
    return None if state.acl is None else state.entries
