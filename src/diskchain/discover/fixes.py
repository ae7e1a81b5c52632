"""The commands that tell an image of the files it is kept with: where its backing or data file is, and what format. Pure.

Each was run against QEMU 7.2; where QEMU has no command, there is none here. Imported only where something is amiss.
"""

from diskchain.image.header import ImageHeader
from diskchain.storage.reference import redacted
from diskchain.storage.terms import Format
from diskchain.system.shell_words import file_word, shell_word


def record_format(overlay: str, header: ImageHeader | None, format: Format) -> str | None:
    """The command that records the ``format`` of the backing file in ``overlay``, which has this ``header``; the name stays as it is.

    None where the name holds a password. The header of a QED has room for raw alone; other formats have none at all.
    """
    if header is None or header.backing is None:
        return None
    if header.format not in REBASABLE or not has_room_for(header.format, format):
        return None
    stored = header.backing.text
    if redacted(stored) != stored:
        return None
    return f"qemu-img rebase -u -b {shell_word(stored)} -F {shell_word(format)} {file_word(overlay)}"


def has_room_for(overlay: Format | None, format: Format) -> bool:
    """Whether an image of format ``overlay`` can record that its backing file is of ``format``. A VMDK need not, where that is one."""
    if overlay is Format.QED:
        return format is Format.RAW
    return overlay is Format.QCOW2 or (overlay is Format.VMDK and format is not Format.VMDK)


#: Formats whose backing string ``qemu-img rebase -u`` can write anew.
REBASABLE = frozenset({Format.QCOW2, Format.QED})
