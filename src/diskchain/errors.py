"""The one error tree. Knows no other module of diskchain.

::

    DiskchainError            something a caller can show to a person
    ├── UsageError            the caller asked for something that cannot be     (fault: caller)
    │   ├── LayerNotFound     … a layer that the chain does not have
    │   └── IsDirectory       … a directory, where an image or a document is wanted
    ├── SecretError               a layer's key                                 (fault: caller)
    │   ├── SecretMissing     … is nowhere we looked
    │   └── SecretWrong       … does not open the layer
    ├── MissingExtra          an optional dependency is not installed           (fault: caller)
    ├── ParseError            a text is not what it claims to be                (fault: caller)
    │   ├── XmlError          … an XML document; carries the line
    │   ├── JsonError         … one of diskchain's JSON documents; carries its schema
    │   │   ├── UnknownSchema … because nobody knows its schema
    │   │   │   └── NewerSchema   … or only a newer diskchain does
    │   │   └── OtherSchema   … because it is another kind of document than was asked for
    │   └── ReferenceSyntaxError  … a backing string in an image header or on the command line
    │       └── UnsupportedReference  … which is well formed, and beyond its reader
    ├── ImageError            bytes are not the image they claim to be          (fault: image)
    │   ├── TruncatedImage    … because they end too early
    │   └── AmbiguousImage    … because they claim to be several, or something nobody knows
    ├── PolicyRefusal         an image asks us to open what the policy forbids  (fault: image)
    ├── StorageError          the host cannot give us the bytes                 (fault: host)
    │   ├── StorageMissing    … nothing is there
    │   ├── StorageDenied     … it is there, we may not read it
    │   │   └── LoginRefused  … because the server does not take the user name, the key or the certificate
    │   ├── NotAsked          … it is on a server that nobody wanted asked
    │   ├── NotStorage        … it is a FIFO, a socket, a terminal …
    │   ├── JournalError      … they are those of a journal, and it cannot be used
    │   └── StorageTimeout    … it does not answer
    └── PeerError             QEMU or libvirt refused or died                   (fault: peer)

Errors carry facts as attributes; ``str(error)`` is one line fit for a terminal. Control characters
that came from an image or a document are escaped in it.
"""

from typing import Final, Literal

Fault = Literal["caller", "image", "host", "peer"]


#: Letters and marks that show nothing, beside the controls and format characters that str.isprintable() knows: Unicode 15,
#: Default_Ignorable_Code_Point; and the blank of Braille.
_INVISIBLE: Final = frozenset(
    map(
        chr,
        (
            *(0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0),
            *range(0x180B, 0x1810),
            *range(0xFE00, 0xFE10),
            *range(0xE0100, 0xE01F0),
        ),
    )
)


def printable(text: str) -> str:
    r"""``text`` so that it stays one line of a terminal and shows all it has.

    Escaped are controls (C0, DEL, C1), line breaks, marks that turn the direction of text or have no width, and bytes that are no
    UTF-8 (``\xff``).
    """
    if text.isprintable() and (text.isascii() or _INVISIBLE.isdisjoint(text)):
        return text
    return "".join(c if c.isprintable() and c not in _INVISIBLE else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":  # a byte, as os.fsdecode keeps it
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


class DiskchainError(Exception):
    """Root of every error diskchain raises on purpose. ``fault`` says whose it is. ``str()`` of it is one line, fit for a terminal."""

    fault: Fault = "caller"

    def __str__(self) -> str:
        return printable(super().__str__())


class UsageError(DiskchainError):
    """The call itself cannot be carried out: a disk that is not there, options that exclude each other."""


class LayerNotFound(UsageError):
    """No layer of a chain answers to ``name``. ``beneath`` is where the search began, None for the top."""

    def __init__(self, problem: str, *, name: str | None, beneath: str | None = None) -> None:
        super().__init__(printable(problem))
        self.name = name
        self.beneath = beneath


class IsDirectory(UsageError):
    """A directory was named where an image or a document is wanted."""


class MissingExtra(DiskchainError):
    """An optional dependency is missing.

    ``package`` is what to install, ``extra`` the name of the group in ``pip install diskchain[extra]``.
    """

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f"{purpose} needs {package}, which is not installed: pip install 'diskchain[{extra}]'")
        self.package = package
        self.extra = extra


class SecretError(DiskchainError):
    """Something about the key of ``layer`` (``vda[2]``, or a path). Never carries the key."""

    def __init__(self, problem: str, *, layer: str) -> None:
        super().__init__(f"{printable(layer)}: {printable(problem)}")
        self.problem = printable(problem)
        self.layer = layer


class SecretMissing(SecretError):
    """Nobody named a secret for the layer, or it is not where we looked."""


class SecretWrong(SecretError):
    """There is a secret, and it does not open the layer."""


class ParseError(DiskchainError):
    """A text is not what it claims to be.

    ``line`` counts from 1 and is None when the text has no lines; ``allowed`` lists the accepted values, if few.
    """

    def __init__(
        self,
        problem: str,
        *,
        origin: str | None = None,
        line: int | None = None,
        allowed: tuple[str, ...] = (),
    ) -> None:
        where = ""
        if origin is not None:
            where = printable(origin) + (f":{line}: " if line is not None else ": ")
        elif line is not None:
            where = f"line {line}: "
        listed = f" (allowed: {', '.join(allowed)})" if allowed else ""
        super().__init__(f"{where}{printable(problem)}{listed}")
        self.problem = problem
        self.origin = origin
        self.line = line
        self.allowed = allowed


class XmlError(ParseError):
    """An XML document is malformed, or says something libvirt's parser refuses."""


class JsonError(ParseError):
    """A text is none of diskchain's JSON documents, or breaks its schema. ``schema``: the one it names, None when it names none."""

    def __init__(self, problem: str, *, schema: str | None = None, origin: str | None = None) -> None:
        super().__init__(problem, origin=origin)
        self.schema = schema


class UnknownSchema(JsonError):
    """A JSON document names no schema of diskchain's."""


class NewerSchema(UnknownSchema):
    """A JSON document is of a later version than this diskchain reads. ``newest``: the schema it does read."""

    def __init__(self, schema: str, *, newest: str, origin: str | None = None) -> None:
        problem = (
            f"the document is {schema}, and this diskchain reads {newest} at the latest; a newer diskchain reads it"
        )
        super().__init__(problem, schema=schema, origin=origin)
        self.newest = newest


class OtherSchema(JsonError):
    """A JSON document of diskchain's is of another kind than the ``expected`` schema."""

    def __init__(self, schema: str, *, expected: str, origin: str | None = None) -> None:
        super().__init__(f"the document is {schema}, not {expected}", schema=schema, origin=origin)
        self.expected = expected


class ReferenceSyntaxError(ParseError):
    """A backing string cannot be understood. It is never quoted in full: it may hold a password."""


class UnsupportedReference(ReferenceSyntaxError):
    """A backing string is well formed, and names a ``driver`` or a feature that its reader (libvirt, QEMU) or the model lacks."""

    def __init__(self, problem: str, *, driver: str) -> None:
        super().__init__(problem)
        self.driver = driver


class ImageError(DiskchainError):
    """Bytes are not the image they claim to be. ``offset`` is where, in bytes from the start, when known."""

    fault: Fault = "image"

    def __init__(self, problem: str, *, format: str | None = None, offset: int | None = None) -> None:
        what = f"{format}: " if format else ""
        at = f" (at offset {offset})" if offset is not None else ""
        super().__init__(f"{what}{printable(problem)}{at}")
        self.problem = problem
        self.format = format
        self.offset = offset


class TruncatedImage(ImageError):
    """The bytes end before the header does."""


class AmbiguousImage(ImageError):
    """The bytes look like several formats, or like one in an unknown version. ``candidates``: formats, in QEMU's spelling."""

    def __init__(self, problem: str, candidates: tuple[str, ...]) -> None:
        super().__init__(f"{problem}: {', '.join(candidates)}")
        self.candidates = candidates


class PolicyRefusal(DiskchainError):
    """An image names something the open policy does not let us open."""

    fault: Fault = "image"

    def __init__(self, problem: str, *, reference: str, rule: str) -> None:
        super().__init__(printable(problem))
        self.reference = reference
        self.rule = rule


class StorageError(DiskchainError):
    """The host cannot give us the bytes of ``path``. The operating system's reason is the cause of the error.

    ``moved_to``: the URL, without query, of another server that was asked in the end, because the first one redirects there.
    """

    fault: Fault = "host"

    def __init__(self, problem: str, *, path: str, moved_to: str | None = None) -> None:
        at = f" (at {printable(moved_to)}, where the server redirects to)" if moved_to else ""
        super().__init__(f"{printable(path)}: {problem}{at}")
        self.problem = problem + at
        self.path = path
        self.moved_to = moved_to


class StorageMissing(StorageError):
    """Nothing is there, or a symlink or directory on the way leads nowhere."""


class StorageDenied(StorageError):
    """It is there, and this process may not read it (or may not search a directory on the way)."""


class LoginRefused(StorageDenied):
    """A server did not let us in: no user name or key was given, or the wrong ones. Never "missing": nobody could look."""


class NotAsked(StorageError):
    """An image is on a server, and nobody said that servers may be asked."""


class NotStorage(StorageError):
    """It is there, and is a FIFO, socket or character device: reading it could block or do something."""


class JournalError(StorageError):
    """The journal of granted rights is there and cannot be used. Never the same as "nothing is granted"."""

    def __init__(self, problem: str, *, path: str) -> None:
        super().__init__(f"the journal cannot be used: {problem}", path=path)


class StorageTimeout(StorageError):
    """It did not answer within the time allowed."""


class PeerError(DiskchainError):
    """QEMU, libvirt or another server refused, or stopped answering."""

    fault: Fault = "peer"
