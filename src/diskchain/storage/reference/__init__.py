"""Backing strings: what an image header or a command line names, as a value, and back.

Knows which syntax a string is in, and what comes out of it; each syntax has a module of its own, imported when a string needs
it, because plain file names are on the start-up path. Touches no storage: a file name may turn out to be a device or a directory.

Two programs read these strings, and they do not agree everywhere. ``dialect`` says whose reading is wanted:

* ``"libvirt"`` (11.3.0, ``virStorageSourceNewFromBackingAbsolute``): what the domain's chain will be;
* ``"qemu"`` (7.2, the block drivers' ``bdrv_parse_filename``): what QEMU opens when it follows the header by itself.

==================================  ====================================  ====================================================
string                              ``"libvirt"``                         ``"qemu"``
==================================  ====================================  ====================================================
``file:``, ``host_device:`` …       refused                               the path after the colon
``fat:rw:DIR``, ``fat:A:B``         directory ``rw:DIR``, ``A:B``         directory ``DIR``, ``B``; options are unknown keys
``ssh://``, ``nfs://`` paths        without their slash (a home           with it
                                    directory's)
``ssh://USER@…``                    credentials: not followed             the user who logs in
``…://…?query``                     http(s) keep it, ``socket=``,         ``socket=``, decoded, alone; ssh, nfs: parameters;
                                    undecoded; else ignored               any other is refused
``PROTOCOL+TRANSPORT://``           any pair                              nbd and gluster only
``http://h//x``                     ``x``                                 ``/x``
``http://h/a%2Fb``                  ``a/b``                               refused: no value of ours can hold it
``gluster://`` slashes              the first one splits                  runs of slashes count as one
``iscsi://h/TARGET``                unit 0                                refused
``iscsi://h/%20%20/1``              both escapes resolved                 the first one, as libiscsi does
``rbd://h/p/i``                     a URI                                 colon syntax, pool ``""``: refused
``rbd:`` escapes                    in ``mon_host`` only                  everywhere
``rbd:`` namespace, ``id=``, more   ignored                               read; unknown options kept
tftp, sheepdog, vxhs                read                                  refused: QEMU has no such driver any more
``json:`` drivers                   protocols, one raw above              also vvfat, and a format above (``format``)
``json:`` offset above ``file``     unknown key                           a slice, and raw
``json:`` port as a number          ignored, so the default port          that port
``json:`` numbers as strings        refused                               read, ``64k`` too
``json:`` in single quotes          refused                               read
``json:`` host-key-check and other  unknown keys                          read
newer options
==================================  ====================================  ====================================================

Where both would take a string that nothing can open (no host, a port above 65535, a unit that is no number, a NUL), it is refused.
So are ``json:`` documents that QEMU reads by accident: one place named twice, a driver that is no string, half a KiB as ``0.5k``.
IPv6 addresses lose their brackets everywhere; libvirt leaves them on an iSCSI ``portal``.
"""

from typing import Final

from diskchain.errors import ReferenceSyntaxError
from diskchain.storage.location import FileLocation
from diskchain.storage.reference.redact import redacted
from diskchain.storage.reference.value import Dialect, Reference, Scalar, is_file_name
from diskchain.storage.source import Source

__all__ = ["MAX_LENGTH", "format_reference", "parse_reference", "redacted"]

#: Longest string looked at, in characters. Headers hold 1023 bytes (qcow2, ``BDRV_MAX_BACKING``…); command lines more.
MAX_LENGTH: Final = 1 << 16


def parse_reference(text: str, dialect: Dialect = "libvirt") -> Reference:
    """What ``text`` names. A relative file name stays relative.

    >>> str(parse_reference("nbd://host/export").source().location.protocol)
    'nbd'

    Raises UnsupportedReference for what the other dialect or the model may know, else ReferenceSyntaxError; never anything
    else, whatever the text, and never with the text in the message.
    """
    if len(text) > MAX_LENGTH:
        raise ReferenceSyntaxError(f"a backing string of {len(text)} characters is longer than {MAX_LENGTH}")
    if not text or "\0" in text:
        raise ReferenceSyntaxError("a backing string with a NUL in it" if text else "an empty backing string")
    if is_file_name(text):
        return Reference(FileLocation(text))
    prefix = text[: text.index(":")]
    if prefix == "json":
        from diskchain.storage.reference.json_reference import parse_json

        return parse_json(text, dialect)
    if "://" in text and prefix != "fat" and (dialect == "libvirt" or prefix not in _COLON_ONLY_IN_QEMU):
        from diskchain.storage.reference.uri import parse_uri

        return parse_uri(text, dialect)
    from diskchain.storage.reference.colon import parse_colon

    return parse_colon(text, dialect)


#: QEMU's drivers that never look for a URI in what follows their prefix.
_COLON_ONLY_IN_QEMU: Final = frozenset({"rbd", "file", "host_device", "host_cdrom"})


def format_reference(source: Source, unknown: tuple[tuple[str, Scalar], ...] = ()) -> str:
    """The string to write into an overlay of ``source``: libvirt's choice, the shortest that QEMU reads back to the same thing.

    >>> format_reference(Source(FileLocation("/images/base.qcow2")))
    '/images/base.qcow2'

    A path where that will do, else a URI, else ``json:``. ``unknown`` is :attr:`Reference.unknown`, or empty. Of a login only
    the user name of ssh and rbd goes in; cookies do too, as libvirt writes them. Raises UsageError for what no string can say.
    """
    from diskchain.storage.reference.writer import write

    return write(source, unknown)
