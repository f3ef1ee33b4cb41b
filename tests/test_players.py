"""The core names no player of a game: configuration, state, averages and progress ask the game."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import REGISTRY

import vidgan_core

CORE = Path(vidgan_core.__file__).parent
FREE = ("interfaces", "testing")  # what a network is called, and games that suites play
SOURCES = sorted(p for p in CORE.rglob("*.py") if p.relative_to(CORE).parts[0] not in FREE)
ALLOWED = {
    "config/sources.py": "what --gen and --disc set",
    "config/resolve.py": "keys of vidgan 0.1",
    "plugins/kinds.py": "the kinds of components",
    "training/inputs.py": "the kind of a network decides what it is shown",
    "training/parts.py": "the kind of a network decides whether it can be shown joined clips",
    "training/boundary.py": "the methods of a loss",
}
GAMES = [REGISTRY.load("game", name) for name in REGISTRY.names("game")]
PLAYERS = sorted({player for game in GAMES for player in game.players})


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(CORE)))
def test_no_source_names_a_player(path: Path) -> None:
    found = [f"line {line}: {text!r}" for line, text in named(path.read_text("utf-8"))]
    name = str(path.relative_to(CORE))
    assert bool(found) == (name in ALLOWED), found


def named(source: str) -> Iterator[tuple[int, str]]:
    """Strings that are a player's name, alone or before a dot or a slash; not prose."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            word = node.value.replace("/", ".").partition(".")[0]
            if word in PLAYERS:
                yield node.lineno, node.value


@pytest.mark.parametrize(
    "source", ["x = 'generator'", "config['discriminator']", "f'generator/{n}'", "'generator.lr'"]
)
def test_the_test_of_sources_sees(source: str) -> None:
    assert [*named(source)]
    assert not [*named('"""Make the generator."""\nx = "a generator"\n')]
