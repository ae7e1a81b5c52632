"""What a document says and the model does not know: kept word for word, with the place it stood at.

Newer libvirt versions and vendors add elements and attributes; losing them on the way back would change what a user
asked for. Knows no other module and nothing about the meaning of what it carries.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Foreign:
    """One unknown attribute or element.

    ``place`` is the known element it belongs to, as a path below the value that carries it (``""``: its own element,
    ``"driver/metadata_cache"``). ``after`` is the known child it follows (``""``: it comes first), None for an
    attribute. ``text`` is the XML as written, namespace declarations included: ``name='value'``, or the whole element. Nobody
    can tell which of it is a secret: the repr has its name alone.
    """

    place: str
    after: str | None
    text: str

    def __repr__(self) -> str:
        import re

        name = re.match(r"<?[\w.:-]+", self.text)
        shown = f"{name[0]}…" if name is not None else "…"
        return f"Foreign(place={self.place!r}, after={self.after!r}, text={shown!r})"
