"""No circle of modules: import-linter keeps the layers between packages, this keeps the order inside them.

Every import counts: at the head of a module, inside a function, and for type checkers only. Two modules that need each other, however
late, are one subject, or a third one is missing.
"""

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import diskchain

_SOURCE = Path(diskchain.__file__).parent

Graph = dict[str, set[str]]


def test_no_module_imports_itself_by_way_of_others() -> None:
    graph = imports_in(_SOURCE)
    assert len(graph) > 200
    assert "diskchain.errors" in graph["diskchain.discover.layer_reader"]
    assert circle(graph) == []


def test_a_circle_is_found_wherever_its_imports_are(tmp_path: Path) -> None:
    package = tmp_path / "diskchain"
    (package / "room").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "room" / "__init__.py").write_text("")
    (package / "first.py").write_text("from diskchain.room import second\n")
    (package / "room" / "second.py").write_text("def late():\n    import diskchain.room.third\n")
    third = package / "room" / "third.py"
    third.write_text("import os\n")
    assert circle(imports_in(package)) == []
    third.write_text("if TYPE_CHECKING:\n    from diskchain.first import Value\n")
    found = circle(imports_in(package))
    assert found[0] == found[-1]
    assert set(found) == {"diskchain.first", "diskchain.room.second", "diskchain.room.third"}


def test_a_package_that_imports_what_imports_it_is_a_circle(tmp_path: Path) -> None:
    package = tmp_path / "diskchain"
    package.mkdir()
    (package / "__init__.py").write_text("from diskchain.part import value\n")
    (package / "part.py").write_text("from diskchain import other\n")
    assert circle(imports_in(package)) != []


def imports_in(package: Path) -> Graph:
    """What each module of the package at this path imports of it."""
    files = {_name(path, package): path for path in package.rglob("*.py")}
    return {name: {found for found in _imported(path, set(files)) if found != name} for name, path in files.items()}


def circle(graph: Graph) -> list[str]:
    """The modules of one circle, the first again at the end; empty when there is none."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def _name(path: Path, package: Path) -> str:
    parts = [package.name, *path.relative_to(package).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imported(path: Path, modules: set[str]) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                if inner in modules:
                    yield inner
                elif node.module in modules:
                    yield node.module
