"""From what a user said to a configuration: defaults < usual < file.toml < flags < --set.

A component's table is validated against the keyword-only parameters of its constructor. All
problems are reported at once, each with its source.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from vidgan_core.config.schema import (
    AugmentTable,
    ComponentTable,
    DataTable,
    NetworkTable,
    OptionsTable,
    RunConfig,
    Table,
    TermTable,
)
from vidgan_core.config.sources import ConfigSources, Place
from vidgan_core.errors import ComponentError, ConfigError, Problem, UsageError, did_you_mean
from vidgan_core.plugins.kinds import Kind
from vidgan_core.plugins.options import options_model
from vidgan_core.plugins.registry import Registry

PLAYERS: tuple[tuple[Kind, type[Table]], ...] = (
    ("generator", NetworkTable),
    ("discriminator", NetworkTable),
    ("loss", ComponentTable),
)
NAMED: tuple[tuple[Kind, type[Table]], ...] = (
    ("term", TermTable),
    ("augment", AugmentTable),
    ("metric", OptionsTable),
    ("features", OptionsTable),
)


def resolve(layers: ConfigSources, registry: Registry) -> RunConfig:
    """Fill in what was not said and validate everything. Raises ConfigError with all problems."""
    problems = list(layers.problems)
    values = _with_defaults(layers, registry)
    for path, kind, name, known in _components(values):
        # A component that is known but broken ends everything here, with an exit code of its own.
        try:
            model = options_model(registry.load(kind, name))
        except UsageError as error:
            source = layers.source((*path, "name")) or layers.source(path)
            problems.append(Problem("", str(error), source=source))
            continue
        if taken := known & set(model.model_fields):
            names = ", ".join(sorted(taken))
            raise ComponentError(f"{kind} {name!r}: the option {names} is the core's own key")
        table = _table(values, path)
        options = {k: v for k, v in table.items() if k not in known}
        filled, found = _validate(model, options, path, layers, also=known)
        problems += found
        table.update(filled)
    config, found = _validate(RunConfig, values, (), layers)
    problems += found
    if problems:
        raise ConfigError(_unique(problems))
    return _best_is_measured(RunConfig.model_validate(config), layers)


def _best_is_measured(config: RunConfig, layers: ConfigSources) -> RunConfig:
    """Refuse to keep the best checkpoint where checkpoints are not measured."""
    best, every, saved = config.checkpoint.best, config.eval.every, config.checkpoint.every
    if best and (not every or every % saved):
        what = f"eval.every must be a multiple of checkpoint.every, {saved}"
        place = ("eval", "every") if every else ("checkpoint", "best")
        got = json.dumps(every or best)
        raise ConfigError([Problem(".".join(place), what, got, layers.source(place))])
    return config


def _with_defaults(layers: ConfigSources, registry: Registry) -> dict[str, Any]:
    """Return the user's values over names and usual settings of the chosen components."""
    values: dict[str, Any] = json.loads(json.dumps(layers.values, default=str))

    def name(table: str, kind: Kind, usual: Any = None) -> str:
        given = layers.said(table, "name")
        return given if isinstance(given, str) else usual or registry.default(kind)

    def usual(kind: Kind, component: str) -> Mapping[str, Any]:
        try:
            return registry.get(kind, component).component.usual
        except UsageError:
            return {}  # an unknown name: reported when it is loaded

    def default(table: str, key: str, value: Any) -> None:
        if isinstance(inner := values.setdefault(table, {}), dict):
            inner.setdefault(key, value)

    generator = name("generator", "generator")
    of_generator = usual("generator", generator)
    loss = name("loss", "loss", of_generator.get("loss"))
    critic = name("discriminator", "discriminator", of_generator.get("disc"))
    default("generator", "name", generator)
    default("discriminator", "name", critic)
    default("loss", "name", loss)
    default("data", "name", name("data", "dataset"))
    for key, value in of_generator.get("data", {}).items():
        default("data", key, value)
    _default_task(values, layers, registry, of_generator, critic)
    values.setdefault("term", _usual_terms(of_generator, usual("loss", loss), loss))
    values.setdefault("augment", {})
    return values


def _default_task(
    values: dict[str, Any],
    layers: ConfigSources,
    registry: Registry,
    of_generator: Mapping[str, Any],
    critic: str,
) -> None:
    """Fill in the task: the generator's usual one, together with its usual discriminator alone.

    Options of the usual task are for this task: another one has its own.
    """
    usual = dict(of_generator.get("task", {})) if critic == of_generator.get("disc") else {}
    given = layers.said("task", "name")
    if not isinstance(table := values.setdefault("task", {}), dict):
        return
    if given is None or given == usual.get("name"):
        values["task"] = usual | table
    values["task"].setdefault("name", registry.default("task"))


def _usual_terms(
    of_generator: Mapping[str, Any], of_loss: Mapping[str, Any], loss: str
) -> dict[str, Any]:
    """Return the terms of generator and loss; a generator's own loss has its own terms alone."""
    own = of_generator.get("loss")
    terms = dict(of_generator.get("terms", {})) if own in (None, loss) else {}
    return terms if own == loss else terms | dict(of_loss.get("terms", {}))


def _components(values: Mapping[str, Any]) -> Iterator[tuple[Place, Kind, str, set[str]]]:
    """Yield every component table: its path, kind, name, and the keys that are the core's."""
    tables: list[tuple[Place, Kind, Any, type[Table]]] = [
        ((kind,), kind, values[kind], model) for kind, model in PLAYERS
    ]
    tables.append((("data",), "dataset", values["data"], DataTable))
    tables.append((("task",), "task", values["task"], ComponentTable))
    for kind, model in NAMED:
        if isinstance(named := values.get(kind), dict):
            tables += [((kind, name), kind, table, model) for name, table in named.items()]
    for path, kind, table, model in tables:
        if isinstance(table, dict):  # otherwise the core's own models say what is wrong
            name = path[1] if len(path) > 1 else table.get("name")
            if isinstance(name, str):
                yield path, kind, name, set(model.model_fields)


def _table(values: dict[str, Any], path: Place) -> dict[str, Any]:
    for name in path:
        values = values[name]
    return values


def _validate(
    model: type[BaseModel],
    data: Mapping[str, Any],
    path: Place,
    layers: ConfigSources,
    also: Iterable[str] = (),
) -> tuple[dict[str, Any], list[Problem]]:
    """Check a table; return it with its defaults filled in, or what is wrong with it."""
    try:
        # JSON mode is strict about types and yet takes a list where a tuple is wanted.
        checked = model.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        return {}, [_problem(model, e, path, layers, also) for e in error.errors()]
    return checked.model_dump(mode="json"), []


def _problem(
    model: type[BaseModel],
    error: Mapping[str, Any],
    path: Place,
    layers: ConfigSources,
    also: Iterable[str],
) -> Problem:
    """Turn one of pydantic's errors into words: where, what, got, from."""
    place = (*path, *map(str, error["loc"]))
    # The end of a place may be the branch of a union or an index: nothing that the user wrote.
    lengths = range(len(place), len(path), -1)
    place = next((place[:n] for n in lengths if layers.said(*place[:n]) is not None), place)
    said = layers.said(*place)
    where, source = ".".join(place), layers.source(place)
    if error["type"] == "extra_forbidden":
        known = {*_keys(model, error["loc"][:-1]), *also}
        return Problem(where, f"no such option; {did_you_mean(place[-1], known)}", source=source)
    what = re.sub(r"^(Input|Value) should|^Value error, must", "must", error["msg"])
    got = json.dumps(error["input"] if said is None else said, default=str)
    return Problem(where, what[0].lower() + what[1:], got, source)


def _keys(model: type[BaseModel], loc: Iterable[Any]) -> set[str]:
    """Return the keys of the table that lies at `loc` within a model."""
    for part in loc:
        inner = model.model_fields[part].annotation if part in model.model_fields else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            break
        model = inner
    return set(model.model_fields)


def _unique(problems: list[Problem]) -> list[Problem]:
    """Keep the first problem of each place: the branches of a union all complain."""
    return list({(p.where or p.what): p for p in reversed(problems)}.values())[::-1]
