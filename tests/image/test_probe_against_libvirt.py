"""Our rule set `libvirt` against libvirt itself: a directory pool probes each file in it, and says what it found."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from lxml import etree
from tests.image.test_probe import KNOWN, POLYGLOTS
from tests.image.windows import file_window
from tests.live.daemons import Libvirtd

from diskchain.image.probe import probe

#: libvirt's spelling of QEMU's formats.
SPELLED = {"parallels": "ploop"}


@pytest.fixture
def pool(libvirtd: Libvirtd, image_dir: Path) -> Iterator[Any]:
    for name, (image, *_) in (KNOWN | POLYGLOTS).items():
        (image_dir / name).write_bytes(image)
    xml = f"<pool type='dir'><name>{uuid4()}</name><target><path>{image_dir}</path></target></pool>"
    pool = libvirtd.connection.storagePoolCreateXML(xml)
    yield pool
    pool.destroy()


def test_libvirt_probes_each_image_to_the_format_we_say(pool: Any, image_dir: Path) -> None:
    theirs = {
        volume.name(): etree.fromstring(volume.XMLDesc()).xpath("string(target/format/@type)")
        for volume in pool.listAllVolumes()
    }

    ours = {name: probe(file_window(image_dir / name)).value for name in KNOWN | POLYGLOTS}
    assert {name: SPELLED.get(format, format) for name, format in ours.items()} == theirs
