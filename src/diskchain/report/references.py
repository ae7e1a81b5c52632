"""Show strings that images hold, which may contain a password."""

from diskchain.errors import printable
from diskchain.storage.reference import is_file_name


def shown_reference(text: str) -> str:
    """A backing string as people may see it: file names whole, anything else only as far as it cannot hold a password."""
    if is_file_name(text):
        return f'"{printable(text)}"'
    return f"{printable(text.partition(':')[0])}:… ({len(text)} characters)"
