"""No source of the project reads a pickle, runs text, or imports by a name that a file gives."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import vidgan_core

SOURCES = [
    *Path(vidgan_core.__file__).parent.rglob("*.py"),
    *(Path(vidgan_core.__file__).parents[1] / "plugins").rglob("*.py"),
]

FORBIDDEN = {"pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal", "runpy"}
IMPORTERS = {
    "vidgan_core/interfaces/__init__.py",  # names from a table of its own
    "vidgan_core/plugins/kinds.py",  # as well
    "vidgan_core/plugins/registry.py",  # what a plugin's record names
    "vidgan_core/cli/__init__.py",
    "vidgan_core/plugins/commands.py",  # what an entry point of the commands' group names
    "vidgan_core/testing/task.py",  # a component under test, without torch
    "plugins/vidgan_metrics/skvideo_compat.py",  # names from a table of its own
}
PICKLERS = {"vidgan_core/testing/task.py"}  # copies its own object, as other processes get it


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: f"{p.parent.name}/{p.name}")
def test_no_source_reads_a_pickle_or_imports_by_name(path: Path) -> None:
    root = Path(vidgan_core.__file__).parents[1]
    assert not [*offences(path.read_text(), str(path.relative_to(root)))]


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "import joblib.numpy_pickle",
        "import torch\ntorch.load(path)",
        "import torch as t\nt.load(path, weights_only=False)",
        "from torch import load",
        "torch.jit.load(path)",
        "numpy.load(path)",
        "np.load(path, allow_pickle=True)",
        "eval(text)",
        "exec(text)",
        "__import__(name)",
        "importlib.import_module(name)",
        "from importlib import import_module",
    ],
)
def test_the_test_of_sources_sees(source: str) -> None:
    assert [*offences(source, "vidgan_core/other.py")]


def offences(source: str, path: str) -> list[str]:
    """What a source does that could run what a file holds."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or "", *(f"{node.module}.{a.name}" for a in node.names)]
        elif isinstance(node, ast.Call):
            names = [called(node)]
        else:
            continue
        found += [name for name in names if forbidden(name, node, path)]
    return found


def called(node: ast.Call) -> str:
    return ast.unparse(node.func)


def forbidden(name: str, node: ast.AST, path: str) -> bool:
    if name.partition(".")[0] == "pickle" and path in PICKLERS:
        return False
    if name.partition(".")[0] in FORBIDDEN or name in ("eval", "exec", "__import__"):
        return True
    last = name.rpartition(".")[2]
    if last == "import_module":
        return path not in IMPORTERS
    if isinstance(node, ast.ImportFrom):
        return name in ("torch.load", "numpy.load")
    if not (isinstance(node, ast.Call) and last == "load" and name.count(".")):
        return False
    owner = name.rpartition(".")[0]
    settings = {k.arg: ast.unparse(k.value) for k in node.keywords}
    if owner in ("np", "numpy"):
        return settings.get("allow_pickle") != "False"
    if owner.partition(".")[0] in ("torch", "t"):
        return settings.get("weights_only") != "True"
    return False
