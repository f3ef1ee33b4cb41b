"""A validated configuration becomes objects: data set, networks, loss, terms, game."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from typing import Any, cast

from vidgan_core.config.schema import RunConfig, TermTable
from vidgan_core.errors import ConfigError, Problem, ShapeError, UsageError
from vidgan_core.interfaces import (
    AdaptiveAugment,
    DataSpec,
    Game,
    GameParts,
    Network,
    Task,
    WeightedTerm,
)
from vidgan_core.nn.concat_condition import ConcatCondition
from vidgan_core.nn.spectral_norm import normalise
from vidgan_core.plugins.registry import Registry
from vidgan_core.rng import key
from vidgan_core.training.bounded_build import bounded_build
from vidgan_core.training.inputs import network_spec, refusal
from vidgan_core.training.schedule import Schedule


def game_class(config: RunConfig, registry: Registry) -> type[Game]:
    """Return the class of a run's game, which says what players there are."""
    return cast(type[Game], registry.load("game", config.game.name))


def build_game(
    config: RunConfig,
    registry: Registry,
    spec: DataSpec,
    task: Task | None = None,
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> Game:
    """Make networks, loss, terms and the game; weights are a function of the seed and the player.

    Raises ConfigError with what every network says of a clip's shape that it can't do.
    """
    parts = GameParts(
        networks=_networks(config, registry, spec, task),
        loss=registry.create("loss", config.loss.name, options=config.loss.options),
        terms=tuple(_terms(config, registry)),
        augments=tuple(_augments(config, registry)),
        loss_weight=_loss_weight(config),
        keep_graphs=config.trainer.accumulate == 1,
        autocast=autocast,
    )
    return cast(Game, registry.create("game", config.game.name, parts, options=config.game.options))


def build_network(
    config: RunConfig, registry: Registry, spec: DataSpec, player: str, task: Task | None = None
) -> Network:
    """Make the network of one player; the generator alone is all that sampling needs."""
    table, kind = config.networks[player], game_class(config, registry).players[player]
    spec = network_spec(spec, task, kind, player, table)
    seed = key(config.seed, "weights", player)

    def make(spec: DataSpec) -> Any:
        return registry.create(kind, table.name, spec, options=table.options, seed=seed)

    if table.concat and kind != "discriminator":
        raise UsageError(f"{player}.concat: only a discriminator can be shown joined clips")
    with bounded_build():
        network: Network = ConcatCondition(spec, make) if table.concat else make(spec)
    for field in spec.condition:
        if not network.reads(field):
            raise refusal(field, kind, table.name, player)
    if table.spectral_norm:
        normalise(network)
    return network


def _networks(
    config: RunConfig, registry: Registry, spec: DataSpec, task: Task | None
) -> Mapping[str, Network]:
    networks: dict[str, Network] = {}
    problems: list[Problem] = []
    for player in game_class(config, registry).players:
        try:
            networks[player] = build_network(config, registry, spec, player, task)
        except ShapeError as error:
            problems.append(Problem("", str(error)))
    if problems:
        raise ConfigError(problems)
    return networks


def _terms(config: RunConfig, registry: Registry) -> Iterator[WeightedTerm]:
    for name, table in config.term.items():
        seed = key(config.seed, "weights", "term", name)
        term = registry.create("term", name, options=table.options, seed=seed)
        yield WeightedTerm(name, term, _term_weight(table, config), table.every)


def _term_weight(table: TermTable, config: RunConfig) -> float | Schedule:
    if isinstance(table.weight, tuple):
        return Schedule(*table.weight, config.horizon)
    return table.weight


def _loss_weight(config: RunConfig) -> Callable[[int], float]:
    weight, start = config.loss.weight, config.loss.start
    return lambda step: weight if step >= start else 0.0


def _augments(config: RunConfig, registry: Registry) -> Iterator[AdaptiveAugment]:
    for name, table in config.augment.items():
        seed = key(config.seed, "weights", "augment", name)
        augment = registry.create("augment", name, options=table.options, seed=seed)
        ramp = table.ramp / config.data.batch
        shards = config.trainer.accumulate
        yield AdaptiveAugment(name, augment, table.p, table.target, ramp=ramp, parts=shards)


def spec_to_json(spec: DataSpec) -> dict[str, Any]:
    """Return a spec as plain values."""
    return asdict(spec)
