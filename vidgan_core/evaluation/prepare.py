"""From a configuration to a bench: the real clips of a run's data, cut into halves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
    """How to evaluate: `n` clips on each side, or for None up to `at_most`, what there are.

    `say` is told what a user should know, `watch` how far it is.
    """

    metrics: tuple[str, ...] = ("fast",)
    features: tuple[str, ...] = ()
    n: int | None = None
    at_most: int = DEFAULT_N
    seed: int = 0
    split: Split = "test"
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    watch: Watch = unwatched
    say: Callable[[str], None] = field(default=lambda _: None)


def prepare(
    config: RunConfig, registry: Registry, spec: DataSpec, terms: Terms
) -> tuple[Bench, int]:
    """Make ready to measure generators of `spec` against the data of their configuration.

    Returns the bench and how many clips to measure. Raises UsageError where the data offer too
    few clips or others than the generator makes.
    """
    dataset = build_dataset(config, registry, terms.split)
    if plain(dataset.spec) != plain(spec):
        raise UsageError(f"the generator makes {spec}, the data are of {dataset.spec}")
    have = {"generator"} | ({"train"} if terms.split == "test" else set())
    if {"class"} <= {f.name for f in dataset.fields} & {f.name for f in spec.condition}:
        have.add("class")
    halves = cut(dataset, 2)
    who = f"the {terms.split} split of {config.data.name}"
    n = clips_each(terms, halves, who)
    choice = choose(Chooser(registry, config, plain(spec), have), terms, n)
    reference, other = (real(dataset, spread(half, n)) for half in halves)
    trained = None
    if choice.needs("train"):
        train = build_dataset(config, registry, "train")
        numbers = spread(range(len(train)), min(len(train), MOST_TRAIN * n))
        trained = real(train, numbers, "training")
    sides = Real(dataset.fingerprint, terms.split, reference, other, trained)
    bench = Bench(choice, sides, seed=terms.seed, device=terms.device, watch=terms.watch)
    return bench, n


def clips_each(terms: Terms, sides: Sequence[Sequence[int]], who: str) -> int:
    """Return how many clips each side has; say so where it is fewer than is usual."""
    most = min(map(len, sides))
    offer = f"{who} gives {most} clips for each side that share no scene"
    if most < 2:
        raise UsageError(f"{offer}: too few", hint=HINT)
    if terms.n is None and most < terms.at_most:
        terms.say(f"n is {most}: {offer}")
    if terms.n and terms.n > most:
        raise UsageError(f"-n {terms.n}: {offer}", hint=f"-n {most}, or {HINT}")
    return terms.n or min(most, terms.at_most)


def choose(chooser: Chooser, terms: Terms, n: int) -> Choice:
    """Choose what is measured; say what of a group is not, and why."""
    choice = chooser.choose(terms.metrics, terms.features, n)
    for name, why in choice.left_out.items():
        terms.say(f"left out: {name}: {why}")
    return choice
