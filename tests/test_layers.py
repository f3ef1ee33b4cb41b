"""The rooms: no circle of imports, every plugin under the contracts, a small core."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
CORE = ROOT / "vidgan_core"
SOURCES = [p for p in CORE.rglob("*.py") if "templates" not in p.relative_to(CORE).parts]
PLUGINS = {p.parent.name for p in (ROOT / "plugins").glob("*/__init__.py")}
MINIMAL = ("interfaces", "training")


def name(path: Path) -> str:
    """The dotted name of a module."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path, known: set[str]) -> Iterator[str]:
    """The core's modules that a module imports anywhere: at once, when called, or for types."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield from (found for found in (inner, node.module) if found in known)


def circle(graph: Mapping[str, Iterable[str]]) -> list[str]:
    """A circle of the graph, [] if there is none: depth first, along the path that is open."""
    done: set[str] = set()

    def visit(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        for other in graph[node]:
            if found := visit(other, [*path, node]):
                return found
        done.add(node)
        return []

    return next(filter(None, (visit(node, []) for node in graph)), [])


def test_no_module_of_the_core_imports_itself_by_way_of_others() -> None:
    known = {name(path) for path in SOURCES}
    graph = {name(path): sorted({*imported(path, known)} - {name(path)}) for path in SOURCES}
    for inside, others in graph.items():  # `from package import module` names the package, too
        graph[inside] = [o for o in others if not any(n.startswith(f"{o}.") for n in others)]
    assert len(graph) > 50
    assert not circle(graph)


def test_a_circle_is_found() -> None:
    assert circle({"a": ["b"], "b": ["c"], "c": ["b"]}) == ["b", "c", "b"]
    assert not circle({"a": ["b", "c"], "b": ["c"], "c": []})


def test_every_plugin_is_under_the_contracts() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    linter = settings["tool"]["importlinter"]
    contracts = {contract["name"]: contract for contract in linter["contracts"]}
    never = contracts["The core never imports a plugin"]["forbidden_modules"]
    apart = contracts["A plugin never imports another plugin"]["modules"]
    stable = contracts["Plugins use what is stable"]["source_modules"]
    assert {*linter["root_packages"]} == {"vidgan_core"} | PLUGINS
    assert (
        {*never}
        == {*apart}
        == {*stable, "vidgan_apply", "vidgan_evaluation", "vidgan_tools"}
        == PLUGINS
    )
    assert not linter["exclude_type_checking_imports"]
    announced = settings["project"]["entry-points"]["vidgan"].values()
    assert {*announced} == PLUGINS


def code_lines(path: Path) -> int:
    """The lines of a file that are code: not empty, no comment, no docstring."""
    text = path.read_text("utf-8")
    prose: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            prose.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    numbered = enumerate(map(str.strip, text.splitlines()), start=1)
    return sum(bool(line) and line[0] != "#" and n not in prose for n, line in numbered)


def room(path: Path) -> str:
    """The first folder below the core."""
    return path.relative_to(CORE).parts[0]


@pytest.mark.parametrize(("what", "most"), [("minimal", 2_500), ("whole", 8_000)])
def test_the_core_is_small(what: str, most: int) -> None:
    """Code of `interfaces` and `training`, and of all but `testing` and templates."""
    chosen = [
        path
        for path in SOURCES
        if (room(path) in MINIMAL if what == "minimal" else room(path) != "testing")
    ]
    count = sum(map(code_lines, chosen))
    everything = sum(len(path.read_text("utf-8").splitlines()) for path in chosen)
    print(f"{what} core: {count} lines of code, below {most}; {everything} with docstrings")
    assert count < most
