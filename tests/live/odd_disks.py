"""Disks written in every way that libvirt reads and shows otherwise, each with images of its own."""

from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.live.storage import QemuImg

_ODD = "a\nb\tc\rd"
_LIMITS = "<iotune><total_bytes_sec>0</total_bytes_sec><total_iops_sec>0</total_iops_sec></iotune>"
_CACHE = "<metadata_cache><max_size unit='{unit}'>{size}</max_size></metadata_cache>"


class OddDisk(NamedTuple):
    """One disk. ``driver``: the attributes that are said. ``store``: what its ``<backingStore>`` is like."""

    format: str
    odd_name: bool
    driver: tuple[str, ...]
    defaults: bool
    shareable: bool
    transient: bool
    cache: str
    mirror: bool
    foreign: bool
    store: str
    limits: bool


class OddDrive(NamedTuple):
    """One CD-ROM drive. ``source``: of what type, and whether there is an empty one; ``full``: whether there is a medium."""

    full: bool
    type: str
    source: str
    readonly: bool
    format: bool


def odd_disk(seed: int) -> OddDisk:
    """The same each time."""
    random = Random(seed)  # noqa: S311 (nothing secret)
    format = random.choice(("raw", "raw", "qcow2"))
    ways = [("name", "type"), ("type",)] + ([("name",), (), ("name", "aio")] if format == "raw" else [])
    shareable = format == "raw" and random.random() < 0.3
    return OddDisk(
        format,
        odd_name=random.random() < 0.3,
        driver=random.choice(ways),
        defaults=random.random() < 0.7,
        shareable=shareable,
        transient=not shareable and random.random() < 0.2,
        cache=random.choice(("", "KiB", "MiB", "bytes")) if format == "qcow2" else "",
        mirror=random.random() < 0.2,
        foreign=random.random() < 0.3,
        store=random.choice(("", "", "second", "untyped")),
        limits=random.random() < 0.2,
    )


def odd_drive(seed: int) -> OddDrive:
    """The same each time."""
    random = Random(seed)  # noqa: S311 (nothing secret)
    return OddDrive(
        full=random.random() < 0.4,
        type=random.choice(("file", "block", "")),
        source=random.choice(("", "empty", "policy")),
        readonly=random.random() < 0.5,
        format=random.random() < 0.5,
    )


class OddMaker:
    """Makes the images of odd disks in ``directory``."""

    def __init__(self, directory: Path, qemu_img: QemuImg) -> None:
        self._directory = directory
        self._qemu_img = qemu_img

    def disk_xml(self, odd: OddDisk, target: str) -> str:
        """The images of ``odd``, and the ``<disk>`` that has them."""
        base = self._image(f"{target}.{_ODD if odd.odd_name else 'base'}", "raw")
        top = base if odd.format == "raw" else self._image(f"{target}.top", odd.format, "-b", str(base), "-F", "raw")
        said = {"name": " name='qemu'", "type": f" type='{odd.format}'", "aio": " type='aio'"}
        attributes = "".join(said[each] for each in odd.driver) + (" strange='1'" if odd.foreign and odd.driver else "")
        size = {"KiB": 1024, "MiB": 1, "bytes": 1 << 20}
        inside = _CACHE.format(unit=odd.cache, size=size[odd.cache]) if odd.cache else ""
        other = f"<format type='raw'/><source file='{base.parent}/other'/>"
        store = {
            "": "",
            "second": f"<backingStore/>\n  <backingStore type='file'>{other}</backingStore>\n  ",
            "untyped": f"<backingStore>{other}</backingStore>\n  ",
        }[odd.store]
        mirror = f"<mirror type='file' job='copy'>{other}</mirror>\n  " if odd.mirror else ""
        flags = "".join(f"  <{name}/>\n" for name in ("shareable", "transient") if getattr(odd, name))
        return (
            f"<disk{' type=' + repr('file') + ' device=' + repr('disk') if odd.defaults else ''}>\n"
            + (f"  <driver{attributes}>{inside}</driver>\n" if odd.driver else "")
            + f"  <source file='{_escaped(top)}'/>\n  {store}{mirror}"
            + f"<target dev='{target}'{' bus=' + repr('virtio') if odd.defaults else ''}/>\n"
            + (f"  {_LIMITS}\n" if odd.limits else "")
            + flags
            + ("  <strange/>\n  <o:strange xmlns:o='urn:strange'><o:inside/></o:strange>\n" if odd.foreign else "")
            + "</disk>\n"
        )

    def drive_xml(self, odd: OddDrive, target: str) -> str:
        """The image of ``odd``, if it has one, and the ``<disk>`` that has it."""
        key = "dev" if odd.type == "block" and not odd.full else "file"
        source = {"": "", "empty": f"  <source {key}=''/>\n", "policy": "  <source startupPolicy='optional'/>\n"}[
            odd.source
        ]
        if odd.full:
            source = f"  <source file='{self._image(target, 'raw')}'/>\n"
        type = f" type='{'file' if odd.full else odd.type}'" if odd.type else ""
        return (
            f"<disk{type} device='cdrom'>\n  <driver name='qemu'{' type=' + repr('raw') if odd.format else ''}/>\n"
            f"{source}  <target dev='{target}' bus='ide'/>\n{'  <readonly/>' if odd.readonly else ''}</disk>\n"
        )

    def _image(self, name: str, format: str, *options: str) -> Path:
        path = self._directory / name
        self._qemu_img("create", "-q", "-f", format, *options, path, "1M")
        return path


def _escaped(path: Path) -> str:
    return "".join(f"&#{ord(each)};" if each in "\n\t\r" else each for each in str(path))
