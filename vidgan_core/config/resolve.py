"""From what a user asks for to a configuration: defaults < usual < file.toml < flags < --set.

A component's table is validated against the keyword-only parameters of its constructor. All
problems are reported at once, each with its source.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, cast

from pydantic import BaseModel, ValidationError

from vidgan_core.config.schema import DataTable, NetworkTable, OptimizerTable, RunConfig, core_table
from vidgan_core.config.sources import ConfigSources, KeyPath
from vidgan_core.errors import ComponentError, ConfigError, Problem, UsageError, did_you_mean
from vidgan_core.plugins.kinds import KINDS, Kind
from vidgan_core.plugins.options import options_model
from vidgan_core.plugins.registry import Registry

if TYPE_CHECKING:
    from vidgan_core.interfaces.game import Game

logger = logging.getLogger("vidgan.config")

# Keys of vidgan 0.1 and what stands in their place.
MOVED = {
    "trainer.lr": "optimizer.lr",
    "trainer.betas": "optimizer.betas",
    "trainer.d_lr": "discriminator.optimizer.lr",
    "trainer.d_betas": "discriminator.optimizer.betas",
    "trainer.d_steps": "game.d_steps",
    "trainer.reuse_fakes": "game.reuse_fakes",
    "samples": "callback.pictures",
    "log.every": "trainer.report_every",
    "log": "trainer.report_every",
    "eval": "callback.evaluation",
}


def resolve(sources: ConfigSources, registry: Registry) -> RunConfig:
    """Fill in what is left open and validate everything. Raises ConfigError with all problems."""
    problems = list(sources.problems)
    game = _game(sources, registry)
    values = _with_defaults(sources, registry, game)
    for path, kind, name, core in _components(values, game):
        # A component that is known but broken ends everything here, with an exit code of its own.
        try:
            model = options_model(registry.load(kind, name))
        except UsageError as error:
            source = sources.source((*path, "name")) or sources.source(path)
            problems.append(Problem("", str(error), source=source))
            continue
        if taken := core & set(model.model_fields):
            names = ", ".join(sorted(taken))
            raise ComponentError(f"{kind} {name!r}: the option {names} is the core's own key")
        table = _table(values, path)
        options = {k: v for k, v in table.items() if k not in core}
        filled, found = _validate(model, options, path, sources, also=core)
        problems += found
        if path[-1] == "optimizer" and len(path) > 1:
            continue  # it holds what differs from the common table, and no defaults
        table.update(filled)
    problems += _unknown_tables(values, game, sources)
    config, found = _validate(RunConfig, values, (), sources)
    problems += found
    if not found:
        checked = RunConfig.model_validate(config)
        for player in checked.networks:
            merged = checked.merged_optimizer(player)
            problems += _validate(OptimizerTable, merged, (player, "optimizer"), sources)[1]
    if problems:
        raise ConfigError(_unique(problems))
    return checked


def _game(sources: ConfigSources, registry: Registry) -> type[Game]:
    """Return the class of the game, which says what players there are."""
    name = sources.value_at("game", "name")
    name = name if isinstance(name, str) else registry.default("game")
    try:
        return cast("type[Game]", registry.load("game", name))
    except UsageError as error:
        source = sources.source(("game", "name"))
        raise ConfigError([Problem("", str(error), source=source)]) from None


def batch_size(sources: ConfigSources, registry: Registry) -> int | None:
    """Return how many clips a batch has; None where that is wrong."""
    table = _with_defaults(sources, registry, _game(sources, registry))["data"]
    usual = DataTable.model_fields["batch"].default
    batch = table.get("batch", usual) if isinstance(table, dict) else None
    return batch if type(batch) is int and batch >= 1 else None


def _with_defaults(sources: ConfigSources, registry: Registry, game: type[Game]) -> dict[str, Any]:
    """Return the user's values over names and usual settings of the chosen components."""
    values: dict[str, Any] = json.loads(json.dumps(sources.values, default=str))

    def usual(kind: Kind, component: str) -> dict[str, Any]:
        try:
            return dict(registry.get(kind, component).component.usual)
        except UsageError:
            return {}  # an unknown name: reported when it is loaded

    def choose(table: str, kind: Kind) -> str:
        inner = values.setdefault(table, {})
        if not isinstance(inner, dict):
            return ""  # the core's own models say what is wrong
        if not isinstance(inner.get("name"), str):
            inner.setdefault("name", registry.default(kind))
        return str(inner["name"])

    def lay_under(settings: Mapping[str, Any]) -> None:
        for table, keys in settings.items():
            _lay_under(values.setdefault(table, {}), keys)

    def with_partners(settings: Mapping[str, Any]) -> bool:
        """Are the networks that it names the chosen ones?"""
        for player in game.players.keys() & settings.keys():
            chosen = values.get(player)
            named = chosen.get("name") if isinstance(chosen, dict) else None
            if named != settings[player].get("name"):
                return False
        return True

    tables = {"game": "game", **game.players}
    tables |= {info.table: kind for kind, info in KINDS.items() if info.table and not info.several}
    asked_terms = "term" in values
    terms: list[tuple[str, str, dict[str, Any]]] = []  # table, the loss they go with, terms
    for table, kind in tables.items():
        name = choose(table, kind)
        settings = usual(kind, name)
        loss = settings.get("loss", {}).get("name", "")
        terms.append((table, name if kind == "loss" else loss, settings.pop("term", {})))
        task = settings.pop("task", None)
        lay_under(settings)
        if task and with_partners(settings):
            lay_under({"task": task})
    if not asked_terms:
        values["term"] = _usual_terms(terms, values["loss"])
    values.setdefault("augment", {})
    if isinstance(callbacks := values.setdefault("callback", {}), dict):
        for name in registry.defaults("callback"):
            callbacks.setdefault(name, {})
    return values


def _lay_under(table: Any, usual: Mapping[str, Any]) -> None:
    """Fill a table, and those in it, with what the user leaves open."""
    if not isinstance(table, dict):
        return  # the core's own models say what is wrong
    if "name" in usual and table.get("name", usual["name"]) != usual["name"]:
        return  # options of one component are none of another's
    for key, value in usual.items():
        if isinstance(value, Mapping):
            _lay_under(table.setdefault(key, {}), value)
        else:
            table.setdefault(key, value)


def _usual_terms(terms: list[tuple[str, str, dict[str, Any]]], loss: Any) -> dict[str, Any]:
    """Return the usual terms of all components that go with the chosen loss.

    A network that names this loss brings its own terms for it, in place of the loss's.
    """
    chosen = loss.get("name") if isinstance(loss, dict) else None
    own = any(goes_with == chosen and table != "loss" for table, goes_with, _ in terms)
    result: dict[str, Any] = {}
    for table, goes_with, found in terms:
        if goes_with not in ("", chosen):
            if found:
                logger.info("left out: %s, which go with the loss %r", list(found), goes_with)
        elif not (own and table == "loss"):
            result |= found
    return result


def _components(
    values: Mapping[str, Any], game: type[Game]
) -> Iterator[tuple[KeyPath, Kind, str, set[str]]]:
    """Yield every component table: its path, kind, name, and the keys that are the core's."""
    tables: list[tuple[KeyPath, Kind, Any, type[BaseModel]]] = []
    for player, kind in game.players.items():
        table = values.get(player)
        tables.append(((player,), kind, table, NetworkTable))
        own = table.get("optimizer") if isinstance(table, dict) else None
        if isinstance(own, dict) and own:
            common = values["optimizer"]
            named = {"name": common.get("name") if isinstance(common, dict) else None} | own
            tables.append(((player, "optimizer"), "optimizer", named, OptimizerTable))
    for kind, info in KINDS.items():
        if not info.table:
            continue
        found = values.get(info.table, {})
        if not info.several:
            tables.append(((info.table,), kind, found, core_table(info.table)))
        elif isinstance(found, dict):
            inner = core_table(info.table)
            tables += [((info.table, name), kind, table, inner) for name, table in found.items()]
    for path, kind, table, model in tables:
        if isinstance(table, dict):  # otherwise the core's own models say what is wrong
            name = path[1] if KINDS[kind].several else table.get("name")
            if isinstance(name, str):
                yield path, kind, name, set(model.model_fields)


def _unknown_tables(
    values: dict[str, Any], game: type[Game], sources: ConfigSources
) -> Iterator[Problem]:
    """Yield a problem for each key at the top that is neither the core's nor a player's."""
    known = {*RunConfig.model_fields, *game.players}
    for key in [key for key in values if key not in known]:
        del values[key]
        yield Problem(key, f"no such option; {_hint((key,), known)}", source=sources.source((key,)))


def _hint(place: KeyPath, known: Iterable[str]) -> str:
    """Return where a key has gone since vidgan 0.1, or the nearest known one."""
    for path in (".".join(place), place[0]):
        if path in MOVED:
            return f"since vidgan 0.2 it is {MOVED[path]}"
    return did_you_mean(place[-1], known)


def _table(values: dict[str, Any], path: KeyPath) -> dict[str, Any]:
    for name in path:
        values = values[name]
    return values


def _validate(
    model: type[BaseModel],
    data: Mapping[str, Any],
    path: KeyPath,
    sources: ConfigSources,
    also: Iterable[str] = (),
) -> tuple[dict[str, Any], list[Problem]]:
    """Check a table; return it with its defaults filled in, or what is wrong with it."""
    try:
        # JSON mode is strict about types and yet takes a list where a tuple is wanted.
        checked = model.model_validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        return {}, [_problem(model, e, path, sources, also) for e in error.errors()]
    return checked.model_dump(mode="json"), []


def _problem(
    model: type[BaseModel],
    error: Mapping[str, Any],
    path: KeyPath,
    sources: ConfigSources,
    also: Iterable[str],
) -> Problem:
    """Turn one of pydantic's errors into words: where, what, got, from."""
    place = (*path, *map(str, error["loc"]))
    # The end of a place may be the branch of a union or an index: nothing that the user wrote.
    lengths = range(len(place), len(path), -1)
    place = next((place[:n] for n in lengths if sources.value_at(*place[:n]) is not None), place)
    given = sources.value_at(*place)
    where, source = ".".join(place), sources.source(place)
    if error["type"] == "extra_forbidden":
        known = {*_keys(model, error["loc"][:-1]), *also}
        return Problem(where, f"no such option; {_hint(place, known)}", source=source)
    what = re.sub(r"^(Input|Value) should|^Value error, must", "must", error["msg"])
    got = json.dumps(error["input"] if given is None else given, default=str)
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
