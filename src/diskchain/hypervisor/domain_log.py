"""Which files a domain's earlier QEMU processes were given, by libvirt's log of them. Evidence that a domain ran with a file.

Source: libvirt ``qemu_domain.c`` (``qemuDomainLogContext``): the log begins each run with QEMU's command line, and ``-blockdev``
there has the file as a JSON string, since libvirt 5.10.
"""

import json
import os
import re
from pathlib import Path
from typing import Final

#: Where the daemon of root keeps the logs.
DIRECTORY: Final = "/var/log/libvirt/qemu"
#: Of the end of a log; libvirt's own limit for a log is 2 MiB (``max_size`` of virtlogd.conf).
_MOST_BYTES: Final = 2 << 20
_FILENAME: Final = re.compile(rb'"filename":("(?:[^"\\\n]|\\.)*")')


def opened_before(name: str, root: str = "") -> frozenset[str]:
    """The paths in the log of the domain ``name`` of the daemon whose root directory is ``root``. Empty where there is none."""
    if not name or "/" in name:
        return frozenset()
    try:
        with Path(f"{root}{DIRECTORY}/{name}.log").open("rb") as stream:
            stream.seek(max(os.fstat(stream.fileno()).st_size - _MOST_BYTES, 0))
            data = stream.read(_MOST_BYTES)
    except (OSError, ValueError):
        return frozenset()
    return frozenset(path for text in set(_FILENAME.findall(data)) if (path := _decoded(text)) is not None)


def _decoded(text: bytes) -> str | None:
    try:
        found = json.loads(text.decode(errors="surrogateescape"))
    except ValueError:
        return None
    return found if isinstance(found, str) else None
