"""What libvirt and QEMU do, by version: the one table, for whatever diskchain says of them that is not true of every version.

Two versions of each were tried: libvirt 9.0 and 11.3, QEMU 7.2 and 10.0 (Debian 12 and 13); other limits are those of the release that
made the change, as its notes say. Where the version at hand is known (a connection, a profile), what is said holds for it; else it is said
since or until which. No other module compares versions. Pure; knows ``findings`` for what a behaviour stops.
"""

import re
from typing import Final, NamedTuple

from diskchain.errors import UsageError
from diskchain.findings import Finding, Severity, Stops
from diskchain.versions import Peer, Version, Versions

UNKNOWN: Final = Versions()


class Behaviour(NamedTuple):
    """What a peer does, from version ``since`` on and up to version ``until``, that one included; None: no limit.

    ``does``: a clause without subject and version, "refuses to start the domain". ``severity`` and ``stops``: of a finding about it,
    where they are not the kind's own.
    """

    peer: Peer
    does: str
    since: Version | None = None
    until: Version | None = None
    severity: Severity | None = None
    stops: Stops | None = None

    def may_hold(self, version: Version) -> bool:
        """Whether a peer of this version may do so. Between two rows of the table is what nobody tried: then both may."""
        return (self.since is None or version >= self.since) and (self.until is None or version <= self.until)


_E, _W, _I = Severity.ERROR, Severity.WARNING, Severity.INFO

#: Since then libvirt describes all nodes to QEMU itself.
_CHAIN: Final = Behaviour("libvirt", "(with QEMU since 4.2) uses the document's chain", since=(5, 10))

#: By subject: the id of a finding, and after a slash what tells cases of one finding apart. Oldest first, one row for each way of doing it.
#: A single row: so it is since then, and nobody looked at what was before.
BEHAVIOURS: Final[dict[str, tuple[Behaviour, ...]]] = {
    "backing-on-raw/raw": (
        Behaviour("libvirt", "refuses to start the domain", until=(9, 0), stops=Stops.START),
        Behaviour("libvirt", "starts it with QEMU 9 or newer, and the guest sees that layer alone", since=(11, 3)),
    ),
    "format-unknown/none": (
        Behaviour("libvirt", "refuses to start the domain", until=(9, 0), stops=Stops.START),
        Behaviour("libvirt", "reads it as raw", since=(11, 3), severity=_W),
    ),
    "format-unknown/unknown": (
        Behaviour("libvirt", "guesses, as if nothing was recorded", until=(9, 0)),
        Behaviour("libvirt", "reads it as raw", since=(11, 3)),
    ),
    "json-reference/letters": (
        Behaviour("libvirt", "reads it", until=(9, 0), severity=_I),
        Behaviour("libvirt", "refuses to start the domain", since=(11, 3), severity=_E, stops=Stops.START),
    ),
    "dirty/parallels": (
        Behaviour("QEMU", "does not open it for writing until it is repaired", until=(7, 2), stops=Stops.START),
        Behaviour("QEMU", "repairs it when it opens it for writing", since=(10, 0), severity=_I),
    ),
    "backing-differs/chain": (_CHAIN,),
    "backing-differs/data-file": (
        Behaviour("libvirt", "does not know data files, and QEMU opens the header's", until=(10, 9)),
        Behaviour("libvirt", "uses the document's, and the guest does not see what is in the other", since=(10, 10)),
    ),
    "layer-left-out/chain": (_CHAIN,),
    "terminated-early/chain": (Behaviour("libvirt", "(with QEMU since 4.2) opens no file below", since=(5, 10)),),
    "trust-in-header/handed-on": (Behaviour("libvirt", "has QEMU do what it says", since=(6, 2)),),
    "access-denied/leftover": (
        Behaviour("libvirt", "refuses to start the domain", until=(9, 0), stops=Stops.START),
        Behaviour("libvirt", "writes over it", since=(11, 3)),
    ),
    "truncated/parallels": (
        Behaviour("QEMU", "keeps what is left", until=(7, 2)),
        Behaviour("QEMU", "discards what is left when it opens the image for writing", since=(10, 0)),
    ),
    "data-file-reference/alone": (
        Behaviour("libvirt", "knows nothing of the second, which QEMU opens by itself, unlabelled", until=(10, 9)),
        Behaviour("libvirt", "knows both", since=(10, 10)),
    ),
    "data-file-reference/over-backing": (
        Behaviour("libvirt", "knows nothing of the second, which QEMU opens by itself, unlabelled", until=(10, 9)),
        Behaviour(
            "libvirt",
            "looks for none where there is a backing file as well, and QEMU opens it by itself, unlabelled, unless the document names it",
            since=(10, 10),
        ),
    ),
    "malformed/vhd-size": (
        Behaviour("QEMU", "goes by the geometry", until=(9, 2)),
        Behaviour("QEMU", "goes by the size", since=(10, 0)),
    ),
    "hosts-ignored": (
        Behaviour("libvirt", "takes the first and does not mention the others", until=(9, 0)),
        Behaviour("libvirt", "refuses to start the domain", since=(11, 3), severity=_E, stops=Stops.START),
    ),
    "backup-target-made-up": (
        Behaviour(
            "libvirt", "makes up no target for a disk that is named, and refuses to begin", until=(9, 0), severity=_E
        ),
        Behaviour(
            "libvirt",
            "writes beside the image, to the same name and the checkpoint's or the time",
            since=(11, 3),
            severity=_I,
        ),
    ),
    "seclabel-label": (
        Behaviour("libvirt", "drops it and labels the image as the domain says", until=(9, 0), severity=_I),
        Behaviour("libvirt", "refuses to define the domain", since=(11, 3), stops=Stops.DEFINE),
    ),
    "protocol-sheepdog": (
        Behaviour("libvirt", "refuses to start the domain", until=(9, 0), stops=Stops.START),
        Behaviour("libvirt", "refuses to define the domain", since=(11, 3), stops=Stops.DEFINE),
    ),
    "usb-empty": (
        Behaviour("libvirt", "refuses to start the domain", until=(9, 0), stops=Stops.START),
        Behaviour("libvirt", "refuses to define the domain", since=(11, 3), stops=Stops.DEFINE),
    ),
}


def behaviours(subject: str, versions: Versions = UNKNOWN) -> tuple[Behaviour, ...]:
    """The rows of ``subject`` that may hold for these versions: one where they are known, all where nothing is."""
    rows = BEHAVIOURS[subject]
    found = []
    for number, row in enumerate(rows):
        version = versions.of(row.peer)
        if version is None or row.may_hold(version) or _is_beside_gap(rows, number, version):
            found.append(row)
    return tuple(found)


def refuses(subject: str, versions: Versions) -> bool | None:
    """Whether the peer at hand refuses to define or start the domain; None where some versions do, and this one is not known."""
    told = {row.stops is not None for row in behaviours(subject, versions)}
    return told.pop() if len(told) == 1 else None


def _is_beside_gap(rows: tuple[Behaviour, ...], number: int, version: Version) -> bool:
    """Whether ``version`` lies between this row and the next or the one before, where no version was tried."""
    if any(row.may_hold(version) for row in rows):
        return False
    row = rows[number]
    before = max((other.until for other in rows if other.until is not None and other.until < version), default=None)
    after = min((other.since for other in rows if other.since is not None and other.since > version), default=None)
    return (row.until is not None and row.until == before) or (row.since is not None and row.since == after)


def statement(subject: str, versions: Versions = UNKNOWN) -> str:
    """What the peer at hand does; where its version is not known, what each does: "libvirt up to 9.0 …, since 11.3 it …"."""
    rows = behaviours(subject, versions)
    peer = rows[0].peer
    version = versions.of(peer)
    if version is not None and len(rows) == 1 and rows[0].may_hold(version):
        return f"{peer} {shown(version)} {rows[0].does}"
    said = [f"{peer} {_range(rows[0])}{rows[0].does}", *(f"{_range(row)}it {row.does}" for row in rows[1:])]
    return ", ".join(said)


def _range(row: Behaviour) -> str:
    if row.since is not None and row.until is not None:
        return f"{shown(row.since)} to {shown(row.until)} "
    if row.since is not None:
        return f"since {shown(row.since)} "
    return f"up to {shown(row.until)} " if row.until is not None else ""


def shown(version: Version) -> str:
    """``11.3``."""
    return f"{version[0]}.{version[1]}"


def for_versions(found: Finding, versions: Versions) -> Finding:
    """``found`` as it holds for the peers at hand: its statement about them, its severity and what it stops."""
    for subject in BEHAVIOURS:
        id, _, case = subject.partition("/")
        general = statement(subject)
        if id != found.id or (case and general not in found.message):
            continue
        rows = behaviours(subject, versions)
        told = found._replace(message=found.message.replace(general, statement(subject, versions)))
        if len(rows) > 1 or len(BEHAVIOURS[subject]) == 1:
            return told
        severity = rows[0].severity or found.severity
        return told._replace(severity=severity, stops=rows[0].stops if severity is _E else None)
    return found


KNOWS_DATA_FILES: Final = "data files of qcow2 images are labelled"

#: What a peer can do, or keeps to, since a version. Up to the one before it cannot, or nobody knows that it does.
_SINCE: Final[dict[str, tuple[Peer, Version]]] = {
    "a QEMU that runs as root keeps root's capabilities": ("libvirt", (9, 0)),  # measured; earlier ones could take them
    KNOWS_DATA_FILES: ("libvirt", (10, 10)),  # its news; measured that 9.0 does not
}


def can(what: str, versions: Versions) -> bool | None:
    """Whether the peer at hand does that; None where its version is not known."""
    peer, since = _SINCE[what]
    version = versions.of(peer)
    return None if version is None else version >= since


#: What was tried, newest first: what a profile's bare major number means.
_TRIED: Final[dict[Peer, tuple[Version, ...]]] = {"libvirt": ((11, 3), (9, 0)), "QEMU": ((10, 0), (7, 2))}


def tried(peer: Peer) -> str:
    """``QEMU (7.2 to 10.0)``: what is so in all versions that were tried."""
    newest, *_, oldest = _TRIED[peer]
    return f"{peer} ({shown(oldest)} to {shown(newest)})"


def up_to_newest(peer: Peer) -> str:
    """``QEMU up to 10.0``."""
    return f"{peer} up to {shown(_TRIED[peer][0])}"


_PEERS: Final = re.compile(r"libvirt-(\d{1,3})(?:\.(\d{1,3}))?(?:-qemu-(\d{1,3})(?:\.(\d{1,3}))?)?")


def since(what: str) -> str:
    """The version since which a peer can do that: ``10.10``."""
    return shown(_SINCE[what][1])


def versions_named(name: str) -> Versions:
    """``libvirt-11-qemu-10``, ``libvirt-9.0``. Raises UsageError for anything else."""
    found = _PEERS.fullmatch(name)
    if found is None:
        raise UsageError(f"{name} names no versions: libvirt-11-qemu-10 does, and so does libvirt-9.0")
    return Versions(_version("libvirt", found[1], found[2]), _version("QEMU", found[3], found[4]))


def _version(peer: Peer, major: str | None, minor: str | None) -> Version | None:
    if major is None:
        return None
    if minor is not None:
        return int(major), int(minor)
    return next((tried for tried in _TRIED[peer] if tried[0] == int(major)), (int(major), 0))


def from_number(number: int) -> Version:
    """As libvirt writes versions, its own and QEMU's: 11003000 is 11.3.0."""
    return number // 1_000_000, number // 1_000 % 1_000


#: How libvirt builds block nodes, by the oldest libvirt and QEMU that have it so; oldest first. 9.0 and 11.3 were tried.
_NODES: Final[tuple[tuple[Version, Version, str], ...]] = (
    ((0, 0), (0, 0), "libvirt-9"),
    ((10, 0), (0, 0), "libvirt-11"),
    ((10, 0), (9, 0), "libvirt-11-qemu-9"),
)


def nodes_profile(versions: Versions) -> str:
    """The name of the profile by which these versions build block nodes; of libvirt 11 with an older QEMU where nothing is known."""
    libvirt, qemu = versions.libvirt or (11, 3), versions.qemu or (0, 0)
    return [name for since, qemu_since, name in _NODES if libvirt >= since and qemu >= qemu_since][-1]
