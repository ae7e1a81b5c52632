"""A target that is a directory: which of the files below it are images and documents. Reads heads, never whole files.

An image is what is called one, or begins or ends as one; a document, what begins as a document of libvirt that is about disks. All else
(logs, text, sockets, symlinks, devices) is counted and passed over.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Final, Literal

from diskchain.actions.examined import Examined
from diskchain.actions.image_names import is_called_image
from diskchain.actions.target import TargetName, begins_document
from diskchain.actions.walked import Walked
from diskchain.discover.messages import unreadable_target
from diskchain.errors import DiskchainError, IsDirectory, StorageError, StorageMissing, XmlError, printable
from diskchain.image.magic import candidates, has_partition_table
from diskchain.readers.local import open_local, storage_error
from diskchain.storage.terms import StorageType
from diskchain.system.deadline import within
from diskchain.system.directory_walk import Entry, Kind, walk

Sort = Literal["image", "document", "directory", "other", "gone"]
#: Told while many are looked at: how many so far, and of how many, if that is known.
Tell = Callable[[int, int | None], None]

#: How what is passed over is counted.
_PASSED: Final[Mapping[Kind, str]] = {
    "file": "other files",
    "device": "devices",
    "special": "special files",
    "symlink": "symlinks",
    "mount": "file systems",
}
_HEADS_AT_ONCE: Final = 16  # heads that are read by one question
_ENTRIES_AT_ONCE: Final = 256


def sorts_of(paths: Sequence[str], seconds: float) -> list[Sort]:
    """What is at each of ``paths``, by their bytes. What cannot be read, or does not answer in time, may be an image."""
    try:
        return within(seconds, paths[0], lambda: [_sort_of(path) for path in paths])
    except StorageError:
        return ["image"] if len(paths) == 1 else [sort for path in paths for sort in sorts_of([path], seconds)]


def _sort_of(path: str) -> Sort:
    try:
        with open_local(path) as image:
            if image.facts.type is StorageType.DIR:
                return "directory"
            try:
                if begins_document(image.head, path):
                    return "document"
            except XmlError:  # it is called .xml, and is of another kind; a document that is empty now is not
                return "other" if image.facts.size else "document"
            window = image.window()
            return "image" if candidates(window)[0] or has_partition_table(window) else "other"
    except StorageMissing:
        return "gone"
    except DiskchainError:
        return "image"


def targets_in(
    top: TargetName, *, one_file_system: bool = False, tell: Tell | None = None
) -> list[TargetName | Examined]:
    """What was counted below the directory ``top``, then its images and documents, and the directories that cannot be read.

    ``one_file_system``: what is mounted there is left out.
    """
    found: list[TargetName | Examined] = []
    passed: dict[str, int] = {}
    entries = walk(top.name, one_file_system=one_file_system, seconds=top.timeout)
    while some := list(islice(entries, _ENTRIES_AT_ONCE)):
        for entry, sort in zip(some, _sorts(some, top.timeout), strict=True):
            if entry.error is not None:
                found.append(_unread(top.name, entry.path, entry.error))
            elif sort == "other":
                what = _PASSED[entry.kind]
                passed[what] = passed.get(what, 0) + 1
            elif sort in ("image", "document"):
                found.append(top._replace(name=entry.path, sort=sort, found_in=top.name))
        if tell is not None:
            tell(len(found), None)
    sorts = [each.sort for each in found if isinstance(each, TargetName)]
    walked = Walked(sorts.count("image"), sorts.count("document"), len(found) - len(sorts), passed)
    nothing = (
        None if found else IsDirectory(f"{printable(top.name)} is a directory with no image and no document below it")
    )
    return [Examined(top.name, error=nothing, walked=walked), *found]


def _sorts(entries: Sequence[Entry], seconds: float) -> list[Sort]:
    """What each entry is. A file that is called an image need not be opened for that."""
    sorts: list[Sort] = ["image" if _is_named_image(each) else "other" for each in entries]
    unknown = iter([at for at, each in enumerate(entries) if each.kind == "file" and sorts[at] != "image"])
    while some := list(islice(unknown, _HEADS_AT_ONCE)):
        for at, sort in zip(some, sorts_of([entries[at].path for at in some], seconds), strict=True):
            sorts[at] = sort
    return sorts


def _is_named_image(entry: Entry) -> bool:
    """A FIFO or socket of such a name is something to say; nothing else but files is looked at."""
    return entry.kind in ("file", "special") and is_called_image(entry.path)


def _unread(top: str, path: str, error: OSError | StorageError) -> Examined:
    problem = error if isinstance(error, StorageError) else storage_error(error, path)
    return Examined(path, said=(unreadable_target(path, problem),), found_in=top)
