"""From a configuration to an evaluator: the real clips of a run's data, cut into halves."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from vidgan_core.config.schema import RunConfig
from vidgan_core.errors import UsageError
from vidgan_core.interfaces import Dataset, DataSpec
from vidgan_core.plugins.registry import Registry
from vidgan_core.training.inputs import build_measured
from vidgan_evaluation.clip_source import plain, real
from vidgan_evaluation.disjoint_splits import by_source, split_scenes, spread
from vidgan_evaluation.evaluator import Evaluator, RealClips
from vidgan_evaluation.metric_selection import MetricSelector, Selection
from vidgan_evaluation.options import Request
from vidgan_evaluation.paired_clips import answered, paired_clips

FEWEST = 16  # clips on a side, unless it is asked for
HINTS = {
    "test": "--split train, more data, or a larger part of it held out",
    "train": "more or longer videos, or clips of fewer frames",
}


def prepare(
    config: RunConfig, registry: Registry, spec: DataSpec, request: Request
) -> tuple[Evaluator, int]:
    """Prepare to measure generators of `spec` against the data of their configuration.

    Returns the evaluator and how many clips to measure. With a task that has a truth each of them
    is measured against it. Raises UsageError where the data offer too few clips or others than the
    generator makes.
    """
    dataset = build_measured(config, registry, request.split)
    if plain(dataset.spec) != plain(spec):
        raise UsageError(f"the generator makes {spec}, the data are of {dataset.spec}")
    have = {"generator"} | ({"train"} if request.split == "test" else set())
    if {"class"} <= {f.name for f in dataset.fields} & {f.name for f in spec.condition}:
        have.add("class")
    who = f"the {request.split} split of {config.data.name}"
    if pairs := answered(dataset):
        real_clips, n = paired_clips(pairs, who, request)
        have = (have | {"pairs"}) - {"train"}
        selection = select(MetricSelector(registry, config, plain(spec), have), request, n)
        return Evaluator(selection, real_clips, request), n
    halves = split_scenes(dataset, 2)
    n = clips_each(request, halves, who, fewest=FEWEST)
    selection = select(MetricSelector(registry, config, plain(spec), have), request, n)
    reference, other = (real(dataset, spread(list(half), n), part=half) for half in halves)
    real_clips = RealClips(dataset.fingerprint, request.split, reference, other)
    if request.split == "test":
        train = build_measured(config, registry, "train")
        real_clips = replace(real_clips, **_training(train, n, request, selection.needs("train")))
    return Evaluator(selection, real_clips, request), n


def _training(dataset: Dataset, n: int, request: Request, search: bool) -> dict[str, Any]:
    """Return the training clips of `RealClips`: n for their level, and those that are searched."""
    total = len(dataset)
    found: dict[str, Any] = {}
    if total >= n:
        numbers = spread(range(total), n)
        part = by_source(dataset, numbers)
        found["level"] = real(dataset, numbers, "training", part)
    if search:
        count = min(total, request.search)
        numbers = spread(range(total), count)
        share = "all" if count == total else f"{count}of{total}"
        found |= {"train": real(dataset, numbers, "training"), "searched": share}
    return found


def clips_each(
    request: Request, sides: Sequence[Collection[int]], who: str, *, fewest: int = 2
) -> int:
    """Return how many clips each side has; say so where it is fewer than is usual."""
    most = min(map(len, sides))
    offer = f"{who} gives {most} clips for each side that share no scene"
    more = HINTS[request.split]
    if most < 2 or (request.n is None and most < fewest):
        raise UsageError(f"{offer}: too few", hint=more)
    if request.n is None and most < request.at_most:
        request.say(f"n is {most}: {offer}")
    if request.n and request.n > most:
        raise UsageError(f"-n {request.n}: {offer}", hint=f"-n {most}, or {more}")
    return request.n or min(most, request.at_most)


def select(selector: MetricSelector, request: Request, n: int) -> Selection:
    """Select what is measured; report what of a group is not, and why."""
    selection = selector.select(request.metrics, request.features, n)
    for why, names in selection.reasons().items():
        request.say(f"left out: {', '.join(names)}: {why}")
    return selection
