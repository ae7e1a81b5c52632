"""What of a discovered chain may be written into a document."""

from diskchain.checks.confirmed import certain
from diskchain.discover.chain import BackingChain, Layer, Origin
from diskchain.findings import Finding, finding
from diskchain.image.header import ImageHeader
from diskchain.storage.location import FileLocation, NetworkLocation
from diskchain.storage.protocol_options import Cookie, HttpOptions
from diskchain.storage.source import DETECTED_TERMINATOR, TERMINATOR, UNKNOWN, Source, Terminator, layers, with_backing
from diskchain.storage.terms import Format, Protocol, Unknown

HEADER = ImageHeader(Format.QCOW2, 1 << 20)
UNREAD = finding("missing", "no such file")


def layer(
    name: str,
    *,
    declared: bool = False,
    read: bool = True,
    format: Format | None = Format.QCOW2,
    origin: Origin = Origin.RECORDED,
    findings: tuple[Finding, ...] = (),
    data_file: Layer | None = None,
) -> Layer:
    source = Source(
        FileLocation(name), format, data_file=data_file.source if data_file else None, detected=not declared
    )
    return Layer(source, None, origin, HEADER if read else None, None, findings, data_file)


def remote(format: Format | None, options: HttpOptions | None = None) -> Layer:
    location = NetworkLocation(Protocol.HTTPS, "disk", options=options)
    return Layer(Source(location, format, detected=True), None, Origin.RECORDED)


def chain(*parts: Layer, end: Terminator | Unknown = DETECTED_TERMINATOR) -> BackingChain:
    below: Layer | None = None
    for part in reversed(parts):
        source = with_backing(part.source, end if below is None else below.source)
        below = part._replace(source=source, below=below)
    assert below is not None
    return BackingChain(below)


def told(found: BackingChain) -> tuple[list[str], Unknown | Terminator]:
    kept = list(layers(certain(found)))
    end = kept[-1].backing
    assert not isinstance(end, Source)
    names = [f"{each.location.path if isinstance(each.location, FileLocation) else '?'}" for each in kept]
    return [name + ("+data" if each.data_file else "") for name, each in zip(names, kept, strict=True)], end


TOP = layer("top", declared=True)


def test_a_complete_chain_stays_whole() -> None:
    whole = chain(TOP, layer("middle"), layer("base", data_file=layer("data")))
    assert certain(whole) == whole.source
    assert certain(chain(TOP, end=TERMINATOR)) == chain(TOP, end=TERMINATOR).source


def test_a_missing_layer_is_cut_off_and_the_end_is_unknown() -> None:
    missing = layer("gone", read=False, findings=(UNREAD,))
    assert told(chain(TOP, layer("middle"), missing, end=UNKNOWN)) == (["top", "middle"], UNKNOWN)


def test_a_layer_above_a_loop_stays() -> None:
    bitten = layer("middle", findings=(finding("loop", "comes back to top"),))
    assert told(chain(TOP, bitten, end=UNKNOWN)) == (["top", "middle"], UNKNOWN)


def test_a_guessed_format_stays_only_when_libvirt_would_guess_it() -> None:
    warned = finding("format-not-recorded", "no backing of its own")
    refused = warned._replace(severity=UNREAD.severity)
    guessed = layer("base", origin=Origin.PROBED, findings=(warned,))
    assert told(chain(TOP, guessed)) == (["top", "base"], DETECTED_TERMINATOR)
    assert told(chain(TOP, guessed._replace(findings=(refused,)), end=UNKNOWN)) == (["top"], UNKNOWN)


def test_a_remote_layer_stays_when_its_format_is_recorded() -> None:
    assert told(chain(TOP, remote(Format.RAW), end=UNKNOWN)) == (["top", "?"], UNKNOWN)
    assert told(chain(TOP, remote(None), end=UNKNOWN)) == (["top"], UNKNOWN)


def test_a_remote_layer_that_needs_a_cookie_is_cut_off() -> None:
    with_cookie = HttpOptions(cookies=(Cookie("session", "secret"),))
    assert told(chain(TOP, remote(Format.RAW, HttpOptions()), end=UNKNOWN)) == (["top", "?"], UNKNOWN)
    assert told(chain(TOP, remote(Format.RAW, with_cookie), end=UNKNOWN)) == (["top"], UNKNOWN)


def test_a_detected_layer_goes_with_its_missing_data_file() -> None:
    data = layer("data", read=False, findings=(UNREAD,))
    assert told(chain(TOP, layer("middle", data_file=data), layer("base"))) == (["top"], UNKNOWN)


def test_a_declared_layer_loses_its_missing_data_file_and_what_is_detected_below() -> None:
    data = layer("data", read=False, findings=(UNREAD,))
    top, middle = layer("top", declared=True, data_file=data), layer("middle", declared=True)
    assert told(chain(top)) == (["top"], UNKNOWN)
    assert told(chain(top, layer("base"))) == (["top"], UNKNOWN)
    assert told(chain(top, middle, layer("base"))) == (["top", "middle", "base"], DETECTED_TERMINATOR)


def test_what_was_declared_stays_even_when_it_cannot_be_read() -> None:
    data = layer("data", declared=True, read=False)
    below = layer("base", declared=True, read=False, data_file=data)
    assert told(chain(TOP, below, end=TERMINATOR)) == (["top", "base+data"], TERMINATOR)
