"""What all JSON documents share: how a finding looks, and how a document becomes text."""

import json

import msgspec

from diskchain.findings import Finding, Severity, Stops


class FindingDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """One finding. ``id`` is stable and documented; ``fix`` is a shell command that would mend it.

    ``allowed``: the accepted values. ``stops``: what libvirt refuses because of it, to define the domain or to start it. ``disk``: the
    target of the disk it is about; ``layer``: that layer as every verb takes it.
    """

    id: str
    severity: Severity
    message: str
    file: str | None = None
    referrer: str | None = None
    line: int | None = None
    fix: str | None = None
    allowed: tuple[str, ...] = ()
    stops: Stops | None = None
    disk: str | None = None
    layer: str | None = None

    @property
    def finding(self) -> Finding:
        """The finding that this is the JSON form of, with nothing lost."""
        return Finding(**{name: getattr(self, name) for name in self.__struct_fields__})


def finding_document(found: Finding) -> FindingDocument:
    """The JSON form of a finding."""
    return FindingDocument(
        id=found.id,
        severity=found.severity,
        message=found.message,
        file=found.file,
        referrer=found.referrer,
        line=found.line,
        fix=found.fix,
        allowed=found.allowed,
        stops=found.stops,
        disk=found.disk,
        layer=found.layer,
    )


def to_json(document: msgspec.Struct) -> str:
    """Indented ASCII JSON. File names that are not UTF-8 keep their bytes as lone surrogates, escaped."""
    try:
        text = msgspec.json.format(msgspec.json.encode(document), indent=2).decode("ascii")
    except UnicodeError:  # what is not ASCII has to be escaped, which takes ten times as long
        text = json.dumps(msgspec.to_builtins(document), indent=2, ensure_ascii=True)
    return text.replace("\x7f", "\\u007f")  # it moves a terminal's cursor


def to_json_line(document: msgspec.Struct) -> str:
    """ASCII JSON on one line, for documents that come one after the other."""
    return json.dumps(msgspec.to_builtins(document), ensure_ascii=True, separators=(",", ":")).replace(
        "\x7f", "\\u007f"
    )
