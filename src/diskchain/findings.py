"""What diskchain has to say about a file or a document: findings, and the table of all kinds of them.

A finding is a value, never an exception: a chain with a missing layer is still a chain worth showing.
Ids are stable; every id has a page in ``docs/findings/``. Knows only ``errors``.
"""

from enum import StrEnum
from typing import NamedTuple


class Severity(StrEnum):
    """How much a finding matters. ``ERROR``: the VM will not start or loses data. ``WARNING``: it may. ``INFO``: good to know."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Finding(NamedTuple):
    """One thing worth telling.

    ``id`` is a key of :data:`KINDS`; ``file`` is what the finding is about, ``referrer`` the file or document that
    names it; ``line`` counts from 1 in ``file`` when that is a document; ``fix`` is a shell command that would mend it
    (never run by us); ``allowed`` lists accepted values.
    """

    id: str
    severity: Severity
    message: str
    file: str | None = None
    referrer: str | None = None
    line: int | None = None
    fix: str | None = None
    allowed: tuple[str, ...] = ()


class Kind(NamedTuple):
    """A row of the table of findings: default severity, a title, and whether it means "could not tell" (exit 3)."""

    severity: Severity
    title: str
    unknown: bool = False


_E, _W, _I = Severity.ERROR, Severity.WARNING, Severity.INFO

#: Every kind of finding about storage, by id. Kinds about XML live in ``libvirtxml``, about access in ``labels``.
KINDS: dict[str, Kind] = {
    "document": Kind(_E, "a document is not well-formed, or says what libvirt's parser refuses"),
    "missing": Kind(_E, "a layer is not where its overlay says"),
    "candidate": Kind(_I, "a file that could be a missing layer"),
    "unreadable": Kind(_E, "a layer is there, and we may not read it", unknown=True),
    "timeout": Kind(_E, "a layer does not answer", unknown=True),
    "not-storage": Kind(_E, "a layer is a FIFO, socket, character device or directory"),
    "source-type": Kind(_E, "a layer is another kind of file than the document says"),
    "not-inspected": Kind(_W, "a layer is somewhere we did not look", unknown=True),
    "malformed": Kind(_E, "the header is not what its format says"),
    "loop": Kind(_E, "the chain comes back to a file it has already been through"),
    "extent-repeated": Kind(_E, "the same bytes of a file stand for two parts of a chain"),
    "too-deep": Kind(_E, "the chain is deeper than the policy allows"),
    "format-not-recorded": Kind(_W, "the overlay does not say what format its backing file has"),
    "format-unknown": Kind(_W, "the overlay records a format libvirt does not know"),
    "format-assumed-raw": Kind(_W, "nobody declared a format, so it is raw, and the header says otherwise"),
    "format-probed": Kind(_I, "nobody declared a format; it was guessed from the header"),
    "format-ambiguous": Kind(_E, "an image from a stranger could be taken for more than one format"),
    "format-mismatch": Kind(_E, "the declared or recorded format is not what the header says"),
    "reference-syntax": Kind(_E, "a backing string cannot be understood"),
    "inline-credentials": Kind(_W, "a backing string holds a user name or a password", unknown=True),
    "reference-refused": Kind(_W, "the policy does not let us follow a reference"),
    "not-in-xml": Kind(_W, "a name has characters that no XML document can hold"),
    "terminated-early": Kind(_I, "the document ends the chain above files the header still names"),
    # What a chain says once all of it is known: discover.examine.
    "capacity-mismatch": Kind(_W, "an overlay and its backing file have different capacities"),
    "base-changed": Kind(_E, "a backing file is not, or no longer, the one its overlay was made over"),
    "dirty": Kind(_W, "an image is in use, or was not closed properly"),
    "corrupt": Kind(_E, "an image is marked as damaged"),
    "unknown-incompatible-feature": Kind(_E, "an image has a feature that forbids opening it"),
    "legacy-qcow2-encryption": Kind(_E, "an image is encrypted in the old AES scheme, which no domain can use"),
    "encryption-undeclared": Kind(_E, "an image is encrypted, and the document of its domain names no secret"),
    "unsupported-image": Kind(_E, "an image is of a kind that QEMU does not read, or is one part of several"),
    "parent-unsupported": Kind(_E, "an image holds only differences to a parent that QEMU does not read"),
    "backing-on-raw": Kind(_E, "a document puts a backing file below a format that cannot have one"),
    "reference-outside-allowed": Kind(_W, "a layer is outside the directories it should be in"),
    "relative-unresolvable": Kind(_W, "a layer has a relative name and nothing it is relative to", unknown=True),
    "absolute-reference": Kind(_I, "a backing file lies beside its overlay and is named by its absolute path"),
    "json-reference": Kind(_I, "a backing string is a json: object"),
    "data-file-reference": Kind(_I, "an image keeps its data in another file"),
    "world-writable-base": Kind(_W, "everybody may write a backing file"),
    "base-writable-while-shared": Kind(_E, "a backing file can be written while an overlay relies on it"),
    "chain-deeper-than": Kind(_W, "a chain has more layers than it should"),
}


def shell_word(text: str) -> str:
    """``text`` as one word of a shell command that can be shown and copied, whatever characters it has.

    What no terminal shows as it is (a line break, bytes that are no UTF-8) is spelt in ``$'…'``, for which bash, zsh, busybox and
    POSIX 2024 are good.
    """
    if text.isprintable():
        from shlex import quote

        return quote(text)
    spelt = []
    for character in text:
        if character in "\\'":
            spelt.append("\\" + character)
        elif character.isprintable():
            spelt.append(character)
        else:
            spelt += [f"\\{byte:03o}" for byte in character.encode("utf-8", "surrogateescape")]
    return f"$'{''.join(spelt)}'"


def file_word(path: str) -> str:
    """``path`` as a word of a shell command that ``qemu-img`` takes for a file: for no option, and for no protocol. A URL stays one."""
    no_path = path.startswith("-") or (":" in path.partition("/")[0] and "://" not in path)
    return shell_word(f"./{path}" if no_path else path)


def finding(
    id: str,
    message: str,
    *,
    severity: Severity | None = None,
    file: str | None = None,
    referrer: str | None = None,
    line: int | None = None,
    fix: str | None = None,
) -> Finding:
    """A finding of a kind in :data:`KINDS`, with that kind's severity unless told otherwise."""
    return Finding(id, severity or KINDS[id].severity, message, file, referrer, line, fix)
