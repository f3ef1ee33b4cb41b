"""From a configuration to a bench: the real clips of a run's data, cut into halves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch

from vidgan_core.build import build_dataset
from vidgan_core.config import RunConfig
from vidgan_core.errors import UsageError
from vidgan_core.evaluation.bench import Bench, Real
from vidgan_core.evaluation.choose import Choice, Chooser
from vidgan_core.evaluation.clips import plain, real
from vidgan_core.evaluation.cut import cut, spread
from vidgan_core.evaluation.gather import Watch, unwatched
from vidgan_core.interfaces import DataSpec, Split
from vidgan_core.plugins import Registry

MOST_TRAIN = 2  # times n: how many training clips are looked at for copies
DEFAULT_N = 2048
HINT = "--split train, more data, or a larger part of it held out"


@dataclass(frozen=True, slots=True)
class Terms:
    """How to evaluate: `n` clips on each side, or for None up to `at_most`, what there are."""

    metrics: tuple[str, ...] = ("fast",)
    features: tuple[str, ...] = ()
    n: int | None = None
    at_most: int = DEFAULT_N
    seed: int = 0
    split: Split = "test"
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    watch: Watch = unwatched


@dataclass(frozen=True, slots=True)
class Prepared:
    """A bench, the number of clips on each side, and what a user should know about both."""

    bench: Bench
    n: int
    notes: Sequence[str]


def prepare(config: RunConfig, registry: Registry, spec: DataSpec, terms: Terms) -> Prepared:
    """Make ready to measure generators of `spec` against the data of their configuration.

    Raises UsageError where the data offer too few clips or others than the generator makes.
    """
    dataset = build_dataset(config, registry, terms.split)
    if plain(dataset.spec) != plain(spec):
        raise UsageError(f"the generator makes {spec}, the data are of {dataset.spec}")
    have = {"generator"}
    if {"class"} <= {f.name for f in dataset.fields} & {f.name for f in spec.condition}:
        have.add("class")
    train = dataset if terms.split == "train" else build_dataset(config, registry, "train")
    who = f"the {terms.split} split of {config.data.name}"
    halves = cut(dataset, 2)
    n, notes = clips_each(terms.n, terms.at_most, halves, who)
    if terms.split == "test":
        have.add("train")
    choice = Chooser(registry, config, plain(spec), have).choose(terms.metrics, terms.features, n)
    reference, other = (real(dataset, spread(half, n)) for half in halves)
    trained = None
    if choice.needs("train"):
        every = range(len(train))
        trained = real(train, spread(every, min(len(train), MOST_TRAIN * n)), "training")
    sides = Real(dataset.fingerprint, terms.split, reference, other, trained)
    bench = Bench(choice, sides, seed=terms.seed, device=terms.device, watch=terms.watch)
    return Prepared(bench, n, [*notes, *left_out(choice)])


def clips_each(
    asked: int | None, at_most: int, sides: Sequence[Sequence[int]], who: str
) -> tuple[int, list[str]]:
    """Return how many clips each side has, and what to say of it."""
    most = min(map(len, sides))
    offer = f"{who} gives {most} clips for each side that share no scene"
    if most < 2:
        raise UsageError(f"{offer}: too few", hint=HINT)
    if asked is None:
        return min(most, at_most), [f"n is {most}: {offer}"] if most < at_most else []
    if asked > most:
        raise UsageError(f"-n {asked}: {offer}", hint=f"-n {most}, or {HINT}")
    return asked, []


def left_out(choice: Choice) -> list[str]:
    """Say what of a group is not measured, and why."""
    return [f"left out: {name}: {why}" for name, why in choice.left_out.items()]
