"""An image from a stranger that nobody declared a format for: it must have one signature, and that is its format.

libvirt's way of guessing would not do. It takes for raw what other programs take for something that names files: the text
descriptor of a VMDK, say, whose extents may be any file of the host.
"""

from diskchain.cli.target import Target
from diskchain.discover import BackingChain, Discoverer, notes
from diskchain.discover.annotate import annotated
from diskchain.errors import AmbiguousImage, StorageError
from diskchain.findings import Finding
from diskchain.image.probe import probe
from diskchain.readers.local import open_local
from diskchain.readers.patience import PATIENCE, within
from diskchain.storage.location import local_path
from diskchain.storage.terms import Format


def chain_of_stranger(discoverer: Discoverer, target: Target) -> BackingChain:
    """The chain of ``target``, by the ``untrusted`` rules of ``image.probe``. Ambiguous bytes are read as raw, and a finding."""
    path = local_path(target.source.location)
    if path is None:
        return discoverer.discover(target.source, probe=target.probe)
    try:
        format, found = within(PATIENCE, path, lambda: _guess(path))
    except StorageError:
        return discoverer.discover(target.source, probe=target.probe)  # which says why it cannot be read
    chain = discoverer.discover(target.source._replace(format=format))
    return annotated(chain, [(0, found)])


def _guess(path: str) -> tuple[Format, Finding]:
    try:
        with open_local(path) as image:
            format = probe(image, "untrusted")
    except AmbiguousImage as error:
        return Format.RAW, notes.ambiguous(path, error.problem)
    return format, notes.top_probed(path, format)
