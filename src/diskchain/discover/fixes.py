"""The commands that tell an image of the files it is kept with: where its backing or data file is, and what format. Pure.

Each was run against QEMU 7.2; where QEMU has no command, there is none here. Imported only where something is amiss.
"""

from typing import Final

from diskchain.image.header import ImageHeader
from diskchain.storage.reference import redacted
from diskchain.storage.terms import Format
from diskchain.system.shell_words import file_word, shell_word

#: What stands for a file that somebody has to find first.
NEW_PATH: Final = "NEW_PATH"


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


def put_in_place(overlay: str, stored: str | None, found: str, format: Format) -> str:
    """The command that tells ``overlay`` that its backing file is ``found`` now, an absolute path, and of ``format``."""
    name = _as_stored(overlay, stored, found)
    return f"qemu-img rebase -u -b {file_word(name)} -F {shell_word(format)} {file_word(overlay)}"


def tell_data_file(overlay: str, stored: str | None = None, found: str = NEW_PATH) -> str:
    """The command that tells ``overlay`` that its data file is ``found`` now, an absolute path. ``stored``: the name it has for it now.

    QEMU opens the data file for that, so that it has to be named twice. A rebase mends no data file.
    """
    name = _as_stored(overlay, stored, found)
    opened = f"driver=qcow2,file.filename={_option(overlay)},data-file.driver=file,data-file.filename={_option(found)}"
    return f"qemu-img amend --image-opts -o {shell_word(f'data_file={_option(name)}')} {shell_word(opened)}"


def _as_stored(overlay: str, stored: str | None, found: str) -> str:
    """``found`` as ``overlay`` should name it: relative if it lies beside or below, and if the name it has now is relative, too.

    An absolute name may be there because the overlay is reached through a symlink elsewhere, so it stays one.
    """
    directory, slash, _ = overlay.rpartition("/")
    inside = found.startswith(directory + slash) if slash else False
    if stored is None or stored.startswith("/") or not inside:
        return found
    return found[len(directory + slash) :].lstrip("/")


def _option(path: str) -> str:
    """``path`` as the value of one of QEMU's comma-separated options, no protocol."""
    path = f"./{path}" if ":" in path.partition("/")[0] else path
    return path.replace(",", ",,")


#: Formats whose backing string ``qemu-img rebase -u`` can write anew.
REBASABLE = frozenset({Format.QCOW2, Format.QED})
