"""What stands around the layers of a tree: what a disk is called and comes to, where its chain ends, the commands that would mend it."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from diskchain.discover.chain import Layer
from diskchain.errors import printable
from diskchain.findings import Finding
from diskchain.report.findings import counted, fix_line
from diskchain.report.selection import Selection
from diskchain.report.style import Style
from diskchain.report.wrapping import wrapped
from diskchain.storage.terms import Format
from diskchain.units import human_size

if TYPE_CHECKING:
    from diskchain.actions.examined import DiskChain
    from diskchain.storage.lookup import LayerName


def layer_number(name: "LayerName", disk: str) -> str:
    """What a layer is called within its disk: ``[2]``; where a live document has indexes, ``[3] :2``."""
    prefix = len(disk)
    return name.position[prefix:] if name.by_index is None else f"{name.by_index[prefix:]} {name.position[prefix:]}"


def heading_lines(
    disk: "DiskChain", where: str, said: Sequence[Finding], selection: Selection, style: Style
) -> Iterator[str]:
    """What a disk is called, how many layers it has ``where``, and what they come to: sizes, findings. ``said``: of it in its document."""
    layers = tuple(disk.chain)
    title = printable(disk.title)
    count = "1 layer" if len(layers) == 1 else f"{len(layers):,} layers"
    totals = ", ".join(_totals(layers))
    found = [*said, *(found for layer in layers for file in layer.files for found in file.findings)]
    counts = selection.counts(found)
    words = f"{count}{where}: {totals}{'; ' if totals else ''}".rstrip().split(" ")
    *lines, last = wrapped([*title.split(" "), "", *words], style.width)
    plain = counted(counts, Style(), selection.least)  # colours take no room
    fits = style.width is None or len(last) + 1 + len(plain) <= style.width
    coloured = counted(counts, style, selection.least)
    lines += [f"{last} {coloured}"] if fits else [last, f"  {coloured}"]
    if lines[0].startswith(title):
        lines[0] = style.bold(title) + lines[0].removeprefix(title)
    yield from lines


def end_lines(text: str, style: Style) -> Iterator[str]:
    """What stands at the foot of a tree."""
    for number, line in enumerate(wrapped(text.split(" "), style.narrower(3).width)):
        yield ("   " if number else style.elbow) + line


def fix_lines(disk: "DiskChain", selection: Selection) -> Iterator[str]:
    """The commands that would mend a chain, each once, with the layer it is about."""
    told: set[str] = set()
    for name, layer in zip(disk.names[disk.first :], disk.chain, strict=True):
        for file in layer.files:
            for found in selection.of(file.findings):
                if found.fix and found.fix not in told:
                    told.add(found.fix)
                    yield f"{layer_number(name, disk.name)} {fix_line(found)}"


def _totals(layers: Sequence[Layer]) -> Iterator[str]:
    """What the guest sees, and what all files take."""
    top = layers[0]
    if top.header is not None and top.source.format is not Format.DIR:
        yield human_size(top.header.capacity)
    facts = [file.facts for layer in layers for file in layer.files]
    known = [each.allocated for each in facts if each is not None and each.allocated is not None]
    if known:
        yield f"{'' if len(known) == len(facts) else 'at least '}{human_size(sum(known))} used"


def short_message(found: Finding, own: str, homes: Sequence[str]) -> str:
    """What is wrong with the file ``own``, below whose line it stands, with paths as they are there: without the directory they are in.

    ``homes``: what that directory may be called, each with a slash at its end.
    """
    text = found.message.removeprefix(f"{printable(own)}: ")
    for path in (found.file, found.referrer):
        home = next((each for each in homes if path is not None and path.startswith(each)), None)
        if home is not None and path is not None:
            text = _with_short_path(text, printable(path), printable(path.removeprefix(home)))
    return text


def _with_short_path(text: str, path: str, short: str) -> str:
    """``text`` with ``short`` for ``path`` wherever that is not the end of a longer one."""
    begin, at = 0, text.find(path)
    while at >= 0:
        is_longer = at > 0 and (text[at - 1].isalnum() or text[at - 1] in "/._-~")
        if not is_longer:
            text = text[:at] + short + text[at + len(path) :]
        begin = at + len(path if is_longer else short)
        at = text.find(path, begin)
    return text
