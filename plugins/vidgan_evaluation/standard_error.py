"""How uncertain a number is, from the spread of the same number over samples of the same clips."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from statistics import stdev

import torch
from torch import Tensor

from vidgan_core.interfaces import ClipSet, Evidence, Metric
from vidgan_core.rng import keyed

BOOTSTRAPS = 20
HALVES = 10
LARGEST_HALF = 1024  # clips: so that the time grows no faster than their number


def errors(metric: Metric, evidence: Evidence, seed: int) -> dict[str, float]:
    """Return the standard errors of a metric's numbers, of those for which it is known.

    The bootstrap (Efron 1979) draws n of n clips with replacement; the delete-d jackknife (Shao &
    Wu 1989) m of n without, and scales the spread by sqrt(m / (n - m)), which is 1 for halves.
    Both sides are drawn from, of pairs the same rows.
    """
    if metric.error == "own" or "generator" in metric.needs:
        return {}
    size = min(len(evidence.real), len(evidence.fake))
    if metric.error == "bootstrap":
        return _spread(metric, evidence, seed, draws=BOOTSTRAPS, size=None)
    half = min(size // 2, LARGEST_HALF)
    if half < metric.least:
        return {}
    scale = math.sqrt(half / (size - half))
    spread = _spread(metric, evidence, seed, draws=HALVES, size=half)
    return {name: scale * value for name, value in spread.items()}


def _spread(
    metric: Metric, evidence: Evidence, seed: int, *, draws: int, size: int | None
) -> dict[str, float]:
    """Return the standard deviation of each number over draws of `size` clips; None: n of n."""
    rng = keyed(seed, "resample")
    numbers: dict[str, list[float]] = {name: [] for name in metric.better}
    for _ in range(draws):
        drawn = _draw(evidence, rng, size, paired="pairs" in metric.needs)
        for name, value in metric.measure(drawn).items():
            if name in numbers:
                numbers[name].append(value)
    return {name: stdev(values) for name, values in numbers.items() if _known(values)}


def _known(values: list[float]) -> bool:
    return len(values) > 1 and all(map(math.isfinite, values))


def _draw(evidence: Evidence, rng: torch.Generator, size: int | None, *, paired: bool) -> Evidence:
    """Draw clips of both sides."""
    of_real = _rows(len(evidence.real), rng, size)
    of_fake = of_real if paired else _rows(len(evidence.fake), rng, size)
    return replace(evidence, real=take(evidence.real, of_real), fake=take(evidence.fake, of_fake))


def _rows(count: int, rng: torch.Generator, size: int | None) -> Tensor:
    if size is None:
        return torch.randint(count, (count,), generator=rng)
    return torch.randperm(count, generator=rng)[:size].sort().values


def take(clips: ClipSet, rows: Tensor) -> ClipSet:
    """Return some rows of a set of clips."""

    def of(tensor: Tensor) -> Tensor:
        return tensor[rows.to(tensor.device)]

    optional: Mapping[str, Tensor | None] = {
        "features": clips.features,
        "frame_features": clips.frame_features,
    }
    return ClipSet(
        of(clips.video),
        condition={name: of(tensor) for name, tensor in clips.condition.items()},
        **{name: None if tensor is None else of(tensor) for name, tensor in optional.items()},
    )
