"""What opens a layer's file once more, as its chain was walked: here, where another host's paths lie here, or on another host."""

from typing import TYPE_CHECKING

from diskchain.readers.local import open_local, storage_error
from diskchain.readers.open import open_location
from diskchain.storage.location import local_path

if TYPE_CHECKING:
    from collections.abc import Callable

    from diskchain.actions.examined import DiskChain, Settings
    from diskchain.readers.open import Image
    from diskchain.storage.source import Source


def opener_of(disk: "DiskChain", settings: "Settings") -> "Callable[[Source], Image]":
    """Opens the layers of ``disk``. What it gives raises StorageError."""
    elsewhere = None if settings.reader is None else settings.reader.of([disk.target])

    def open_layer(source: "Source") -> "Image":
        path = local_path(source.location)
        if path is not None and disk.places is not None:
            try:
                return open_local(disk.places.opened(path))
            except OSError as error:
                raise storage_error(error, path) from error
        return open_location(source.location) if elsewhere is None or path is not None else elsewhere(source)

    return open_layer
