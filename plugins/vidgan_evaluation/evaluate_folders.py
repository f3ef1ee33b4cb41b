"""Evaluate one folder of clips against another, wherever they are from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

from vidgan_core.config.resolve import resolve
from vidgan_core.config.schema import RunConfig
from vidgan_core.config.sources import ConfigSources
from vidgan_core.errors import UsageError, printable
from vidgan_core.interfaces import Metric
from vidgan_core.plugins.registry import Registry
from vidgan_core.training.inputs import build_dataset
from vidgan_evaluation.clip_source import plain, real
from vidgan_evaluation.disjoint_splits import by_source, split_scenes, spread
from vidgan_evaluation.evaluator import Evaluator, RealClips
from vidgan_evaluation.metric_selection import GROUPS, MetricSelector
from vidgan_evaluation.options import Request
from vidgan_evaluation.prepare import clips_each, select
from vidgan_evaluation.results_store import Evaluation


def evaluate_folders(
    folder: Path,
    against: Path,
    settings: Sequence[str],
    registry: Registry,
    request: Request,
) -> Evaluation:
    """Measure the clips of a folder against those of another.

    The frame size is the videos' own, where all have the same, unless data.size is set. With a
    metric of pairs, clip i of one belongs to clip i of the other, and there is no floor.
    """
    configs = [_config(path, settings, registry) for path in (folder, against)]
    size = _common_size(dict(zip((folder, against), configs, strict=True)), settings, registry)
    configs = [c.model_copy(update={"data": c.data.model_copy(update=size)}) for c in configs]
    judged_set, real_set = (build_dataset(config, registry) for config in configs)
    paired = _paired(request.metrics, registry)
    if paired and len(judged_set) != len(real_set):
        raise UsageError(
            f"pairs need equally many clips: {printable(str(folder))} has {len(judged_set)}, "
            f"{printable(str(against))} has {len(real_set)}"
        )
    everything = by_source(real_set, range(len(real_set)))
    sides = [everything] if paired else split_scenes(real_set, 2)
    judged = by_source(judged_set, range(len(judged_set)))
    for dataset in (judged_set, real_set):
        request.say(dataset.summary())
    n = clips_each(request, [*sides, judged], "the smaller folder")
    have = {"pairs"} if paired else set[str]()
    if judged_set.fields and real_set.fields:
        have.add("class")
    selection = select(MetricSelector(registry, configs[1], plain(real_set.spec), have), request, n)
    reference, *other = (real(real_set, spread(list(side), n), part=side) for side in sides)
    measured = RealClips(real_set.fingerprint, "all", reference, other[0] if other else None)
    evaluator = Evaluator(selection, measured, request)
    clips = replace(
        real(judged_set, spread(list(judged), n), part=judged), what=folder.name, key=""
    )
    return Evaluation(None, judged_set.fingerprint, tuple(evaluator.measure(clips)))


def _config(path: Path, settings: Sequence[str], registry: Registry) -> RunConfig:
    """Return the configuration of the data set that holds every video of a folder."""
    layers = ConfigSources()
    layers.add_tables({"data": {"name": "folder", "path": str(path), "held_out": 0}}, str(path))
    for setting in settings:
        layers.add_setting(setting)
    return resolve(layers, registry)


def _common_size(
    configs: Mapping[Path, RunConfig], settings: Sequence[str], registry: Registry
) -> Mapping[str, list[int]]:
    """Return the one size that all videos have. Raises UsageError where they are mixed."""
    if any(setting.partition("=")[0].strip() == "data.size" for setting in settings):
        return {}
    sizes = {
        path: sorted(
            {(r["height"], r["width"]) for r in build_dataset(c, registry).check() if r["height"]}
        )
        for path, c in configs.items()
    }
    if len({size for found in sizes.values() for size in found}) > 1:
        sizes_text = "; ".join(
            f"{printable(str(path))}: {', '.join(f'{h}x{w}' for h, w in found[:4])}"
            for path, found in sizes.items()
        )
        raise UsageError(
            f"clips of mixed sizes: {sizes_text}", hint="--set data.size=64 scales them"
        )
    found = next((found for found in sizes.values() if found), None)
    return {"size": list(found[0])} if found else {}


def _paired(metrics: Sequence[str], registry: Registry) -> bool:
    """Is one of the named metrics one of pairs?"""
    load = partial(registry.load, "metric")
    named = [name for name in metrics if name not in GROUPS]
    return any("pairs" in cast(type[Metric], load(name)).needs for name in named)
