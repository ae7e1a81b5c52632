"""Hypothesis strategies for chains and the rights of files."""

from hypothesis import strategies as st

from diskchain.access.kernel.identity import ALL_CAPABILITIES, Identity
from diskchain.access.kernel.path_facts import Inode, Kind
from diskchain.storage.location import FileLocation
from diskchain.storage.source import TERMINATOR, Source, stack
from diskchain.system.posix_acl import Acl, Entry, Tag

IDS = st.integers(0, 5)
PERMISSIONS = st.integers(0, 7)


@st.composite
def acls(draw: st.DrawFn) -> Acl:
    """Any ACL the kernel would store: the three base entries, named ones, and a mask when there are named ones."""
    entries = [Entry(tag, draw(PERMISSIONS)) for tag in (Tag.USER_OBJ, Tag.GROUP_OBJ, Tag.OTHER)]
    for tag in (Tag.USER, Tag.GROUP):
        entries += [Entry(tag, draw(PERMISSIONS), id) for id in sorted(draw(st.sets(IDS, max_size=3)))]
    if len(entries) > 3 or draw(st.booleans()):
        entries.append(Entry(Tag.MASK, draw(PERMISSIONS)))
    return tuple(sorted(entries, key=lambda entry: (entry.tag, entry.id or 0)))


@st.composite
def identities(draw: st.DrawFn) -> Identity:
    gid = draw(IDS)
    capabilities = draw(st.sets(st.sampled_from(sorted(ALL_CAPABILITIES))))
    return Identity(draw(IDS), gid, frozenset({gid, *draw(st.sets(IDS, max_size=2))}), frozenset(capabilities))


@st.composite
def inodes(draw: st.DrawFn) -> Inode:
    """A file or directory with any rights."""
    acl = draw(st.none() | acls())
    kind = draw(st.sampled_from((Kind.FILE, Kind.DIRECTORY)))
    mode = draw(st.integers(0, 0o777))
    if acl is not None:
        perms = {entry.tag: entry.perm for entry in acl if entry.id is None}
        group = perms.get(Tag.MASK, perms[Tag.GROUP_OBJ])
        mode = perms[Tag.USER_OBJ] << 6 | group << 3 | perms[Tag.OTHER]
    return Inode("/images/x", kind, 1, 2, draw(IDS), draw(IDS), mode, acl)


@st.composite
def chains(draw: st.DrawFn) -> Source:
    """Local chains of one to six layers, with read-only and shared tops and data files."""
    count = draw(st.integers(1, 6))
    layers = []
    for number in range(count):
        data = Source(FileLocation(f"/images/{number}.data")) if draw(st.booleans()) else None
        layers.append(
            Source(
                FileLocation(f"/images/{number}"),
                data_file=data,
                readonly=number > 0 or draw(st.booleans()),
                shared=number == 0 and draw(st.booleans()),
            )
        )
    return stack(layers, TERMINATOR)
