"""The commands that would mend a chain, each with what keeps a way back, and the change of a header that each comes to.

Knows qemu-img (7.2; each command is run by a test) and which bytes it writes. Whether a command makes a chain better is not known here:
``cures`` tries the change first. Asks the file system only for a name that is still free for a backup.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from diskchain.discover.chain import Layer
from diskchain.discover.fixes import REBASABLE
from diskchain.discover.trial import Change
from diskchain.image.header import BackingReference, ImageHeader
from diskchain.storage.location import BlockLocation, FileLocation, local_path
from diskchain.storage.source import UNKNOWN, Source, layers, stack
from diskchain.storage.terms import Format, StorageType
from diskchain.system.shell_words import file_word, shell_word

#: A change of nothing: the chain as it is.
NO_CHANGE: Final = Change()
#: What stands for a file that somebody has to find first, and for its format.
NEW_PATH: Final = "NEW_PATH"
FORMAT: Final = "FORMAT"
#: The command that tells the document of another path or format of the layer at a position; with neither, to say nothing of what is below
#: it. None: there is none.
TellDocument = Callable[[int, str | None, Format | None], str | None]
_SMALLEST: Final = 65536  # bytes of a header that are kept: a cluster, or more where clusters are smaller


@dataclass(frozen=True, slots=True)
class Cure:
    """A command (None: only people can make this change), and the change it would make to what a walk sees.

    ``writes``: the file it would write to; None: to none that is there. ``top``: what the document would say then, where it changes that.
    """

    command: str | None
    change: Change
    writes: str | None = None
    top: Source | None = None


def rebase(overlay: Layer, name: str, format: str) -> Cure | None:
    """``overlay`` told that its backing file is ``name``, as it is to be stored, of ``format``; None where QEMU has no command.

    ``-u`` rewrites the header alone. The header of a QED has room for the format raw only.
    """
    path, header = local_path(overlay.source.location), overlay.header
    if path is None or header is None or header.format not in REBASABLE:
        return None
    kept = backup(overlay, "rebase")
    recorded = None if header.format is Format.QED and format != Format.RAW else format
    backing = BackingReference(name, recorded)
    command = f"{kept} && qemu-img rebase -u -b {shell_word(name)} -F {shell_word(format)} {file_word(path)}"
    return Cure(command, _header(overlay, lambda old: old._replace(backing=backing)), path)


def amend_data_file(image: Layer, found: str) -> Cure | None:
    """``image`` told that its data file is ``found``, an absolute path. A rebase mends no data file.

    QEMU (7.2) looks for a relative name in its own working directory, so none is stored. It opens the data file for this command, so that
    it has to be named twice; and it wants the key of an encrypted image.
    """
    path, header = local_path(image.source.location), image.header
    if path is None or header is None or header.format is not Format.QCOW2 or header.encryption is not None:
        return None
    opened = f"driver=qcow2,file.filename={_option(path)},data-file.driver=file,data-file.filename={_option(found)}"
    amended = f"qemu-img amend --image-opts -o {shell_word(f'data_file={_option(found)}')} {shell_word(opened)}"
    change = _header(image, lambda old: old._replace(data_file=found))
    return Cure(f"{backup(image, 'amend')} && {amended}", change, path)


def link(path: str, found: str) -> Cure:
    """A symlink at ``path``, where nothing is, to ``found``: for names that no command of QEMU's rewrites. Writes to no image."""
    possible = os.path.isdir(os.path.dirname(path)) and not os.path.lexists(path)
    command = f"ln -s -- {shell_word(found)} {shell_word(path)}" if possible else None
    return Cure(command, Change({}, {path: found}))


def renamed(image: Layer, old: str, new: str) -> Cure:
    """The name ``old`` in the header of ``image`` replaced by ``new``, for which there is no command."""

    def edit(header: ImageHeader) -> ImageHeader:
        extents = tuple(each._replace(name=new) if each.name == old else each for each in header.extents)
        backing = header.backing
        if backing is not None and backing.text == old:
            backing = backing._replace(text=new)
        return header._replace(extents=extents, backing=backing)

    return Cure(None, _header(image, edit))


def declared_elsewhere(top: Source, position: int, found: str, tell: TellDocument | None) -> Cure:
    """The layer at ``position`` of a document moved to ``found``."""
    command = tell(position, found, None) if tell is not None else None
    return Cure(command, Change(), top=_with_declared(top, position, lambda old: _moved(old, found)))


def declared_as(top: Source, position: int, format: Format, tell: TellDocument | None) -> Cure:
    """The layer at ``position`` of a document declared to be of ``format``."""
    command = tell(position, None, format) if tell is not None else None
    return Cure(command, Change(), top=_with_declared(top, position, lambda old: old._replace(format=format)))


def undeclared_below(top: Source, position: int, tell: TellDocument | None) -> Cure:
    """A document that says nothing of what is below the layer at ``position``: the headers tell."""
    command = tell(position, None, None) if tell is not None else None
    return Cure(command, Change(), top=stack([*layers(top)][: position + 1], UNKNOWN))


def _moved(old: Source, found: str) -> Source:
    if isinstance(old.location, FileLocation | BlockLocation):
        return old._replace(location=old.location._replace(path=found))
    return old


def _with_declared(top: Source, position: int, edit: Callable[[Source], Source]) -> Source:
    declared = [*layers(top)]
    end = declared[-1].backing
    declared[position] = edit(declared[position])
    return stack(declared, UNKNOWN if isinstance(end, Source) else end)


def enlarge(overlay: Layer, capacity: int) -> Cure | None:
    """``overlay`` made as large as its backing file.

    A plain resize would not help: QEMU writes zeros over what comes into view, lest a guest see what it did not before.
    """
    path, header = local_path(overlay.source.location), overlay.header
    if path is None or header is None or header.format not in REBASABLE:
        return None
    named = header.backing
    if named is None or named.format is None:
        return None
    top, again = file_word(path), f"-b {shell_word(named.text)} -F {shell_word(named.format)}"
    steps = f"qemu-img rebase -u -b '' {top} && qemu-img resize {top} {capacity} && qemu-img rebase -u {again} {top}"
    return Cure(
        f"{whole_copy(overlay, 'resize')} && {steps}",
        _header(overlay, lambda old: old._replace(capacity=capacity)),
        path,
    )


def backup(image: Layer, what: str) -> str:
    """The command that keeps what a change of the header of ``image`` overwrites, under a name that is free.

    That is the first cluster; compressed, so that no program takes it for an image cut short. Of a qcow2 with bitmaps, or one that was not
    closed properly, QEMU writes more as soon as it opens it: then it is a copy of all.
    """
    path, header = local_path(image.source.location) or "", image.header
    if header is None or header.dirty or (header.features is not None and header.features.autoclear):
        return whole_copy(image, what)
    size = max(header.cluster_size or 0, _SMALLEST)
    kept = _free(image, path, f".before-{what}", ".gz")
    return f"head -c {size} -- {shell_word(path)} | gzip > {shell_word(kept)}"


def whole_copy(image: Layer, what: str) -> str:
    """The command that copies all of ``image``: at once where the file system shares blocks (XFS, Btrfs), else without its holes."""
    path = local_path(image.source.location) or ""
    kept = _free(image, path, f".before-{what}")
    return f"cp --reflink=auto --sparse=always -- {shell_word(path)} {shell_word(kept)}"


def _free(image: Layer, path: str, stem: str, suffix: str = "") -> str:
    """A name for a copy of ``path`` that nothing has yet: beside it, or in the working directory if it is a device."""
    is_device = image.facts is not None and image.facts.type is StorageType.BLOCK
    stem = (path.rpartition("/")[2] if is_device else path) + stem
    name, number = stem + suffix, 1
    while os.path.lexists(name):
        number += 1
        name = f"{stem}-{number}{suffix}"
    return name


def _header(image: Layer, edit: Callable[[ImageHeader], ImageHeader]) -> Change:
    identity = image.facts.identity if image.facts is not None else None
    return Change({} if identity is None else {identity: edit})


def as_stored(namer: str, stored: str | None, found: str) -> str:
    """``found`` as the image ``namer`` should name it: relative if it lies beside or below, and if the name it has now is no absolute path.

    An absolute name may be there because the overlay is reached through a symlink elsewhere, so it stays one.
    """
    directory, slash, _ = namer.rpartition("/")
    inside = found.startswith(directory + slash) if slash else False
    if stored is None or stored.startswith(("/", "json:", "file:")) or not inside:
        return found
    relative = found[len(directory + slash) :].lstrip("/")
    return f"./{relative}" if ":" in relative.partition("/")[0] else relative


def _option(path: str) -> str:
    """``path`` as the value of one of QEMU's comma-separated options, no protocol."""
    path = f"./{path}" if ":" in path.partition("/")[0] else path
    return path.replace(",", ",,")
