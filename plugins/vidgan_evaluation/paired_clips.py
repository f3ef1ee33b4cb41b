"""Real clips of a task with a truth, and the classical answers to their conditions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial

import numpy as np
import torch

from vidgan_core.data.pairs import PairedDataset
from vidgan_core.errors import UsageError
from vidgan_core.interfaces import Dataset
from vidgan_core.media.frames import Frames
from vidgan_evaluation.clip_source import CHUNK, Chunk, Clips, plain, real
from vidgan_evaluation.disjoint_splits import split_scenes, spread
from vidgan_evaluation.evaluator import RealClips
from vidgan_evaluation.options import Request

MOST = 256  # clips, unless more are asked for: means need no more


def answered(dataset: Dataset) -> PairedDataset | None:
    """Return the pairs of a task whose condition has classical answers, and so a truth."""
    if isinstance(dataset, PairedDataset) and len(dataset) and _answers(dataset, 0):
        return dataset
    return None


def paired_clips(dataset: PairedDataset, who: str, request: Request) -> tuple[RealClips, int]:
    """Return the clips to measure a task by, and how many they are.

    No two share a frame, but at different places. Errors are of scenes: see `split_scenes`. Raises
    UsageError where more clips are asked for than there are.
    """
    (part,) = split_scenes(dataset, 1)
    apart = _disjoint(dataset, part)
    if request.n and request.n > len(apart):
        offer = f"{who} gives {len(apart)} clips that share no frame"
        raise UsageError(f"-n {request.n}: {offer}", hint=f"-n {len(apart)}")
    n = request.n or min(len(apart), request.at_most, MOST)
    numbers = spread(apart, n)
    reference = real(dataset, numbers, part=part)
    answers = {name: _answer(dataset, numbers, name) for name in _answers(dataset, 0)}
    held_out = "same-video-later" if dataset.later else "unseen-video"
    return (
        RealClips(
            dataset.fingerprint,
            request.split,
            reference,
            answers=answers,
            held_out=held_out if request.split == "test" else "",
        ),
        n,
    )


def _disjoint(dataset: Dataset, numbers: Iterable[int]) -> list[int]:
    """Return clips that share no frame, the first that there is room for, in order.

    Clips of the very same frames stay together: a data set cuts them at different places.
    """
    kept: list[int] = []
    latest = (-1, -1, -1)  # the source, the first and the last frame of the clip before
    for span, number in sorted((dataset.span(n), n) for n in numbers):
        source, first, _ = span
        if span == latest or (source, first) > (latest[0], latest[2]):
            kept.append(number)
            latest = span
    return kept


def _answers(dataset: PairedDataset, number: int) -> dict[str, Frames]:
    """Return the classical answers (T, H, W, C) to the condition of a clip."""
    item = dataset.item(number)
    return dict(dataset.task.baselines({f.name: item[f.name] for f in dataset.task.fields}))


def _answer(dataset: PairedDataset, numbers: Sequence[int], name: str) -> Clips:
    """Return one classical method's answers as clips."""
    chunks = partial(_chunks, dataset, numbers, name)
    return Clips(len(numbers), plain(dataset.spec), chunks, name)


def _chunks(dataset: PairedDataset, numbers: Sequence[int], name: str) -> Iterator[Chunk]:
    for start in range(0, len(numbers), CHUNK):
        found = [_answers(dataset, number)[name] for number in numbers[start : start + CHUNK]]
        # (T, H, W, C) -> (C, T, H, W)
        yield torch.from_numpy(np.stack(found)).permute(0, 4, 1, 2, 3).contiguous(), {}
