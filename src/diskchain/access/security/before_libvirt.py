"""What a file was like before libvirt took it for a running domain, as far as libvirt noted it. Pure.

A grant may be made while its domain runs. Then the top layer already belongs to QEMU's user, and its real owner is in
libvirt's note; libvirt will give the file back to that owner by itself. Of backing files nobody notes anything.
"""

from collections.abc import Iterable
from dataclasses import replace

from diskchain.access.grants.changes import FileState
from diskchain.access.security.libvirt_labels import DAC, SELINUX, dac_ids
from diskchain.access.security.saved_labels import SavedLabel, is_saved_label
from diskchain.access.security.selinux import SELINUX_XATTR
from diskchain.errors import UsageError


def before_libvirt(now: FileState, notes: Iterable[SavedLabel], boot_times: frozenset[int]) -> FileState:
    """``now`` with the owner and label that libvirt will put back, without its notes, which it will take away.

    A note that libvirt will not believe is part of the state as it is.
    """
    state = now
    for note in notes:
        if note.original is None or not note.users or note.stale(boot_times):
            continue
        attributes = dict(state.xattrs)
        if note.model == DAC:
            try:
                uid, gid = dac_ids(note.original)
            except UsageError:
                continue
            state = replace(state, uid=now.uid if uid is None else uid, gid=now.gid if gid is None else gid)
        elif note.model == SELINUX:
            attributes[SELINUX_XATTR] = note.original.encode() + b"\0"
        kept = {
            name: value
            for name, value in attributes.items()
            if not (is_saved_label(name) and name.endswith(note.model))
        }
        state = replace(state, xattrs=tuple(sorted(kept.items())))
    return state
