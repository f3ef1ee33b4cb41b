"""How uncertain a number is, from the spread of the same number over samples of the same clips.

Clips of one video or scene are not independent: overlapping windows show the same frames. So
whole videos or scenes are drawn where clips have a `group` (the cluster bootstrap, Field & Welsh
2007, and its jackknife); with clips alone the error would come out far too small.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace
from statistics import stdev

import torch
from torch import Tensor

from vidgan_core.interfaces import ClipSet, Evidence, Metric
from vidgan_core.rng import keyed

BOOTSTRAPS = 20
HALVES = 10
MEANS = 1000  # bootstrap samples of a mean, which cost nothing
LARGEST_HALF = 1024  # clips: so that the time grows no faster than their number
FEWEST_GROUPS = 4  # fewer videos or scenes tell nothing about how much others differ


def errors(metric: Metric, evidence: Evidence, seed: int) -> dict[str, float]:
    """Return the standard errors of a metric's numbers, of those for which it is known.

    The bootstrap (Efron 1979) draws n of n with replacement; the delete-d jackknife (Shao & Wu
    1989) m of n without, and scales the spread by sqrt(m / (n - m)), which is 1 for halves.
    Both sides are drawn from, of pairs the same rows.
    """
    if metric.error == "own" or "generator" in metric.needs:
        return {}
    if min(groups(evidence.real), groups(evidence.fake)) < FEWEST_GROUPS:
        return {}
    if metric.error == "bootstrap":
        return _spread(metric, evidence, seed, BOOTSTRAPS, share=None)
    sizes = len(evidence.real), len(evidence.fake)
    share = min(0.5, LARGEST_HALF / max(sizes))
    if share * min(sizes) < metric.least:
        return {}
    spread = _spread(metric, evidence, seed, HALVES, share=share)
    scale = math.sqrt(share / (1 - share))
    return {name: scale * value for name, value in spread.items()}


def error_of_mean(values: Tensor, group: Tensor | None, seed: int) -> float | None:
    """Return the standard error of the mean of values (N,); None if too few are independent.

    By the bootstrap, of whole groups where there are any: the mean of each sample is that of all of
    its values, so that a group counts by its size.
    """
    place = (
        torch.arange(len(values)) if group is None else torch.unique(group, return_inverse=True)[1]
    )
    count = int(place.max()) + 1
    if count < FEWEST_GROUPS:
        return None
    sums, sizes = values.new_zeros(2, count).index_add(
        1, place, torch.stack([values, torch.ones_like(values)])
    )
    drawn = torch.randint(count, (MEANS, count), generator=keyed(seed, "resample"))
    return float((sums[drawn].sum(1) / sizes[drawn].sum(1)).std())


def groups(clips: ClipSet) -> int:
    """Return how many independent samples some clips are: videos, scenes, or the clips."""
    return len(clips) if clips.group is None else len(torch.unique(clips.group))


def _spread(
    metric: Metric, evidence: Evidence, seed: int, draws: int, *, share: float | None
) -> dict[str, float]:
    """Return the standard deviation of each number over draws of a share; None: n of n."""
    rng = keyed(seed, "resample")
    numbers: dict[str, list[float]] = {name: [] for name in metric.better}
    for _ in range(draws):
        drawn = _draw(evidence, rng, share, paired="pairs" in metric.needs)
        if min(len(drawn.real), len(drawn.fake)) < metric.least:
            continue
        for name, value in metric.measure(drawn).items():
            if name in numbers:
                numbers[name].append(value)
    return {name: stdev(values) for name, values in numbers.items() if _known(values)}


def _known(values: list[float]) -> bool:
    return len(values) > 1 and all(map(math.isfinite, values))


def _draw(
    evidence: Evidence, rng: torch.Generator, share: float | None, *, paired: bool
) -> Evidence:
    """Draw clips of both sides."""
    of_real = _rows(evidence.real, rng, share)
    of_fake = of_real if paired else _rows(evidence.fake, rng, share)
    return replace(evidence, real=take(evidence.real, of_real), fake=take(evidence.fake, of_fake))


def _rows(clips: ClipSet, rng: torch.Generator, share: float | None) -> Tensor:
    """Draw independent samples of some clips: the rows of all of their clips."""
    count = groups(clips)
    if share is None:
        drawn = torch.randint(count, (count,), generator=rng)
    else:
        size = max(1, int(share * count))
        drawn = torch.randperm(count, generator=rng)[:size].sort().values
    return drawn if clips.group is None else torch.cat(list(_members(clips.group, drawn)))


def _members(group: Tensor, drawn: Tensor) -> Iterator[Tensor]:
    """Yield the rows of each drawn group, once for each time that it was drawn."""
    place = torch.unique(group, return_inverse=True)[1]
    order = place.argsort(stable=True)
    rows = order.split(place.bincount().tolist())
    return (rows[number] for number in drawn.tolist())


def take(clips: ClipSet, rows: Tensor) -> ClipSet:
    """Return some rows of a set of clips."""

    def of(tensor: Tensor) -> Tensor:
        return tensor[rows.to(tensor.device)]

    optional: Mapping[str, Tensor | None] = {
        "features": clips.features,
        "frame_features": clips.frame_features,
        "group": clips.group,
    }
    return ClipSet(
        of(clips.video),
        condition={name: of(tensor) for name, tensor in clips.condition.items()},
        **{name: None if tensor is None else of(tensor) for name, tensor in optional.items()},
    )
