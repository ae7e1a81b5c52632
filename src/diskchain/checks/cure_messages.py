"""The words about cures: which file could be a missing one, why no command is given, and whether a format was a slip. Pure."""

from diskchain.checks.format_claims import Claim, Verdict
from diskchain.errors import printable
from diskchain.findings import Finding, Severity, finding
from diskchain.storage.terms import Format
from diskchain.units import human_size


def found_again(missing: str, candidate: str, reasons: tuple[str, ...], *, claimed: bool) -> Finding:
    """A file that could be a missing one. ``claimed``: an image in its directory names a file called so."""
    but = "; but another image in its directory names a file called so" if claimed else ""
    return finding(
        "candidate",
        f"{printable(candidate)} could be the missing {printable(missing)}: it {', '.join(reasons)}{but}",
        file=candidate,
        referrer=missing,
    )


def ambiguous(equal: int, shown: int) -> str:
    """What follows a missing file's message where several files could be it equally well."""
    rest = f" ({equal - shown} of them not shown)" if equal > shown else ""
    return f"; ambiguous: {equal} files could be it equally well{rest}, so no command is given"


def held_open(path: str, who: str) -> str:
    """What follows a finding's message where the command that would mend it would write to an image that is open."""
    return f"; no command is given, as {printable(path)} is open in {printable(who)}"


def format_judged(found: Finding, claim: Claim, read_as: Format | None, *, top: bool, declared: bool) -> Finding:
    """``found``, about a file that is read as ``read_as``, with what it claims to be, and both explanations of that.

    ``top``: it is the top image; ``declared``: a document says how it is read, and not the record of an overlay.
    """
    said = [found.message]
    as_raw = read_as is Format.RAW and claim.format is not Format.RAW
    if as_raw and claim.capacity is not None:
        said.append(f"The guest sees {human_size(claim.size)}; that header promises {human_size(claim.capacity)}")
    if claim.why:
        said.append(claim.why[:1].upper() + claim.why[1:])
    if top:
        right = f"the document should have <driver name='qemu' type='{claim.format}'/>"
    elif declared:
        right = f"the document should have <format type='{claim.format}'/>"
    else:
        right = f"the overlay should record {claim.format}"
    guest = "If a guest wrote that header to its disk, raw is right, and no program may guess the format"
    if as_raw and claim.verdict is Verdict.RAW:
        said.append("That speaks for a guest that wrote the header: raw is right, and no program may guess the format")
    elif as_raw and found.id == "format-assumed-raw":
        said.append(guest)
    elif as_raw:
        said.append(f"If raw is a slip, {right}. {guest}")
    elif claim.verdict is not Verdict.UNCLEAR and read_as is not claim.format:
        said.append(f"If {read_as} is a slip, {right}")
    severity = found.severity
    if as_raw and found.id == "format-mismatch" and severity is not Severity.ERROR:
        severity = Severity.INFO if claim.verdict is Verdict.RAW else Severity.WARNING
    return found._replace(message=". ".join(said), severity=severity)
