"""Show strings that images hold, which may contain a password."""

from diskchain.errors import printable
from diskchain.storage.reference import redacted


def shown_reference(text: str) -> str:
    """A backing string as people may see it: without passwords, cookies and keys, fit for a terminal."""
    return f'"{printable(redacted(text))}"'
