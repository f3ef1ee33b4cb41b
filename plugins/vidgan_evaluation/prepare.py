"""From a configuration to an evaluator: the real clips of a run's data, cut into halves."""

from __future__ import annotations

from collections.abc import Sequence

from vidgan_core.config.schema import RunConfig
from vidgan_core.errors import UsageError
from vidgan_core.interfaces import DataSpec
from vidgan_core.plugins.registry import Registry
from vidgan_core.training.inputs import build_measured
from vidgan_evaluation.clip_source import plain, real
from vidgan_evaluation.disjoint_splits import split_scenes, spread
from vidgan_evaluation.evaluator import Evaluator, RealClips
from vidgan_evaluation.metric_selection import MetricSelector, Selection
from vidgan_evaluation.options import Request

MOST_TRAIN = 2  # times n: how many training clips are looked at for copies
FEWEST = 16  # clips on a side, unless it is asked for
HINT = "--split train, more data, or a larger part of it held out"


def prepare(
    config: RunConfig, registry: Registry, spec: DataSpec, request: Request
) -> tuple[Evaluator, int]:
    """Make ready to measure generators of `spec` against the data of their configuration.

    Returns the evaluator and how many clips to measure. Raises UsageError where the data offer too
    few clips or others than the generator makes.
    """
    dataset = build_measured(config, registry, request.split)
    if plain(dataset.spec) != plain(spec):
        raise UsageError(f"the generator makes {spec}, the data are of {dataset.spec}")
    have = {"generator"} | ({"train"} if request.split == "test" else set())
    if {"class"} <= {f.name for f in dataset.fields} & {f.name for f in spec.condition}:
        have.add("class")
    halves = split_scenes(dataset, 2)
    who = f"the {request.split} split of {config.data.name}"
    n = clips_each(request, halves, who, fewest=FEWEST)
    selection = select(MetricSelector(registry, config, plain(spec), have), request, n)
    reference, other = (real(dataset, spread(half, n)) for half in halves)
    trained = None
    if selection.needs("train"):
        train = build_measured(config, registry, "train")
        numbers = spread(range(len(train)), min(len(train), MOST_TRAIN * n))
        trained = real(train, numbers, "training")
    real_clips = RealClips(dataset.fingerprint, request.split, reference, other, trained)
    return Evaluator(selection, real_clips, request), n


def clips_each(
    request: Request, sides: Sequence[Sequence[int]], who: str, *, fewest: int = 2
) -> int:
    """Return how many clips each side has; say so where it is fewer than is usual."""
    most = min(map(len, sides))
    offer = f"{who} gives {most} clips for each side that share no scene"
    if most < 2 or (request.n is None and most < fewest):
        raise UsageError(f"{offer}: too few", hint=HINT)
    if request.n is None and most < request.at_most:
        request.say(f"n is {most}: {offer}")
    if request.n and request.n > most:
        raise UsageError(f"-n {request.n}: {offer}", hint=f"-n {most}, or {HINT}")
    return request.n or min(most, request.at_most)


def select(selector: MetricSelector, request: Request, n: int) -> Selection:
    """Select what is measured; report what of a group is not, and why."""
    selection = selector.select(request.metrics, request.features, n)
    for name, why in selection.left_out.items():
        request.say(f"left out: {name}: {why}")
    return selection
