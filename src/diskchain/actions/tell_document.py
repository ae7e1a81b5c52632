"""The command that changes one layer of a document: of a file, or of the definition of a domain that does not run.

Each keeps what was there before: a copy of the file, the definition that was dumped.
"""

import os
from dataclasses import dataclass
from typing import Final

from diskchain.actions.read_document import TargetDocument
from diskchain.actions.target import is_stream
from diskchain.storage.lookup import layer_names
from diskchain.storage.source import Source
from diskchain.storage.terms import Format
from diskchain.system.shell_words import shell_word

#: Where libvirt keeps its definitions and states. It does not read them again, and overwrites them.
_LIBVIRTS_OWN: Final = ("/etc/libvirt/", "/run/libvirt/", "/var/run/libvirt/", os.path.expanduser("~/.config/libvirt/"))


@dataclass(frozen=True, slots=True)
class TellDocument:
    """Call it with a position, and a path, a format, or neither (libvirt is to find out what is below). ``disk``: its target; ``top``: declared.

    None where there is no command: the document comes from a pipe or is libvirt's own file, or a running domain has it.
    """

    document: TargetDocument
    disk: str
    top: Source

    def __call__(self, position: int, path: str | None, format: Format | None) -> str | None:
        """The command."""
        names = layer_names(self.disk, self.top)
        if position >= len(names):
            return None
        words = ["--layer", shell_word(names[position].shown)]
        words += ["--path", shell_word(path)] if path is not None else []
        words += ["--format", str(format)] if format is not None else []
        change = " ".join(words if path is not None or format is not None else [*words, "--detect"])
        return self._of_domain(change) if self.document.domain is not None else self._of_file(change)

    def _of_file(self, change: str) -> str | None:
        origin = self.document.origin
        if is_stream(origin) or os.path.abspath(origin).startswith(_LIBVIRTS_OWN):
            return None
        word = shell_word(origin if not origin.startswith("-") else f"./{origin}")
        kept = _free(f"{origin}.before-edit")
        return f"cp -p -- {word} {shell_word(kept)} && diskchain edit --in-place {change} {word}"

    def _of_domain(self, change: str) -> str | None:
        domain, uri = self.document.domain, self.document.uri
        if domain is None or uri is None or domain.live is not None or domain.inactive is None:
            return None
        virsh, name = f"virsh -c {shell_word(uri)}", shell_word(domain.uuid)
        kept, edited = _free(f"{domain.uuid}.before-edit.xml"), f"{domain.uuid}.edited.xml"
        dumped = f"{virsh} dumpxml --inactive --security-info {name} > {shell_word(kept)}"
        return f"{dumped} && diskchain edit {kept} {change} -o {edited} && {virsh} define {edited}"


def _free(name: str) -> str:
    """``name``, or one like it that nothing has yet."""
    number, free = 1, name
    stem, dot, suffix = name.rpartition(".xml") if name.endswith(".xml") else (name, "", "")
    while os.path.lexists(free):
        number += 1
        free = f"{stem}-{number}{dot}{suffix}"
    return free
