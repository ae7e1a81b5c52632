"""The external data file of a qcow2 image: the declared one, else the one its header names. Opens nothing itself.

Source: QEMU 7.2 ``qcow2_do_open``, which reads it as raw whatever it begins with: a guest may have written a LUKS header there.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from diskchain.discover import messages as notes
from diskchain.discover.chain import Layer, Origin
from diskchain.image.header import ImageHeader
from diskchain.storage.source import DETECTED_TERMINATOR, Source, with_backing
from diskchain.storage.terms import Format, Unknown

if TYPE_CHECKING:
    from diskchain.discover.partial_layer import PartialLayer

_RAW: Final = Format.RAW

#: What the name in the header resolves to; it says itself why it cannot be followed.
Refer = Callable[[str], Source | Unknown]
#: Reads the file as a format; headed False: it has no header. None: it was refused, and that is said.
LookAt = Callable[[Source, Format, Origin, bool], "PartialLayer | None"]


def follow_data_file(image: "PartialLayer", name: str | None, refer: Refer, look_at: LookAt) -> None:
    """Give ``image``, whose header names its data file ``name``, that file, or the finding why not."""
    source = image.source.data_file
    if source is None:
        if not name:
            image.stop(notes.bad_reference(image.name, "data file name", "it is empty"))
            return
        named = refer(name)
        if not isinstance(named, Source):
            return
        source = named._replace(readonly=image.source.readonly)
    origin = Origin.RECORDED if source.detected else Origin.DECLARED
    format = source.format or _RAW
    data = look_at(source, format, origin, format is not _RAW)
    if data is None:
        return
    header, facts = data.header, data.facts
    if data.format is Format.DIR:
        data.note(notes.not_storage(data.name, image.name, "is a directory"))
    elif format is _RAW and facts is not None:
        header = ImageHeader(_RAW, facts.size)
    settled = with_backing(data.source, DETECTED_TERMINATOR)
    image.data_file = Layer(settled, None, origin, header, facts, data.findings)
    image.source = image.source._replace(data_file=settled)
