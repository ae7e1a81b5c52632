r"""Any three files as a chain: discovery ends, within bounds, in a chain and findings, and never raises.

Input: one byte of choices, then the contents of ``a``, ``b`` and ``c``, separated by ``\xffFILE\xff``. The walk starts at ``a``;
what the files name is looked for beside them, in a directory in memory that has nothing else. Policies keep it from leaving that
directory, so that no fuzzed name opens a file of the host.
"""

import os
import tempfile
from pathlib import Path

from diskchain.actions.examined import DiskChain
from diskchain.actions.target import Target
from diskchain.checks.confirmed import certain
from diskchain.checks.consistency import examine
from diskchain.discover import Discoverer
from diskchain.readers.policy import STRICT, UPLOAD
from diskchain.report.long_tree import chain_lines
from diskchain.report.selection import EVERYTHING
from diskchain.report.style import Style
from diskchain.storage.location import FileLocation
from diskchain.storage.source import Source, layers
from diskchain.storage.terms import Format

SEPARATOR = b"\xffFILE\xff"
_FORMATS = (None, *(format for format in Format if format is not Format.DIR))
_MOST_LAYERS = STRICT.depth
_PLACE = Path(tempfile.mkdtemp(prefix="diskchain-walk-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))


def run_one(data: bytes) -> None:
    """Writes the files and walks. Raises whatever should not be raised, or AssertionError for a chain that makes no sense."""
    if not data:
        return
    for name, content in zip("abc", [*data[1:].split(SEPARATOR, 2), b"", b""][:3], strict=True):
        (_PLACE / name).write_bytes(content)
    format = _FORMATS[(data[0] >> 2) % len(_FORMATS)]
    discoverer = Discoverer(UPLOAD if data[0] & 1 else STRICT._replace(unrecorded=True))
    chain = discoverer.discover(Source(FileLocation(f"{_PLACE}/a"), format), probe=bool(data[0] & 2))
    found = list(chain.layers)
    assert 1 <= len(found) <= _MOST_LAYERS
    assert [layer.source for layer in found] == list(layers(chain.source))
    assert all(str(extent.source.location[0]).startswith(f"{_PLACE}/") for layer in found for extent in layer.extents)
    examine(chain)
    certain(chain)
    for line in chain_lines(DiskChain(Target("a", chain.source), chain), tuple(chain.findings), EVERYTHING, Style()):
        assert line.isprintable()
