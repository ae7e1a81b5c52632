"""A Parallels disk is a directory: ``DiskDescriptor.xml`` says which of its files is over which. QEMU does not read that.

An image file in such a directory may hold only the differences to another one, or one part of the disk, and QEMU opens it as if it were all.
Reads that one document beside an image, and a bounded part of it. Source: *Parallels Disk Format*, in QEMU
``docs/interop/prl-xml.txt``.
"""

import re
from dataclasses import dataclass
from html import unescape
from typing import Final

from diskchain.errors import NotStorage, StorageMissing
from diskchain.readers.local import open_local
from diskchain.units import MiB

DESCRIPTOR: Final = "DiskDescriptor.xml"
_LARGEST: Final = MiB  # ours; with a hundred snapshots it takes 50 KiB


@dataclass(frozen=True, slots=True)
class Place:
    """Where an image file stands in its disk. ``parent``: the file it is over; None: none. ``parts``: the disk is split into so many."""

    parent: str | None
    parts: int


def place_in_bundle(path: str) -> Place | None:
    """What the descriptor beside the image at ``path`` says of it; None: there is none, or it does not name that file.

    Raises StorageError when it is there and cannot be read.
    """
    directory, _, name = path.rpartition("/")
    text = _read(f"{directory}/{DESCRIPTOR}")
    if text is None:
        return None
    text = "".join(part.rpartition("-->")[2] for part in text.split("<!--"))
    parents = {_value(shot, "GUID"): _value(shot, "ParentGUID") for shot in _elements(text, "Shot")}
    storages = [
        {_value(image, "GUID"): _value(image, "File") for image in _elements(storage, "Image")}
        for storage in _elements(text, "Storage")
    ]
    for files in storages:
        for guid, file in files.items():
            if file.replace("\\", "/").rpartition("/")[2] == name:
                parent = parents.get(guid, "")
                return Place(files.get(parent, parent) if parent.strip("{}0-") else None, len(storages))
    return None


def _read(path: str) -> str | None:
    try:
        with open_local(path) as file:
            return file.pread(0, _LARGEST).decode("utf-8", "replace")
    except (StorageMissing, NotStorage):
        return None


def _elements(text: str, name: str) -> list[str]:
    """What is inside the elements ``name``, which are not nested, in time that grows with the text."""
    return [inside for part in text.split(f"<{name}>")[1:] if (inside := part.partition(f"</{name}>")[0])]


def _value(element: str, name: str) -> str:
    """The text of the child ``name``; empty where there is none."""
    match = re.search(rf"<{name}(?:\s[^>]*)?>([^<]*)</{name}>", element)
    return unescape(match[1].strip()) if match else ""
