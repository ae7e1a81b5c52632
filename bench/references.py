"""What it costs to read backing strings: each syntax on one core, beside ``urlsplit`` of the same text or ``json.loads`` of the document.

Targets: 200,000 plain paths and 30,000 ``json:`` strings a second, which is 5 µs and 33 µs each.
"""

import inspect
import json
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from rows import Row, best

from diskchain.storage.reference import format_reference, parse_reference
from diskchain.storage.reference.value import is_file_name
from diskchain.storage.source import Source

_REPEATS = 2000

#: ``urlsplit`` without its cache of results.
_split = inspect.unwrap(urlsplit)

_PATHS = ("/var/lib/libvirt/images/base.qcow2", "base.qcow2", "../templates/debian-12.raw", "/dev/vg0/lv:1")
_URIS = (
    "nbd://server:10809/export",
    "https://[fe80::1]:8443/images/a%20b.qcow2?x=y",
    "gluster+unix:///vol/a?socket=/run/s",
)
_COLONS = (
    "nbd:unix:/run/nbd.sock:exportname=a",
    "rbd:pool/image@snap:conf=/etc/ceph.conf:mon_host=a\\:6789\\;b\\:6789",
)
_DOCUMENTS = (
    '{"file":{"driver":"nbd","server":{"type":"unix","path":"/run/nbd.sock"},"export":"a"}}',
    '{"file":{"driver":"raw","offset":512,"size":1048576,"file":{"driver":"file","filename":"/images/base.raw"}}}',
    '{"file.driver":"https","file.url":"https://server/a","file.cookie":"a=b; c=d","file.timeout":10}',
    '{"driver":"rbd","pool":"p","image":"i","server":[{"host":"a","port":"6789"},{"host":"b","port":"6789"}]}',
)


def run() -> Iterator[Row]:
    """Rows in seconds for one string, the mean over the examples of a syntax."""
    strings = tuple(f"json:{document}" for document in _DOCUMENTS)
    sources = tuple(Source(found.location, slice=found.slice) for found in map(parse_reference, (*_URIS, *strings)))
    path, split, uri, split_uri, colon, loads, document, written, dumped, asked, found = (
        seconds / _REPEATS
        for seconds in best(
            _each(parse_reference, _PATHS),
            _each(_split, _PATHS),
            _each(parse_reference, _URIS),
            _each(_split, _URIS),
            _each(parse_reference, _COLONS),
            _each(json.loads, _DOCUMENTS),
            _each(parse_reference, strings),
            _each(format_reference, sources),
            _each(json.dumps, tuple(map(json.loads, _DOCUMENTS))),
            _each(is_file_name, _PATHS),
            _each(lambda text: text.find(":"), _PATHS),
        )
    )
    yield Row("plain path, parsed (200,000 a second)", path, "5 µs", 5e-6, 1.0)
    yield Row("plain path, parsed", path, "urlsplit", split)
    yield Row("plain path, told from the rest", asked, "str.find", found)
    yield Row("URI, parsed", uri, "urlsplit", split_uri)
    yield Row("colon syntax, parsed", colon, "urlsplit of a URI", split_uri)
    yield Row("json:, parsed (30,000 a second)", document, "33 µs", 1 / 30_000, 1.0)
    yield Row("json:, parsed", document, "json.loads", loads)
    yield Row("any, written", written, "json.dumps", dumped)


def _each(action: Callable[..., object], arguments: tuple[object, ...]) -> Callable[[], object]:
    """``_REPEATS`` calls, the arguments in turn."""
    turns = arguments * (_REPEATS // len(arguments) + 1)

    def call() -> None:
        for argument in turns[:_REPEATS]:
            action(argument)

    return call
