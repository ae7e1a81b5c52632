"""raw: the bytes are the disk; there is no header. Its capacity is the size of the container.

Says nothing about what the guest wrote into it: whoever wants to know has to probe, explicitly.
"""

from diskchain.image.header import ImageHeader
from diskchain.image.window import Window
from diskchain.storage.terms import Format


def parse(window: Window, *, full: bool = False) -> ImageHeader:
    """A header that only says how big the container is. Never raises."""
    return ImageHeader(Format.RAW, window.size)
