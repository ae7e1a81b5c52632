"""Documents as people and programs write them: any layout, quoting, line ends and encoding.

A disk comes with what it declares, so that a test can say what the right answer is.
"""

from random import Random
from typing import NamedTuple

from hypothesis import strategies as st
from lxml import etree

_GAPS = ("", "", " ", "\n", "\n  ", "\n\t", "\n\n      ", " \t ")
_SPACES = (" ", " ", "  ", "\n   ", "\t")
_INTERLUDES = (
    "<!-- a note -->",
    "<!-- <disk><source/></disk> -->",
    "<!---->",
    "<!-- detected by someone -->",
    "<?pi <disk> ?>",
    "<![CDATA[ <source file='x'/> ]]>",
    "odd text",
    "&lt;&#x27;",
    "é",
)
_VALUES = ("x", "/images/a b.qcow2", "/images/&gt;>.raw", "a/>", "é ü", "&amp;&lt;&#10;", "", "/>", "-->")

#: Declaration and codec; ``{q}`` is a quote, the byte order mark is part of the text.
_ENCODINGS = (
    ("", "utf-8"),
    ("\ufeff", "utf-8"),
    ("<?xml version={q}1.0{q}?>", "utf-8"),
    ("\ufeff<?xml version={q}1.0{q} encoding={q}UTF-8{q}?>", "utf-8"),
    ("<?xml version={q}1.0{q} encoding={q}utf-8{q} standalone={q}yes{q} ?>", "utf-8"),
    ("\ufeff", "utf-16-le"),
    ("\ufeff<?xml version={q}1.0{q} encoding={q}UTF-16{q}?>", "utf-16-le"),
    ("\ufeff<?xml version={q}1.0{q} encoding={q}utf-16{q}?>", "utf-16-be"),
    ("<?xml version={q}1.0{q}?>", "utf-16-be"),
    ("<?xml version={q}1.0{q} encoding={q}ISO-8859-1{q}?>", "latin-1"),
    ("<?xml version={q}1.0{q} encoding={q}windows-1252{q}?>", "cp1252"),
    ("<?xml version={q}1.0{q} encoding={q}iso-8859-15{q}?>", "iso8859-15"),
)


class DeclaredDisk(NamedTuple):
    """What a disk of a document says: ``layers`` below the top, and whether it ``ended`` the chain there.

    ``data_files``: for the top and each layer, whether it has a ``<dataStore>``.
    """

    layers: int
    ended: bool
    data_files: tuple[bool, ...]


class Document(NamedTuple):
    """A document, and the disks in it that can have a backing chain, in order."""

    data: bytes
    disks: tuple[DeclaredDisk, ...]


@st.composite
def documents(draw: st.DrawFn, *, max_layers: int = 3) -> Document:
    """A ``<domain>``, ``<domainsnapshot>`` or ``<disk>``."""
    writer = _Writer(draw(st.randoms(use_true_random=False)), max_layers)
    root = writer.random.choice((writer.domain, writer.snapshot, writer.disk))()
    declaration, codec = writer.random.choice(_ENCODINGS)
    prologue = declaration.replace("{q}", writer.random.choice("'\""))
    gaps = [writer.random.choice(("", "\n", "\n<!-- é -->\n")) for _ in range(2)]
    if declaration and not declaration.endswith(">") and codec.startswith("utf-16"):
        gaps[0] = ""
    if "<?xml" not in declaration:
        gaps[0] = gaps[0].lstrip()
    text = writer.random.choice(("\n", "\n", "\r\n")).join((prologue + gaps[0] + root + gaps[1]).split("\n"))
    return Document(text.encode(codec), tuple(writer.disks))


def lxml_disks(root: etree._Element) -> list[etree._Element]:
    """The disks that can have a backing chain, found without diskchain's help."""
    if root.tag == "disk":
        return [root]
    domains = [root] if root.tag == "domain" else [n for n in root if n.tag in ("domain", "inactiveDomain")]
    return [disk for domain in domains for disk in domain.findall("devices/disk")]


class _Writer:
    def __init__(self, random: Random, max_layers: int) -> None:
        self.random = random
        self.max_layers = max_layers
        self.disks: list[DeclaredDisk] = []

    def domain(self, name: str = "domain") -> str:
        namespace = {"xmlns:qemu": "http://libvirt.org/schemas/domain/qemu/1.0"}
        foreign = "<qemu:commandline><qemu:arg value='-s'/><qemu:disk/></qemu:commandline>"
        metadata = "<metadata><devices><disk type='file'><source file='/no'/></disk></devices></metadata>"
        disks = [self.disk() for _ in range(self.random.randrange(3))]
        devices = self.element("devices", {}, self.siblings([*disks, "<emulator>/qemu</emulator>"]))
        return self.element(name, {"type": "kvm", **namespace}, self.siblings([metadata, devices, foreign]))

    def snapshot(self) -> str:
        overlay = "<disks><disk name='vda' snapshot='external'><source file='/new'/></disk></disks>"
        domains = [self.domain(name) for name in ("domain", "inactiveDomain")[: self.random.randrange(3)]]
        return self.element("domainsnapshot", {}, self.siblings([overlay, *domains]))

    def disk(self) -> str:
        layers = self.random.randrange(self.max_layers + 1)
        ended = self.random.random() < 0.3
        data_files = tuple(self.random.random() < 0.2 for _ in range(layers + 1))
        self.disks.append(DeclaredDisk(layers, ended, data_files))
        below = self.element("backingStore", {}, None) if ended else ""
        for data_file in reversed(data_files[1:]):
            inside = ["<format type='qcow2'/>", self.source(data_file=data_file), below]
            self.random.shuffle(inside)
            below = self.element("backingStore", {"type": "file"}, self.siblings(inside))
        driver = self.element("driver", {"name": "qemu", "type": "qcow2"}, None)
        serial = "<serial><![CDATA[</disk>]]></serial>"
        target = self.element("target", {"dev": f"vd{len(self.disks)}", "bus": "virtio"}, None)
        inside = [driver, self.source(data_file=data_files[0]), below, target, serial]
        self.random.shuffle(inside)
        return self.element("disk", {"type": "file", "device": "disk"}, self.siblings(inside))

    def source(self, *, data_file: bool) -> str:
        inside = []
        if data_file:
            store = "<dataStore type='file'><format type='raw'/><source file='/images/data'/></dataStore>"
            inside.append(store)
        if self.random.random() < 0.2:
            inside.append("<slices><slice type='storage' offset='0' size='512'/></slices>")
        content = self.siblings(inside) if inside or self.random.random() < 0.3 else None
        return self.element("source", {"file": self.random.choice(_VALUES)}, content)

    def element(self, name: str, attributes: dict[str, str], content: str | None) -> str:
        """``content`` None: empty, self-closed or not."""
        choice = self.random.choice
        tag = name
        for key, value in attributes.items():
            quote = choice("'\"")
            tag += f"{choice(_SPACES)}{key}{choice(('=', '=', ' = '))}{quote}{value}{quote}"
        tag += choice(("", "", " ", "\n"))
        if content is None and choice((True, False)):
            return f"<{tag}/>"
        return f"<{tag}>{content or ''}</{name}{choice(('', ' '))}>"

    def siblings(self, elements: list[str]) -> str:
        """The elements with what people put between them."""
        choice = self.random.choice
        text = ""
        for element in (*elements, ""):
            if choice((True, False, False)):
                text += choice(_GAPS) + choice(_INTERLUDES)
            text += choice(_GAPS) + element
        return text
