"""One disk, or one layer of a chain, from XML to a value and back.

Parsing takes what the document says and nothing more: no bus guessed, no port filled in, no format assumed. Where
libvirt's parser refuses, so does this one. Reading and writing take the same view unless told otherwise, ``LIVE``: what was read
is what is written. A configuration to define again is written with ``INACTIVE``. What libvirt fills in after parsing is a step of its own,
:func:`~diskchain.libvirtxml.postparse.post_parse`.
"""

from dataclasses import replace

from diskchain.guest.disk import Disk
from diskchain.libvirtxml.format.disk import disk_element
from diskchain.libvirtxml.format.foreign import ORDER, strangers_of_chain, strangers_of_disk
from diskchain.libvirtxml.format.source import backing_element, data_store_element, source_element
from diskchain.libvirtxml.format.style import style
from diskchain.libvirtxml.markup.document import Text, as_document, refuse
from diskchain.libvirtxml.markup.unknown import restore
from diskchain.libvirtxml.parse.disk import read_disk, read_disk_source
from diskchain.libvirtxml.parse.source import Wrapper, layer, read_backing, read_contents, read_index
from diskchain.libvirtxml.view import View
from diskchain.storage.foreign import Foreign
from diskchain.storage.source import UNKNOWN, Backing, Source
from diskchain.storage.terms import StorageType


def parse_disk(text: Text, *, view: View = View.LIVE, origin: str | None = None) -> Disk:
    """One ``<disk>`` with its chain.

    >>> disk = parse_disk("<disk type='file'><source file='/a.img'/><target dev='vda' bus='virtio'/></disk>")
    >>> disk.source.location.path, disk.target.dev, str(disk.bus), disk.source.format
    ('/a.img', 'vda', 'virtio', None)

    ``view`` says how much to read: with ``LIVE`` (the default) everything but ``<privateData>``. ``origin`` names the
    document in errors. Raises XmlError for what is malformed and for what libvirt's parser refuses; it carries the line
    and the accepted values.
    """
    with as_document(text, origin).reading() as root:
        if root.tag != "disk":
            refuse(root, f"<{root.tag}> is no <disk>")
        return read_disk(root, view)


def parse_source(
    text: Text,
    *,
    type: StorageType = StorageType.FILE,
    view: View = View.LIVE,
    origin: str | None = None,
) -> Source:
    """The layer a ``<source>`` of ``type`` describes, or the top of the chain of a ``<disk>``.

    >>> parse_source("<source protocol='nbd'><host name='a'/></source>", type=StorageType.NETWORK).location.hosts[
    ...     0
    ... ].name
    'a'

    A ``<disk>`` need not have a target here: libvirt takes the destination of a block copy this way. Raises XmlError.
    """
    with as_document(text, origin).reading() as root:
        if root.tag == "disk":
            return read_disk_source(root, view)
        if root.tag != "source":
            refuse(root, f"<{root.tag}> is neither a <source> nor a <disk>")
        found: list[Foreign] = []
        index = root.get("index") if view.running else None
        wrapper = Wrapper(chain_index=None if index is None else read_index(root, index))
        return layer(read_contents(root, type, view, found), wrapper, UNKNOWN, found)


def parse_backing_store(text: Text, *, view: View = View.LIVE, origin: str | None = None) -> Backing:
    """What a ``<backingStore>`` says is below: a chain, or its end.

    >>> parse_backing_store("<backingStore/>")
    Terminator(detected=False)

    Raises XmlError; a chain of more than 200 is refused.
    """
    with as_document(text, origin).reading() as root:
        if root.tag != "backingStore":
            refuse(root, f"<{root.tag}> is no <backingStore>")
        return read_backing(root, view)


def format_disk(
    disk: Disk, *, view: View = View.LIVE, secure: bool = False, indent: int = 0, foreign: bool = True
) -> str:
    """``<disk>`` as libvirt writes it, every line ended, from ``indent`` blanks on.

    >>> disk = parse_disk("<disk type='file'><source file='/a.img'/><target dev='vda' bus='virtio'/></disk>")
    >>> print(format_disk(disk), end="")
    <disk type='file' device='disk'>
      <source file='/a.img'/>
      <target dev='vda' bus='virtio'/>
    </disk>

    ``view`` says how much to write: with ``LIVE`` (the default) everything but ``<privateData>``, with ``INACTIVE`` what a
    configuration has. ``secure`` writes cookies, ``foreign`` what the model does not know (libvirt would lose it). Raises UsageError for
    what XML cannot say: control characters, bytes that are not UTF-8, a backing store without a format.
    """
    said = style(view, secure=secure)
    xml = disk_element(" " * indent, disk, said)
    strangers = tuple(strangers_of_disk(disk, said)) if foreign else ()
    return restore(xml, strangers, ORDER) if strangers else xml


def format_source(
    source: Source, *, view: View = View.LIVE, secure: bool = False, indent: int = 0, foreign: bool = True
) -> str:
    """The ``<source>`` element of one layer, without what is below; nothing for an empty drive.

    >>> print(format_source(parse_source("<source file='/a.img'/>")), end="")
    <source file='/a.img'/>

    Raises UsageError as :func:`format_disk` does.
    """
    said = style(view, secure=secure)
    xml = source_element(" " * indent, source, said)
    if not foreign:
        return xml
    top = source._replace(backing=UNKNOWN)
    strangers = (one for one in strangers_of_chain(top, said) if one.place.partition("/")[0] == "source")
    inside = tuple(replace(one, place=one.place.partition("/")[2]) for one in strangers)
    return restore(xml or f"{' ' * indent}<source/>\n", inside, ORDER) if inside else xml


def format_backing_store(
    backing: Backing, *, view: View = View.LIVE, secure: bool = False, indent: int = 0, foreign: bool = True
) -> str:
    """``<backingStore>`` with everything below it; nothing when nothing is known.

    >>> from diskchain.storage.source import TERMINATOR
    >>> print(format_backing_store(TERMINATOR), end="")
    <backingStore/>

    In the inactive views, of which none is the default, what was detected is left out, and all below it. Raises UsageError as :func:`format_disk` does.
    """
    said = style(view, secure=secure)
    xml = backing_element(" " * indent, backing, said)
    if not foreign or not isinstance(backing, Source) or not xml:
        return xml
    strangers = tuple(strangers_of_chain(backing, said))
    return restore(xml, strangers, ORDER) if strangers else xml


def format_data_store(
    data_file: Source, *, view: View = View.LIVE, secure: bool = False, indent: int = 0, foreign: bool = True
) -> str:
    """``<dataStore>`` for qcow2's external data file; nothing in the inactive views when it was detected.

    >>> print(format_data_store(parse_source("<source file='/a.data'/>")), end="")
    <dataStore type='file'>
      <format type='raw'/>
      <source file='/a.data'/>
    </dataStore>

    Raises UsageError as :func:`format_disk` does.
    """
    said = style(view, secure=secure)
    xml = data_store_element(" " * indent, data_file, said)
    strangers = tuple(strangers_of_chain(data_file, said)) if foreign and xml else ()
    return restore(xml, strangers, ORDER) if strangers else xml
