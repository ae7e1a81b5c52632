"""The pages of findings, which come with the package: ``pages`` is ``docs/findings``. Knows nothing of how they are shown."""

from dataclasses import dataclass
from importlib.resources import files

from diskchain.errors import UsageError, printable
from diskchain.findings import KINDS, Kind


@dataclass(frozen=True, slots=True)
class Explanation:
    """A kind of finding and its page, Markdown; None where only the kinds were asked for."""

    id: str
    kind: Kind
    page: str | None = None


def explain(id: str) -> Explanation:
    """The page of a finding. Raises UsageError for an id that no finding has."""
    kind = KINDS.get(id)
    if kind is None:
        raise UsageError(f"no finding is called {printable(id)}: diskchain explain lists them")
    return Explanation(id, kind, files("diskchain").joinpath("pages", f"{id}.md").read_text("utf-8"))


def all_kinds() -> list[Explanation]:
    """Every kind, by its id, without pages."""
    return [Explanation(id, kind) for id, kind in sorted(KINDS.items())]
