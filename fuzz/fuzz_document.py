"""Any bytes as a JSON document of diskchain's: it is read or refused in one line, and what was written of it is read as the same."""

from fuzz.targets import BrokenInvariant

from diskchain.errors import JsonError
from diskchain.schema import read, to_json


def run_one(data: bytes) -> None:
    """Reads the bytes. Raises whatever should not be raised, or BrokenInvariant where reading back differs."""
    try:
        document = read(data)
    except JsonError as error:
        if "\n" in str(error):
            raise BrokenInvariant("an error of more than one line") from error
        return
    text = to_json(document)
    if read(text) != document and not _joined(text):
        raise BrokenInvariant("what was written reads as something else")


def _joined(text: str) -> bool:
    """Whether two halves of a character stand side by side, which JSON cannot keep apart."""
    return "\\ud8" in text or "\\ud9" in text or "\\uda" in text or "\\udb" in text
