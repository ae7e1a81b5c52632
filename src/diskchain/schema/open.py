"""``diskchain open --json``: schema ``diskchain/open/1``. No key is ever in it."""

import msgspec

OPEN_SCHEMA = "diskchain/open/1"


class OpenDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What ``diskchain open --json`` prints once the chain is served; it is served until the process ends.

    ``uri``: ``nbd+unix://…`` or ``file://…``; ``path``: the file, null without ``--fuse``. ``writable``: whether writes are taken, into an
    overlay that is forgotten at the end.
    """

    schema: str = OPEN_SCHEMA
    target: str
    uri: str
    path: str | None
    writable: bool


def open_document(target: str, uri: str, path: str | None, *, writable: bool) -> OpenDocument:
    """The JSON form of a chain that is served."""
    return OpenDocument(target=target, uri=uri, path=path, writable=writable)
