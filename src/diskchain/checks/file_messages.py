"""The words of what a closer look at single files finds: what is missing of them, and what they are instead of a disk. Pure."""

from collections.abc import Sequence

from diskchain.behaviours import statement
from diskchain.errors import printable
from diskchain.findings import Finding, Severity, Stops, finding
from diskchain.image.areas import Area, Effect
from diskchain.storage.terms import Format
from diskchain.system.shell_words import file_word, shell_word

#: What QEMU 7.2 does, worst first.
_EFFECTS = {
    Effect.REFUSES: "QEMU refuses to open it",
    Effect.OTHER: "QEMU opens it, and the guest reads other data of the disk there",
    Effect.BACKING: "QEMU opens it, and the guest reads old data of a backing file there, or zeros",
    Effect.FAILS: "QEMU opens it, and what the guest reads there fails",
    Effect.ZEROS: "QEMU opens it, and the guest reads zeros there",
    Effect.OVERWRITES: "QEMU opens it, and what the guest writes may overwrite other data",
    Effect.EXTRAS: "the disk itself is whole",
    Effect.NOTHING: "no data of the disk are lost",
    Effect.LEAKED: "no data of the disk are lost: a process ended before it wrote them",
}
_HARMLESS = {Effect.NOTHING: Severity.WARNING, Effect.LEAKED: Severity.INFO}
_WORST = list(_EFFECTS)
_MOST_NAMED = 3


def too_short(size: int, areas: Sequence[Area], *, opens: bool) -> str:
    """What is missing of a file of ``size`` bytes, which is not enough for ``areas``, and what QEMU does if it ``opens`` it at all."""
    named = list(dict.fromkeys(printable(area.what) for area in areas))
    rest = len(named) - _MOST_NAMED
    what = ", ".join(named[:_MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")
    message = f"it has {size} bytes and needs at least {max(area.end for area in areas)} for {what}"
    return f"{message}; {_EFFECTS[_worst(areas)]}" if opens else message


def _worst(areas: Sequence[Area]) -> Effect:
    return min((area.effect for area in areas), key=_WORST.index)


def truncated(path: str, format: Format, size: int, areas: Sequence[Area], *, opens: bool, written: bool) -> Finding:
    """The file has ``size`` bytes, which is not enough for ``areas``.

    ``opens`` False: another finding says why QEMU does not open it. ``written``: a running domain writes to it.
    """
    effect = _worst(areas)
    message = f"{printable(path)} was cut short, or its tables are damaged: {too_short(size, areas, opens=opens)}"
    if format is Format.PARALLELS and effect is Effect.ZEROS and opens:
        message += f". Of a block that is there in part, {statement('truncated/parallels')}"
    severity = _HARMLESS.get(effect)
    if written and effect not in _HARMLESS:
        message += ". A running domain writes to it: what is missing may be about to be written. Check it again"
        severity = Severity.WARNING
    found = finding("truncated", message, severity=severity, file=path)
    return found._replace(stops=Stops.START) if effect is Effect.REFUSES and not written else found


def content_truncated(path: str, size: int, what: str, needed: int) -> Finding:
    """``what`` in a raw image says that there are more bytes. A guest may have written it, and the file may have been made shorter."""
    return finding(
        "truncated",
        f"{printable(path)} has {size} bytes, but {what} in it goes on to {needed}: it was cut short, or made smaller",
        severity=Severity.WARNING,
        file=path,
    )


def unreadable_table(path: str, problem: str) -> Finding:
    """The header could be read, and something it points to could not."""
    return finding("unreadable", f"cannot read the tables of {printable(path)}: {problem}", file=path)


def bitmap_in_use(path: str, names: Sequence[str], *, written: bool) -> Finding:
    """``names`` of bitmaps that a process had open, and has not closed."""
    called = ", ".join(map(printable, names))
    if written:
        return finding(
            "bitmap-in-use",
            f"{printable(path)}: dirty bitmaps are in use by the running domain that has it open: {called}",
            severity=Severity.INFO,
            file=path,
        )
    removals = [f"qemu-img bitmap --remove -f qcow2 {file_word(path)} {shell_word(name)}" for name in names]
    return finding(
        "bitmap-in-use",
        f"{printable(path)}: dirty bitmaps were left in use, so QEMU does not know what they miss, and they can only be "
        f"removed: {called}. The next backup has to be a full one",
        file=path,
        fix=" && ".join(removals),
    )


def not_a_disk(path: str, what: str, *, sure: bool) -> Finding:
    """Read as raw, the guest sees the bytes of ``what``. Not ``sure``: it is declared raw, and a guest may have written that."""
    if sure:
        message = f"{printable(path)} is no disk image: it is {what}. Read as raw, that is what the guest sees"
    else:
        message = f"{printable(path)} is raw, and begins like a file of another kind: it is {what}. A guest may have written that"
    return finding("not-a-disk", message, severity=None if sure else Severity.INFO, file=path)


def misnamed(path: str, suffix: str, instead: str) -> Finding:
    """The name says one format, and the bytes say nothing of it."""
    return finding(
        "not-a-disk",
        f"{printable(path)} is called {suffix} and does not begin like that: {instead}. Read as raw, the guest sees its bytes "
        "as they are",
        file=path,
    )


def raw_size(path: str, size: int, block: int, *, here: bool) -> Finding:
    """QEMU 7.2 refuses to write to it past the page cache where that goes in larger blocks. ``here``: so it is where the file lies."""
    where = "" if here else f" on storage with blocks of {block} bytes, which this has not"
    return finding(
        "raw-size",
        f"{printable(path)} is raw and has {size} bytes, which is no multiple of {block}: with cache='none' or "
        f"cache='directsync' QEMU does not open it for writing{where}",
        severity=None if here else Severity.INFO,
        file=path,
        fix=f"qemu-img resize -f raw {file_word(path)} {-(-size // block) * block}",
    )


def parallels_delta(path: str, parent: str) -> Finding:
    """``parent``: as the descriptor beside the image names it, or its id."""
    return finding(
        "parent-unsupported",
        f"{printable(path)} holds only the differences to {printable(parent)}, as DiskDescriptor.xml in its directory says: QEMU does "
        "not read that, and the guest reads zeros where it should read the parent's data",
        file=path,
    )


def parallels_part(path: str, parts: int) -> Finding:
    """The disk is split."""
    return finding(
        "unsupported-image",
        f"{printable(path)} is one of {parts} parts of a disk, as DiskDescriptor.xml in its directory says: QEMU reads this one alone",
        file=path,
    )
