"""The words about a document that names other files than the headers. Pure."""

from diskchain.behaviours import statement
from diskchain.errors import printable
from diskchain.findings import Finding, Severity, finding
from diskchain.units import human_size


def layer_left_out(overlay: str, declared: str, left_out: tuple[str, ...], allocated: int | None) -> Finding:
    """The document goes from ``overlay`` to ``declared``, and the headers go by way of ``left_out``."""
    names = ", ".join(map(printable, left_out))
    held = f" ({human_size(allocated)} in use)" if allocated is not None else ""
    return finding(
        "layer-left-out",
        f"the document leaves out {names}: it puts {printable(declared)} below {printable(overlay)}, whose header names "
        f"{printable(left_out[0])}. {statement('layer-left-out/chain')}, so the guest does not see what is in {names}{held}",
        file=overlay,
        referrer=left_out[0],
    )


def backing_differs(  # what there is to say of two files
    overlay: str, declared: str, named: str | None, allocated: int | None, *, severity: Severity, gone: bool = False
) -> Finding:
    """The document puts ``declared`` below ``overlay``, whose header names another file. ``gone``: that is not there."""
    counts = statement("backing-differs/chain")
    other = printable(named) if named is not None else "a file that cannot be followed"
    if named is None or gone:
        is_there = ", which is not there" if gone else ""
        lost = f"{counts}; qemu-img, and whoever reads the header, looks for {other}{is_there}"
    else:
        held = f" ({human_size(allocated)} in use)" if allocated is not None else ""
        lost = f"{counts}, so the guest does not see what is in {other}{held}"
    return finding(
        "backing-differs",
        f"the document puts {printable(declared)} below {printable(overlay)}, whose header names {other}: {lost}",
        severity=severity,
        file=overlay,
        referrer=named,
    )


def backing_only_declared(overlay: str, declared: str) -> Finding:
    """The document puts a file below an overlay that names none."""
    return finding(
        "backing-differs",
        f"the document puts {printable(declared)} below {printable(overlay)}, whose header names no backing file: "
        f"{statement('backing-differs/chain')}; qemu-img, and whoever reads the header, sees zeros where {printable(overlay)} has no data",
        severity=Severity.WARNING,
        file=overlay,
        referrer=declared,
    )


def data_file_differs(image: str, declared: str, named: str) -> Finding:
    """The document names another data file than the header."""
    return finding(
        "backing-differs",
        f"the document names {printable(declared)} as the data file of {printable(image)}, whose header names {printable(named)}: "
        f"{statement('backing-differs/data-file')}",
        file=image,
        referrer=named,
    )
