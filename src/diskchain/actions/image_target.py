"""A target that is an image by its name alone: a file, a device, or what a reference names. Opens it to see what it is."""

from diskchain.actions.image_names import is_called_image
from diskchain.actions.target import Target, TargetName
from diskchain.errors import IsDirectory, StorageMissing, UsageError, printable
from diskchain.readers.local import open_local
from diskchain.storage.location import BlockLocation, FileLocation
from diskchain.storage.source import Source
from diskchain.storage.terms import StorageType
from diskchain.system.deadline import within
from diskchain.system.paths import absolute_path


def image_target(name: TargetName) -> Target:
    """One image. Raises StorageError, StorageTimeout after its seconds, UsageError (IsDirectory for one)."""
    path = name.name
    if not path:
        raise UsageError("an empty name is no image and no document")
    if ":" in path and name.found_in is None:
        from diskchain.actions.reference_target import is_reference, reference_target

        if is_reference(path):
            return reference_target(name)
    absolute = absolute_path(path)
    try:
        found = within(name.timeout, absolute, lambda: _type(absolute))
    except StorageMissing as error:
        if not _could_be_domain(path):
            raise
        from diskchain.system.shell_words import shell_word

        problem = f"{error.problem}; if it is a domain: -c qemu:///system {shell_word(path)}"
        raise StorageMissing(problem, path=absolute) from error
    if found is StorageType.DIR:
        raise IsDirectory(f"{printable(path)} is a directory, not an image or a document")
    location = BlockLocation(absolute) if found is StorageType.BLOCK else FileLocation(absolute)
    return Target(path, Source(location, name.format), probe=name.format is None)


def _could_be_domain(name: str) -> bool:
    """Whether a name under which there is no file may be that of a domain."""
    return "/" not in name and ":" not in name and not is_called_image(name) and not name.lower().endswith(".xml")


def _type(path: str) -> StorageType:
    with open_local(path) as image:
        return image.facts.type
