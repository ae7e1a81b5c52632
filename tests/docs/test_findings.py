"""Every finding has a page, every page a finding, and they agree."""

import re
from pathlib import Path

import pytest
from tests.docs.findings_index import INDEX, PAGES, index

from diskchain.findings import KINDS, Kind, Severity

SECTIONS = ["What it means", "How it comes about", "What libvirt and QEMU do", "How to mend it"]


def page(id: str) -> str:
    return (PAGES / f"{id}.md").read_text()


def test_pages_and_ids_are_the_same() -> None:
    assert sorted(path.stem for path in PAGES.glob("*.md") if path != INDEX) == sorted(KINDS)


def test_the_index_lists_them_all() -> None:
    assert INDEX.read_text() == index(), "python -m tests.docs.findings_index writes it anew"


@pytest.mark.parametrize(("id", "kind"), KINDS.items(), ids=list(KINDS))
def test_a_page_says_what_the_table_says(id: str, kind: Kind) -> None:
    text = page(id)
    assert text.startswith(f"# `{id}`\n\n{kind.title[0].upper()}{kind.title[1:]}.\n")
    assert re.findall("^## (.*)$", text, re.MULTILINE) == SECTIONS
    (line,) = re.findall(r"^\*\*Severity\*\*: (.*)$", text, re.MULTILINE)
    severity, _, code = line.partition(" · **Exit code**: ")
    assert severity.startswith(kind.severity)
    if kind.unknown:
        assert code == "3"
    elif kind.severity is Severity.INFO:
        assert code == "none"
    else:
        assert code.startswith("1")


@pytest.mark.parametrize("path", sorted(PAGES.parent.rglob("*.md")), ids=lambda path: path.stem)
def test_every_link_to_another_page_leads_there(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text()):
        assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_an_id_is_made_of_small_letters_digits_and_hyphens() -> None:
    assert all(re.fullmatch("[a-z0-9]+(-[a-z0-9]+)*", id) for id in KINDS)
