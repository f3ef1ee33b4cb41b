"""The real clips of a published protocol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from vidgan_core.config.schema import RunConfig
from vidgan_core.errors import UsageError
from vidgan_core.interfaces import Dataset, DataSpec
from vidgan_core.plugins.registry import Registry
from vidgan_core.training.inputs import build_measured
from vidgan_evaluation.clip_source import Clips, plain, real
from vidgan_evaluation.disjoint_splits import MOST, by_source, spread
from vidgan_evaluation.evaluator import Evaluator, RealClips
from vidgan_evaluation.metric_selection import MetricSelector
from vidgan_evaluation.options import Request
from vidgan_evaluation.prepare import FEWEST, select
from vidgan_evaluation.protocols import Published


def prepare_published(
    config: RunConfig, registry: Registry, spec: DataSpec, request: Request, published: Published
) -> tuple[Evaluator, int]:
    """Prepare to measure as a paper does; there is a floor where as many other videos are left.

    Returns the evaluator and how many clips to generate. Raises UsageError for a run that can't
    give the published number.
    """
    published.check(config, spec)
    dataset = build_measured(config, registry, published.split)
    numbers = _offered(dataset, published)
    count = min(len(numbers), published.n)
    if count < FEWEST:
        raise UsageError(f"{published.name}: the {published.split} split has {count} clips")
    reference = spread(numbers, count)
    rest = sorted(set(numbers) - set(reference)) if published.clips == "videos" else []
    other = _clips(dataset, spread(rest, count)) if len(rest) >= count else None
    share = {"published": published.name} | ({} if count == published.n else {"real": count})
    request = replace(request, metrics=(published.metric,), features=(), split=published.split)
    real_clips = RealClips(
        dataset.fingerprint,
        published.split,
        _repeating(dataset, reference, published.n),
        other,
        stated=share,
    )
    selection = select(MetricSelector(registry, config, plain(spec), {"generator"}), request, count)
    return Evaluator(selection, real_clips, request), published.n


def _offered(dataset: Dataset, published: Published) -> Sequence[int]:
    """Return the numbers of the clips to choose from: all, or the middle one of each video."""
    if published.clips == "windows":
        return range(len(dataset))
    videos: dict[int, list[int]] = {}
    for number in range(0, len(dataset), -(-len(dataset) // MOST)):
        videos.setdefault(dataset.span(number)[0], []).append(number)
    return [windows[len(windows) // 2] for windows in videos.values()]


def _clips(dataset: Dataset, numbers: list[int]) -> Clips:
    return real(dataset, numbers, part=by_source(dataset, numbers))


def _repeating(dataset: Dataset, numbers: list[int], n: int) -> Clips:
    """Return real clips, whose conditions come again and again for more generated ones."""
    again = [numbers[place % len(numbers)] for place in range(n)]
    return replace(_clips(dataset, numbers), rows=real(dataset, again).rows)
