"""A validated configuration becomes objects."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar, cast

from vidgan_core.config.schema import NetworkTable, RunConfig, TermTable
from vidgan_core.errors import ConfigError, Problem, ShapeError, UsageError, did_you_mean
from vidgan_core.interfaces import (
    Augment,
    Dataset,
    DataSpec,
    Discriminator,
    Generator,
    Loss,
    Network,
    Split,
    Term,
)
from vidgan_core.interfaces.augment import AdaptiveAugment
from vidgan_core.interfaces.game import WeightedTerm
from vidgan_core.nn.spectral_norm import normalise
from vidgan_core.plugins.kinds import Kind
from vidgan_core.plugins.options import typed
from vidgan_core.plugins.registry import Registry
from vidgan_core.rng import key, seed_default
from vidgan_core.training.bounded_build import bounded_build
from vidgan_core.training.schedule import Schedule

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Parts:
    """What a run is made of."""

    spec: DataSpec
    generator: Generator
    discriminator: Discriminator
    loss: Loss
    terms: tuple[WeightedTerm, ...]
    augments: tuple[AdaptiveAugment, ...] = ()

    @property
    def few(self) -> int | None:
        """How many frames of a clip are trained on, where both networks can do with a few."""
        return self.discriminator.few if "time" in self.generator.takes else None


def build_dataset(config: RunConfig, registry: Registry, split: Split = "train") -> Dataset:
    """Make the data set of a run."""
    height, width = config.data.height_width
    wanted = DataSpec(frames=config.data.frames, height=height, width=width)
    target = registry.load("dataset", config.data.name)
    return cast(Dataset, target(wanted, split, **typed(target, config.data.options)))


def conditioned(dataset: Dataset, config: RunConfig) -> DataSpec:
    """Return the data set's spec with the condition's fields. UsageError if it has no such."""
    fields = {field.name: field for field in dataset.fields}
    for name in config.condition:
        if name not in fields:
            hint = did_you_mean(name, fields)
            raise UsageError(
                f"condition: data set {config.data.name!r} gives no {name!r}", hint=hint
            )
    return replace(dataset.spec, condition=tuple(fields[name] for name in config.condition))


def build(config: RunConfig, registry: Registry, spec: DataSpec) -> Parts:
    """Make networks, loss and terms; the weights are a function of the seed and the part."""
    problems: list[Problem] = []

    def attempt(make: Callable[[], T]) -> T | None:
        try:
            return make()
        except ShapeError as error:
            problems.append(Problem("", str(error)))
            return None

    generator = attempt(lambda: build_generator(config, registry, spec))
    discriminator = attempt(
        lambda: cast(
            Discriminator,
            _network("discriminator", config.discriminator, config.seed, registry, spec),
        )
    )
    if generator is None or discriminator is None:
        raise ConfigError(problems)
    loss = registry.load("loss", config.loss.name)
    terms = tuple(
        WeightedTerm(
            name,
            _term(name, table.options, config.seed, registry),
            _weight(table, config),
            table.every,
        )
        for name, table in config.term.items()
    )
    return Parts(
        spec,
        generator,
        discriminator,
        loss(**typed(loss, config.loss.options)),
        terms,
        tuple(_augments(config, registry)),
    )


def build_generator(config: RunConfig, registry: Registry, spec: DataSpec) -> Generator:
    """Make the generator alone, which is all that sampling needs."""
    network = _network("generator", config.generator, config.seed, registry, spec)
    return cast(Generator, network)


def _network(
    kind: Kind, table: NetworkTable, seed: int, registry: Registry, spec: DataSpec
) -> Network:
    target = registry.load(kind, table.name)
    seed_default(key(seed, "weights", kind))
    try:
        with bounded_build():
            network = cast(Network, target(spec, **typed(target, table.options)))
    except ShapeError as error:
        raise ShapeError(f"{kind} {table.name!r} {error}") from None
    for field in spec.condition:
        if field.name not in network.takes:
            raise UsageError(f"{kind} {table.name!r} can't be conditioned on {field.name!r}")
    if table.spectral_norm:
        normalise(network)
    return network


def _term(name: str, options: dict[str, Any], seed: int, registry: Registry) -> Term:
    seed_default(key(seed, "weights", "term", name))
    target = registry.load("term", name)
    return cast(Term, target(**typed(target, options)))


def _weight(table: TermTable, config: RunConfig) -> float | Schedule:
    if isinstance(table.weight, tuple):
        return Schedule(*table.weight, config.horizon)
    return table.weight


def _augments(config: RunConfig, registry: Registry) -> Iterator[AdaptiveAugment]:
    for name, table in config.augment.items():
        seed_default(key(config.seed, "weights", "augment", name))
        target = registry.load("augment", name)
        augment = cast(Augment, target(**typed(target, table.options)))
        yield AdaptiveAugment(
            name,
            augment,
            table.p,
            table.target,
            ramp=table.ramp / config.data.batch,
            parts=config.trainer.accumulate,
        )


def spec_to_json(spec: DataSpec) -> dict[str, Any]:
    """Return a spec as plain values."""
    return asdict(spec)
