"""A few clips of each run, and of the real ones, to be looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from vidgan_core.config.settings import with_settings
from vidgan_core.errors import VidganError, printable
from vidgan_core.inference.conditions import class_labels
from vidgan_core.inference.sampler import Sampler, frame_rate
from vidgan_core.media.frames import Frames
from vidgan_core.media.pictures import to_frames
from vidgan_core.media.pixels import to_float
from vidgan_core.nn.conditioning import CLASS
from vidgan_core.plugins.registry import Registry
from vidgan_core.runs.vouched_paths import check_vouched
from vidgan_core.training.inputs import build_measured
from vidgan_evaluation.comparison import Comparison, Entry
from vidgan_evaluation.disjoint_splits import spread
from vidgan_evaluation.evaluate_run import FREE, named_data

CLIPS = 9


@dataclass(frozen=True, slots=True)
class ClipSample:
    """Some clips (B, T, H, W, 3) and what they are; the real ones have no mark."""

    label: str
    note: str
    clips: Frames
    fps: float
    mark: str


def sample_clips(
    comparison: Comparison, registry: Registry, seed: int, data: str | None = None
) -> tuple[list[ClipSample], list[str]]:
    """Return real clips, if all runs have the same data, and clips of each run; and what failed.

    `data` is where the user has the real clips; an untrusted run is not believed.
    """
    found: list[ClipSample] = []
    failed: list[str] = []
    datas = [entry.config.data.model_dump_json() for entry in comparison.entries]
    if len(set(datas)) == 1:
        try:
            found.append(_real(comparison.entries[0], registry, data))
        except VidganError as error:
            failed.append(f"no real clips are shown: {error}")
    for entry in comparison.entries:
        found.append(_generated(entry, registry, seed))
    return found, failed


def _generated(entry: Entry, registry: Registry, seed: int) -> ClipSample:
    sampler = Sampler.load(entry.folder.path, registry=registry)
    clips = to_frames(sampler.sample(CLIPS, seed=seed))
    note = f"step {sampler.step:,}, seed {seed}, weights {sampler.model_hash[:12]}"
    note += _classes(sampler.class_labels(CLIPS, seed=seed))
    return ClipSample(printable(entry.label), note, clips, sampler.fps, sampler.model_hash)


def _real(entry: Entry, registry: Registry, data: str | None) -> ClipSample:
    config = with_settings(entry.config, named_data(data), registry, FREE) if data else entry.config
    check_vouched(entry.folder.path, config, ("data.path",) if data else ())
    dataset = build_measured(config, registry, "test")
    numbers: Sequence[int] = spread(range(len(dataset)), min(CLIPS, len(dataset)))
    items = [dataset.item(number) for number in numbers]
    videos = [torch.from_numpy(item["video"].copy()) for item in items]
    spec = replace(dataset.spec, condition=dataset.fields)
    labels = class_labels(spec, {CLASS: torch.tensor([int(item.get(CLASS, 0)) for item in items])})
    clips = to_frames(to_float(torch.stack(videos)))
    note = "held-out clips" + _classes(labels)
    return ClipSample("real", note, clips, frame_rate(entry.config), "")


def _classes(labels: Sequence[str]) -> str:
    """Return what is noted of the clips' classes, in their order."""
    return f": {', '.join(labels)}" if labels else ""
