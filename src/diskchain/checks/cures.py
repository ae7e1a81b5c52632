"""Cures for what is wrong with a chain, each tried in memory before it is said.

For every file that is missing: which files could be it, and, where exactly one is likeliest, the command that puts it in place. A command
stands in a finding only if the chain walked after it is better: the fault is gone, and there is no loop, no base larger than its overlay,
no base with another id than remembered, no new error. None is given that would write to an image that is open, to make a note go away,
or where the missing file is only out of reach for now.

Knows candidates, commands and the walk; must not know documents: whoever has one hands over what changes it. Changes nothing.
"""

from dataclasses import replace
from typing import Final

from diskchain.checks import commands
from diskchain.checks.annotate import annotated, rewritten
from diskchain.checks.commands import Cure
from diskchain.checks.cure_messages import held_open
from diskchain.checks.format_cures import judged_formats
from diskchain.checks.header_cures import header_cures
from diskchain.checks.replacements import Around, is_about, look_for
from diskchain.checks.trials import is_better
from diskchain.checks.wanted import wanted_files
from diskchain.discover.chain import BackingChain
from diskchain.findings import Finding, Severity
from diskchain.storage.location import local_path

#: Findings that come with a repair by qemu-img; that of the last only adds bytes at the end.
_REPAIRS: Final = frozenset(("dirty", "corrupt", "bitmap-in-use", "raw-size"))


def with_cures(chain: BackingChain, around: Around) -> BackingChain:
    """``chain`` with a command in each finding that has one, and a note for each file that could be a missing one. Never raises."""
    if all(found.severity is Severity.INFO and found.id != "format-mismatch" for found in chain.findings):
        return chain
    cured = _Cured(chain, around)
    notes: list[tuple[int, Finding]] = []
    for wanted in wanted_files(chain):
        about = [found for found in chain.findings if is_about(found, wanted)]
        looked = look_for(wanted, chain, about, around)
        notes += [(wanted.position, note) for note in looked.notes]
        for found in about:
            cured.instead[found] = found._replace(message=found.message + looked.said, fix=looked.fix)
    cured.headers()
    cured.formats()
    cured.repairs()
    return annotated(rewritten(chain, lambda found: cured.instead.get(found, found)), notes)


class _Cured:
    """What becomes of the findings of a chain about files that are there. ``instead``: by the finding as it was."""

    def __init__(self, chain: BackingChain, around: Around) -> None:
        self.instead: dict[Finding, Finding] = {}
        self._chain = chain
        self._around = around

    def headers(self) -> None:
        """Faults of headers: without a command that would write to an image and was not tried."""
        for found, cure in header_cures(self._chain, self._around.asked, self._around.tell):
            if found.id == "backing-differs" and cure is not None and cure.top is not None:
                tried = self._differs_no_more(cure)
            else:
                tried = cure is not None and self._is_better(cure, found)
            if cure is not None and tried:
                self._say(found, found, cure.command, cure.writes)
            elif found.fix is not None and "qemu-img" in found.fix:
                self.instead[found] = found._replace(fix=None)

    def formats(self) -> None:
        """Formats that are not what a file begins with, if that is worth more than a note."""
        around = self._around
        for found, judged, cure in judged_formats(self._chain, around.asked, around.tell, seconds=around.seconds):
            self.instead[found] = judged
            if cure is not None and judged.severity is not Severity.INFO and self._is_better(cure, found):
                self._say(found, judged, cure.command, cure.writes)

    def repairs(self) -> None:
        """Repairs, each with a copy of the image before."""
        for layer in self._chain.layers:
            for found in layer.findings:
                if found.id == "raw-size" and layer.header is not None and layer.header.remarks:
                    self.instead[found] = found._replace(fix=None)  # it begins like an image: perhaps it is one
                elif found.id in _REPAIRS and found.fix is not None:
                    has_copy = found.id == "raw-size" or found.fix.startswith("cp ")
                    kept = "" if has_copy else f"{commands.whole_copy(layer, 'repair')} && "
                    self._say(found, found, kept + found.fix, local_path(layer.source.location))

    def _is_better(self, cure: Cure, found: Finding) -> bool:
        return is_better(self._chain, self._around.walk(cure), [found])

    def _differs_no_more(self, cure: Cure) -> bool:
        """Whether the headers alone, from the image that ``cure`` is for, are a better chain after it."""
        before = self._around.walk(replace(cure, change=commands.NO_CHANGE))
        if before is None:
            return False
        return is_better(before, self._around.walk(cure), [each for each in before.findings if each.id == "missing"])

    def _say(self, found: Finding, judged: Finding, command: str | None, path: str | None) -> None:
        """``judged`` in the place of ``found``, with a ``command`` that writes to ``path``; without, if that is open."""
        who = self._around.open_in(path) if path is not None and command is not None else None
        if who is None:
            self.instead[found] = judged._replace(fix=command)
        else:
            self.instead[found] = judged._replace(message=judged.message + held_open(path or "", who), fix=None)
