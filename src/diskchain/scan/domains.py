"""The domains of a connection, with every file they need: disks, firmware and its variables, kernels, memory images, snapshots, checkpoints.

Whatever a document names by an absolute path counts as needed, at whatever place: a file too many is kept, a file too few is lost.
"""

from collections.abc import Iterator
from time import time
from typing import Final

from diskchain.errors import DiskchainError, PeerError, XmlError
from diskchain.hypervisor.connection import Connection, DomainDocument, DomainRecord
from diskchain.libvirtxml.markup.document import Document, Element
from diskchain.scan.files import Files
from diskchain.schema.scan import DomainDocument as DomainLine
from diskchain.schema.scan import RootDocument, UseDocument

#: What is no file of the domain's own: the program that runs it, and devices of the host.
_NOT_NEEDED: Final = frozenset({"emulator", "rng", "input", "console", "serial", "parallel", "channel", "binary"})


def scan_domains(connection: Connection, files: Files) -> Iterator[RootDocument | DomainLine]:
    """The line that begins the root, one a domain, and the line that ends it. Raises nothing of libvirt's: it makes the root ``failed``."""
    from msgspec.structs import replace

    begun = RootDocument(kind="domains", path=connection.uri, state="begun", started=time())
    yield begun
    try:
        domains = connection.domains()
    except PeerError as error:
        yield replace(begun, state="failed", ended=time(), denied=(str(error),))
        return
    denied: list[str] = []
    for domain in domains:
        line, problems = _domain(connection, domain, files)
        denied += problems
        yield line
    state = "partial" if denied else "complete"
    yield replace(begun, state=state, ended=time(), files=len(domains), denied=tuple(denied[:100]))


def _domain(connection: Connection, domain: DomainDocument, files: Files) -> tuple[DomainLine, list[str]]:
    """One domain, and what of it could not be read."""
    problems: list[str] = []
    found: dict[tuple[str, str], UseDocument] = {}
    documents = [("live", domain.live), ("inactive", domain.inactive)]
    try:
        documents += [(_origin(each), each.document) for each in connection.records(domain.uuid)]
    except DiskchainError as error:
        problems.append(f"{domain.name}: {error}")
    for origin, text in documents:
        if text is None:
            continue
        try:
            for target, path in named_files(text):
                found.setdefault((target, path), _use(files, target, origin, path))
        except XmlError as error:
            problems.append(f"{domain.name}: {error}")
    line = DomainLine(uuid=domain.uuid, name=domain.name, running=domain.live is not None, uses=tuple(found.values()))
    return line, problems


def _origin(record: DomainRecord) -> str:
    return f"{record.kind} {record.name}"


def named_files(text: bytes) -> list[tuple[str, str]]:
    """Every absolute path in a document, after the target of its disk, or else the name of its element. Raises XmlError."""
    with Document(text).reading() as root:
        return list(_named(root, None))


def _named(element: Element, target: str | None) -> Iterator[tuple[str, str]]:
    tag = element.tag
    if not isinstance(tag, str) or tag in _NOT_NEEDED:
        return
    if tag == "disk":
        named = element.find("target")
        target = (None if named is None else named.get("dev")) or element.get("name") or "disk"
    label = target or tag
    for value in [*(value for _, value in element.items()), (element.text or "").strip()]:
        if value.startswith("/"):
            yield label, value
    for child in element:
        yield from _named(child, target)


def _use(files: Files, target: str, origin: str, path: str) -> UseDocument:
    state, key = files.at(path)
    if key is None:
        return UseDocument(target=target, origin=origin, path=path, state=state)
    return UseDocument(
        target=target,
        origin=origin,
        path=path,
        state=state,
        store=key.store,
        inode=key.inode,
        generation=key.generation,
    )
