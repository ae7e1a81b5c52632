"""The words of every finding about a chain: what is wrong, and the command that would mend it. Pure."""

from typing import TYPE_CHECKING

from diskchain.errors import DiskchainError, NotStorage, ParseError, StorageError, StorageMissing, UsageError, printable
from diskchain.findings import Finding, Severity, Stops, finding
from diskchain.storage.reference import redacted
from diskchain.storage.terms import LIBVIRT_FORMATS, Format

if TYPE_CHECKING:  # plain names say nothing about trust: start-up
    from diskchain.storage.reference.trust import Claims


def _named_by(referrer: str | None) -> str:
    return f", named by {printable(referrer)}" if referrer else ""


def missing(path: str, referrer: str | None, why: str = "") -> Finding:
    """Nothing is at ``path``; ``why`` says what is known about that."""
    because = f": {why}" if why else ""
    message = f"no such file: {printable(path)}{_named_by(referrer)}{because}"
    return finding("missing", message, file=path, referrer=referrer)


def unreadable(path: str, referrer: str | None, reason: str) -> Finding:
    """The host does not let us read ``path``."""
    return finding(
        "unreadable", f"cannot read {printable(path)}: {reason}{_named_by(referrer)}", file=path, referrer=referrer
    )


def unreachable(where: str, referrer: str | None, problem: str) -> Finding:
    """The server of ``where`` could not be asked: nothing is known of the image itself."""
    return finding(
        "unreachable",
        f"could not tell whether {printable(where)} is there{_named_by(referrer)}: {printable(problem.strip())}",
        file=where,
        referrer=referrer,
    )


def timeout(path: str, referrer: str | None, problem: str) -> Finding:
    """``path`` did not answer."""
    message = f"{printable(path)}: {problem}{_named_by(referrer)}"
    return finding("timeout", message, file=path, referrer=referrer)


def not_storage(path: str, referrer: str | None, what: str) -> Finding:
    """``path`` is something that must not be opened as a disk."""
    return finding(
        "not-storage", f"{printable(path)} {what}, not a disk image{_named_by(referrer)}", file=path, referrer=referrer
    )


def not_inspected(where: str, referrer: str | None, *, remote: bool = False) -> Finding:
    """The layer is not on this host. ``remote``: on a server that could be asked."""
    how = "; show and check look at it with --remote" if remote else ""
    message = f"{printable(where)} is not a local file: it was not looked at{how}"
    return finding("not-inspected", message, file=where, referrer=referrer)


def yet_to_be_made(document: str, overlay: str) -> Finding:
    """A snapshot that was not taken yet names the overlay it will be."""
    message = f"{printable(overlay)} is not there, as before the snapshot is taken: it was not looked at"
    return finding("not-inspected", message, severity=Severity.INFO, file=overlay, referrer=document)


def nothing_looked_at(document: str) -> Finding:
    """A document without a single image to look at, though it is about disks."""
    message = f"{printable(document)} names no image that is there: nothing was looked at"
    return finding("not-inspected", message, file=document)


def elsewhere(where: str, host: str) -> Finding:
    """The whole chain is on another host."""
    message = f"{printable(where)} and what is below it are on {printable(host)}: nothing was looked at"
    return finding("not-inspected", message, file=where)


def malformed(path: str, referrer: str | None, problem: str) -> Finding:
    """The header contradicts itself or the format."""
    return finding("malformed", f"{printable(path)}: {problem}", file=path, referrer=referrer)


def format_mismatch(
    path: str, referrer: str | None, said: Format, looks_like: Format, instead: str | None = None
) -> Finding:
    """Read as ``said``, the header makes no sense; it looks like ``looks_like``: raw is what has no signature.

    ``instead``: what it is if it is no disk image at all.
    """
    what = "it has no header that is known" if looks_like is Format.RAW else f"it looks like {looks_like}"
    if instead is not None:
        what = f"it is {instead}"
    elif {said, looks_like} == {Format.VPC, Format.VHDX}:
        what += " (libvirt's names: vpc is a VHD, vhd is a VHDX)"
    who = f"{printable(referrer)} says" if referrer else "it is declared"
    return finding(
        "format-mismatch",
        f"{printable(path)} is no {said} image, though {who} {said}: {what}",
        file=path,
        referrer=referrer,
    )


def assumed_raw(path: str, looks_like: Format) -> Finding:
    """A top image nobody declared a format for is raw, whatever its header says."""
    name = LIBVIRT_FORMATS.get(looks_like, looks_like.value)
    return finding(
        "format-assumed-raw",
        f"{printable(path)} is read as raw because no format is declared, but it looks like {looks_like}: if it is, "
        f"<driver name='qemu' type='{name}'/> declares it",
        file=path,
    )


def top_probed(path: str, format: Format) -> Finding:
    """The command line named an image and no format."""
    # finding() escapes all of it, so the path need not be escaped before
    return finding("format-probed", f"{path}: format {format} was guessed from the header; -f declares it", file=path)


def ambiguous(path: str, problem: str) -> Finding:
    """Programs will disagree on what it is, and one of them may follow what the others do not see."""
    return finding("format-ambiguous", f"{printable(path)} has no format of its own: {problem}", file=path)


def unrecorded(path: str, referrer: str, format: Format, fix: str | None, *, room: bool) -> Finding:
    """The overlay does not record the format of its backing file, which has none of its own: safe to infer.

    ``fix`` records it; where the overlay has no ``room`` for that, only the document can declare it, and the image is as good as can be.
    """
    return finding(
        "format-not-recorded",
        f"{printable(referrer)} does not record the format of its backing file {printable(path)}; "
        f"it looks like {format} and has no backing file of its own, so libvirt reads it as that",
        severity=None if room else Severity.INFO,
        file=path,
        referrer=referrer,
        fix=fix or "diskchain complete DOMAIN.xml --in-place",
    )


def unrecorded_with_backing(path: str, referrer: str, format: Format, fix: str | None) -> Finding:
    """… and has a backing file of its own: libvirt refuses to start the domain."""
    found = finding(
        "format-not-recorded",
        f"{printable(referrer)} does not record the format of its backing file {printable(path)}, which looks like "
        f"{format} with a backing file of its own: libvirt refuses to guess. "
        f"{'Record it' if fix else 'Declare it in the document, as a <backingStore>,'} if you trust that file",
        severity=Severity.ERROR,
        file=path,
        referrer=referrer,
        fix=fix,
    )
    return found._replace(stops=Stops.START)


def unknown_format_name(referrer: str, name: str, *, known: bool) -> Finding:
    """The overlay records a format name that libvirt does not know, or one (``known``) that QEMU does not, and is raw to libvirt."""
    from diskchain.behaviours import statement

    who = (
        "libvirt reads it as raw, and QEMU does not know that name"
        if known
        else f"libvirt does not know that name; {statement('format-unknown/unknown')}"
    )
    return finding(
        "format-unknown",
        f"{printable(referrer)} records {printable(name)} as the format of its backing file: {who}",
        file=referrer,
    )


def no_format(referrer: str) -> Finding:
    """The overlay records ``none``, which libvirt has a use for."""
    from diskchain.behaviours import statement

    found = finding(
        "format-unknown",
        f"{printable(referrer)} records none as the format of its backing file, which is libvirt's name for no format; "
        f"{statement('format-unknown/none')}",
        severity=Severity.ERROR,
        file=referrer,
    )
    return found._replace(stops=Stops.START)


def loop(path: str, referrer: str, position: int) -> Finding:
    """The backing file is a layer the chain has already been through."""
    return finding(
        "loop",
        f"the backing file of {printable(referrer)} is {printable(path)}, which is already layer {position} of this chain",
        file=path,
        referrer=referrer,
    )


def _extent(name: str) -> str:
    return f'extent "{printable(redacted(name))}"'


def extent_loop(path: str, name: str, referrer: str) -> Finding:
    """An extent is the descriptor that names it, perhaps by way of others."""
    return finding(
        "loop",
        f"{_extent(name)}: {printable(path)} is a descriptor on the way to this extent, "
        f"which {printable(referrer)} names",
        file=path,
        referrer=referrer,
    )


def of_extent(found: Finding, name: str) -> Finding:
    """``found`` as it is said of a file that a descriptor calls ``name``: nothing but the descriptor can mend it."""
    return found._replace(message=f"{_extent(name)}: {found.message}", fix=None)


def extent_directory(path: str, name: str, referrer: str) -> Finding:
    """A directory holds no bytes."""
    return of_extent(not_storage(path, referrer, "is a directory"), name)


def short_extent(path: str, name: str, missing: int) -> Finding:
    """A flat extent ends before its descriptor says."""
    return finding(
        "truncated",
        f"{_extent(name)}: {printable(path)} is {missing} bytes shorter than its descriptor says",
        file=path,
    )


def other_extent_size(path: str, name: str, own: int, said: int) -> Finding:
    """Extent and descriptor disagree; QEMU believes the extent."""
    return finding(
        "malformed",
        f"{_extent(name)}: {printable(path)} has a capacity of {own} bytes, but its descriptor says {said}",
        severity=Severity.WARNING,
        file=path,
    )


def too_many_extents(path: str, most: int) -> Finding:
    """No disk has so many."""
    return finding(
        "malformed", f"{printable(path)} names more than {most} extents: the others were not looked at", file=path
    )


def too_deep(referrer: str, depth: int, policy: str) -> Finding:
    """The chain goes on below the last layer that ``policy`` allows."""
    return finding(
        "too-deep",
        f"the chain goes on below {printable(referrer)}, its layer number {depth}: policy {policy} allows no more",
        file=referrer,
    )


def foreign_reference(referrer: str, what: str, text: str, opens: str) -> Finding:
    """What a header names is a name of another system, or one that only another program reads. ``opens``: who does."""
    return finding(
        "foreign-reference",
        f"{printable(referrer)}: the {what} is stored as {printable(redacted(text))}: {opens}",
        file=referrer,
    )


def bad_reference(referrer: str, what: str, problem: str) -> Finding:
    """A string in a header cannot be understood. The string is not quoted: it may hold a password."""
    return finding("reference-syntax", f"{printable(referrer)}: {what}: {problem}", file=referrer)


def credentials(referrer: str) -> Finding:
    """A reference has a user name or a password in it."""
    return finding(
        "inline-credentials",
        f"the backing string of {printable(referrer)} holds a user name or password: libvirt does not follow it",
        file=referrer,
    )


def trust_in_header(referrer: str, what: str, claimed: "Claims", *, handed_on: bool) -> Finding:
    """A string in a header says whom to trust, or names keys and credentials. ``handed_on``: libvirt does what it says."""
    from diskchain.behaviours import statement

    said = []
    if claimed.checks:
        said.append(f"turns off or replaces the check of a server ({', '.join(claimed.checks)})")
    if claimed.names:
        said.append(f"names secrets or credentials of the program that opens it ({', '.join(claimed.names)})")
    who = statement("trust-in-header/handed-on") if handed_on else "QEMU does what it says when it reads this header"
    return finding(
        "trust-in-header",
        f"{printable(referrer)}: its {what} {' and '.join(map(printable, said))}: {who}; diskchain does not",
        file=referrer,
    )


def redirected(path: str, moved_to: str) -> Finding:
    """The server of ``path`` redirects to ``moved_to``, a URL without query, which is another server, port or scheme."""
    here, there = path.partition("://"), moved_to.partition("://")
    same_host = _host(here[2]) == _host(there[2])
    secure = (here[0], there[0]) == ("http", "https")
    plain = " without encryption" if (here[0], there[0]) == ("https", "http") else ""
    return finding(
        "redirected",
        f"{printable(path)}: its server redirects to {printable(moved_to)}{plain}: it was asked there, without cookies and login",
        severity=Severity.INFO if same_host and secure else None,
        file=path,
    )


def _host(rest: str) -> str:
    """The host of what follows the scheme of a URL without a login."""
    server = rest.partition("/")[0]
    return server if server.endswith("]") else server.rpartition(":")[0] or server


def refused(path: str, referrer: str, rule: str) -> Finding:
    """The policy does not let us open ``path``, a string in a header."""
    path = redacted(path)
    return finding(
        "reference-refused",
        f"{printable(referrer)} names {printable(path)}, which is not opened: {rule}",
        file=path,
        referrer=referrer,
    )


def terminated_early(path: str, below: str) -> Finding:
    """The document ends the chain; the header names ``below``."""
    from diskchain.behaviours import statement

    below = redacted(below)
    return finding(
        "terminated-early",
        f"the document ends the chain at {printable(path)}, though its header names {printable(below)}: "
        f"{statement('terminated-early/chain')}, so the guest reads zeros where {printable(path)} has no data",
        file=path,
        referrer=below,
    )


def hard_links(path: str, others: int) -> Finding:
    """The document ``path`` was replaced, and the old file has so many other names."""
    names = "another name, which still has" if others == 1 else f"{others} other names, which still have"
    return finding("hard-links", f"{printable(path)} had {names} the old content: hard links", file=path)


def unreadable_target(target: str, error: DiskchainError) -> Finding:
    """What somebody asked about cannot be read, or is no document."""
    if isinstance(error, ParseError):
        return finding("document", error.problem, file=target, line=error.line, allowed=error.allowed)
    if isinstance(error, StorageMissing):
        return missing(target, None, error.problem.partition("; ")[2])
    if isinstance(error, NotStorage):
        return not_storage(target, None, error.problem)
    if isinstance(error, UsageError):
        return finding("not-storage", str(error), file=target)
    return unreadable(target, None, error.problem if isinstance(error, StorageError) else str(error))
