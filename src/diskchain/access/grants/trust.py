"""Who named each file of a chain, and what no right is granted on because of that. Pure.

A header may name any file of the host, so a grant that follows it does what the header's author wants. No right is granted on what
discovery refused, on what is no storage, on a file that was replaced since discovery, and, unless the caller trusts the headers, on
a file that only an image of another user names: whoever owns an image could have written into its header.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from diskchain.access.evidence import Present
from diskchain.access.kernel.identity import user_name
from diskchain.access.kernel.path_facts import Inode, Kind
from diskchain.discover.chain import BackingChain, Layer
from diskchain.findings import KINDS, Severity
from diskchain.storage.location import describe_location, local_path
from diskchain.storage.terms import StorageType

#: What discovery says where it did not go on, although it is no error of the image.
_REFUSALS: Final = frozenset({"reference-refused", "inline-credentials"})
_STORAGE: Final = (Kind.FILE, Kind.BLOCK)


class By(StrEnum):
    """Who named a file."""

    USER = "command line"
    DOCUMENT = "document"
    DOMAIN = "domain"
    HEADER = "header"


@dataclass(frozen=True, slots=True)
class Named:
    """Who named a file. ``name``: the document, the domain, or the image whose header it is; empty for the command line."""

    by: By
    name: str = ""

    def __str__(self) -> str:
        if self.by is By.USER:
            return "the command line"
        return f"the {self.by} of {self.name}" if self.by is By.HEADER else f"the {self.by} {self.name}"


#: On the command line.
BY_USER: Final = Named(By.USER)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why no right is granted on ``path``, or on anything of its chain.

    ``unknown``: it could not be told whether one may. ``distrust``: only because a header names it.
    """

    path: str
    reason: str
    unknown: bool = False
    distrust: bool = False


def named_by(chain: BackingChain, top: Named) -> dict[str, Named]:
    """Who named each file of a chain on this host. ``top``: who named the top, and what is declared below it."""
    found: dict[str, Named] = {}
    above: Layer | None = None
    for layer in chain.layers:
        namer = above
        for file in layer.files:
            path = local_path(file.source.location)
            by = Named(By.HEADER, _name(namer)) if file.source.detected and namer is not None else top
            if path is not None and found.get(path, by).by is by.by:
                found.setdefault(path, by)
            elif path is not None and by.by is not By.HEADER:
                found[path] = by
            namer = layer
        above = layer
    return found


def refused_by_discovery(chain: BackingChain) -> Iterator[Refusal]:
    """What stopped discovery, or was refused by its policy."""
    for found in chain.findings:
        if found.severity is Severity.ERROR or found.id in _REFUSALS:
            distrust = found.id == "reference-refused"
            yield Refusal(found.file or _name(chain.top), found.message, KINDS[found.id].unknown, distrust)


def refused_kinds(present: Mapping[str, Present], directories: frozenset[str]) -> Iterator[Refusal]:
    """FIFOs, sockets and character devices, and directories that are not declared as such, whoever named them."""
    for path, there in present.items():
        file = there.facts.file
        if file is not None and file.kind not in _STORAGE and not (file.kind is Kind.DIRECTORY and path in directories):
            yield Refusal(path, f"{path} is a {file.kind}, not storage")


def refused_replacements(chain: BackingChain, present: Mapping[str, Present]) -> Iterator[Refusal]:
    """Files that are another file by now than discovery read."""
    for layer in chain.layers:
        for each in layer.files:
            path, facts = local_path(each.source.location), each.facts
            file = _file(present, path)
            if path is None or file is None or facts is None or facts.type is not StorageType.FILE:
                continue
            if facts.identity != (file.device, file.number):
                yield Refusal(path, f"{path} was replaced since the chain was read")


def refused_authors(
    named: Mapping[str, Named], present: Mapping[str, Present], caller: int, paths: Iterable[str]
) -> Iterator[Refusal]:
    """Of ``paths``, on which a right would be granted: what only a header names.

    Of an image, that is, which belongs neither to root, nor to the ``caller`` (a user id), nor to the owner of the file.
    """
    for path in paths:
        by = named.get(path, BY_USER)
        image, file = _file(present, by.name), _file(present, path)
        if by.by is By.HEADER and image is not None and file is not None and image.uid not in (0, caller, file.uid):
            author, owner = user_name(image.uid), user_name(file.uid)
            reason = f"{path} belongs to {owner}, and only {by} names it, which {author} owns and may have written"
            yield Refusal(path, reason, distrust=True)


def _file(present: Mapping[str, Present], path: str | None) -> Inode | None:
    there = None if path is None else present.get(path)
    return None if there is None else there.facts.file


def _name(layer: Layer) -> str:
    return describe_location(layer.source.location)
