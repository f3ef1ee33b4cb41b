"""Every key of the configuration with every kind of value: a line, and never more than that.

The keys are those of the schema and of all components that are installed: a new table is tried
without a change here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from random import Random
from typing import get_args

import pytest
from conftest import REGISTRY, Result
from limits import limited
from pydantic import BaseModel

from vidgan_core.config.schema import NetworkTable, RunConfig
from vidgan_core.plugins.kinds import KINDS
from vidgan_core.plugins.options import options_model

Command = Callable[..., Result]
VALUES = (
    *("0", "-1", "1.5", "1e308", "1" + "0" * 30, "-1" + "0" * 30, "nan", "inf"),
    *('""', '"word"', "true", "[]", "[1, 2, 3]", "{}", '"\\u202e\\u0000\\u00e9"', "2147483647"),
)
SMALL = ("--data", "shapes", "--set", "data.frames=8", "--set", "data.size=32", "--batch", "2")
SHORT = 200
KIND_OF = {"data": "dataset"}  # where a table is not called as its kind

Key = tuple[str, tuple[str, ...]]  # a dotted key, and what else must be reported for it to be one


def keys() -> list[Key]:
    found = {*_of_model(RunConfig, ())}
    for player, kind in REGISTRY.load("game", REGISTRY.default("game")).players.items():
        found |= {*_of_model(NetworkTable, (player,))}
        for provided in REGISTRY.all(kind):
            name = provided.component.name
            options = options_model(REGISTRY.load(kind, name)).model_fields
            found |= {(f"{player}.{option}", (f"{player}.name={name}",)) for option in options}
    return sorted(found)


def _of_model(model: type[BaseModel], place: tuple[str, ...]) -> Iterator[Key]:
    """Yield the keys of a table, and of the tables and components inside it."""
    for name, field in model.model_fields.items():
        inner = field.annotation
        tables = [t for t in get_args(inner) if isinstance(t, type) and issubclass(t, BaseModel)]
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _of_model(inner, (*place, name))
            yield from _of_components(name, named=False)
        elif tables:
            yield from _of_components(name, named=True)
            for kind in _kinds(name):
                for provided in REGISTRY.all(kind):
                    yield from _of_model(tables[0], (*place, name, provided.component.name))
        else:
            yield ".".join((*place, name)), ()


def _of_components(table: str, *, named: bool) -> Iterator[Key]:
    """Yield the options of all components that a table may hold."""
    for kind in _kinds(table):
        for provided in REGISTRY.all(kind):
            name = provided.component.name
            for option in options_model(REGISTRY.load(kind, name)).model_fields:
                if named:
                    yield f"{table}.{name}.{option}", ()
                else:
                    yield f"{table}.{option}", (f"{table}.name={name}",)


def _kinds(table: str) -> list[str]:
    return [kind for kind in KINDS if kind == KIND_OF.get(table, table)]


CASES = [(key, value) for key in keys() for value in VALUES]


def test_the_keys_are_found() -> None:
    found = {key for key, _ in keys()}
    assert found >= {"seed", "optimizer.lr", "data.workers", "generator.width", "term.r1.weight"}
    assert len(found) >= 100


def attempt(vidgan: Command, key: Key, value: str) -> Result:
    """Try a value and hold what happens against the promise."""
    name, others = key
    settings = [word for setting in (*others, f"{name}={value}") for word in ("--set", setting)]
    started = time.monotonic()
    with limited():
        result = vidgan("run", *SMALL, *settings, "--dry-run")
    what = f"{name}={value} ({others}) after {time.monotonic() - started:.1f} s: {result}"
    assert result.code in (0, 1, 2, 3, 4), what
    assert "Traceback" not in result.err, what
    complaints = [x for x in result.err.splitlines() if not x.startswith("warning: ")]
    assert all(line.startswith("error: ") for line in complaints if result.code), what
    assert bool(complaints) >= bool(result.code), what
    return result


def test_a_sample_of_all_values(vidgan: Command) -> None:
    for key, value in Random(0).sample(CASES, SHORT):
        attempt(vidgan, key, value)


@pytest.mark.slow
@pytest.mark.parametrize("value", VALUES)
def test_every_key_with_every_value(
    value: str, vidgan: Command, record_property: Callable[[str, object], None]
) -> None:
    found = keys()
    refused = sum(attempt(vidgan, key, value).code != 0 for key in found)
    record_property(
        f"configuration, {value[:20]}", f"{len(found)} keys: {refused} refused in a line, 0 crashed"
    )


@pytest.mark.parametrize("error", [MemoryError(), RecursionError("too deep"), OverflowError("x")])
def test_what_is_too_large_gets_a_line(
    error: Exception, vidgan: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("vidgan_core.config.resolve.resolve", fail)
    result = vidgan("run", "--dry-run")
    assert result.code == 1
    assert len(result.err.splitlines()) == 1
    assert type(error).__name__ in result.err
