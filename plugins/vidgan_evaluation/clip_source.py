"""Where clips come from: a data set, a generator, or clips that are there already."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vidgan_core.data.cache import digest
from vidgan_core.data.fields import PICTURES
from vidgan_core.errors import UsageError, VidganError
from vidgan_core.inference.conditions import draw_condition, needed, only_labels, rows_of
from vidgan_core.inference.sampler import in_batches
from vidgan_core.interfaces import Generator, Tensors
from vidgan_core.interfaces.dataset import Dataset, DataSpec
from vidgan_core.media.pixels import to_uint8
from vidgan_evaluation.disjoint_splits import Part

CHUNK = 8  # clips at a time; fixed, since the last digit of a layer's output may depend on it

Chunk = tuple[Tensor, Tensors]  # uint8 (b, C, T, H, W) and the condition, b rows each
Rows = Callable[[DataSpec, int, int], Tensors]  # the condition that a spec wants, from row to row


@dataclass(frozen=True, slots=True)
class Clips:
    """`n` clips of one shape, read or generated when they are asked for, `CHUNK` at a time.

    `key` names them in the cache of features; nothing where they are not worth keeping. `rows`
    gives the condition of real clips as a generator takes it, `groups` which clips are from one
    video or scene; nothing where each is a sample of its own.
    """

    n: int
    spec: DataSpec
    chunks: Callable[[], Iterator[Chunk]]
    what: str
    key: str = ""
    rows: Rows | None = None
    groups: tuple[int, ...] = ()


def plain(spec: DataSpec) -> DataSpec:
    """Return the shape of clips alone."""
    return replace(spec, condition=())


def real(
    dataset: Dataset, numbers: Sequence[int], what: str = "real", part: Part | None = None
) -> Clips:
    """Return clips of a data set; `part` says from which video or scene each is."""
    key = digest("clips", dataset.fingerprint, dataset.split, numbers)
    chunks = partial(_real_chunks, dataset, numbers)
    groups = tuple(part[number] for number in numbers) if part else ()
    spec = plain(dataset.spec)
    return Clips(len(numbers), spec, chunks, what, key, _rows(dataset, numbers), groups)


def fake(
    generator: Generator, n: int, seed: int, what: str = "generated", like: Clips | None = None
) -> Clips:
    """Return clips that a generator makes, of the noise of `vidgan sample --seed`.

    Clip k has the condition of clip k of `like`, the real ones that it is compared with: only then
    do classes come as often as there, and a perfect generator reaches the floor. Without real
    clips, or where they have no such classes, these are drawn. Raises UsageError for a condition
    that can't be drawn.
    """
    rows = like.rows if like else None
    if rows and needed(generator.spec):
        try:
            rows(generator.spec, 0, 1)
        except UsageError:
            if not only_labels(generator.spec):
                raise
            rows = None
    chunks = partial(_fake_chunks, generator, n, seed, rows or _drawn(seed))
    return Clips(n, plain(generator.spec), chunks, what)


def _drawn(seed: int) -> Rows:
    return lambda spec, start, stop: draw_condition(spec, stop - start, seed, first=start)


def _rows(dataset: Dataset, numbers: Sequence[int]) -> Rows:
    """Return what reads conditions of real clips; those that are no pictures are read once."""

    @lru_cache(maxsize=2)
    def kept(spec: DataSpec) -> Tensors:
        return rows_of(dataset, spec, numbers)

    def rows(spec: DataSpec, start: int, stop: int) -> Tensors:
        fields = needed(spec)
        if not fields:
            return {}
        if any(field.kind in PICTURES for field in fields):
            return rows_of(dataset, spec, numbers[start:stop])
        return {name: value[start:stop] for name, value in kept(spec).items()}

    return rows


def _real_chunks(dataset: Dataset, numbers: Sequence[int]) -> Iterator[Chunk]:
    for start in range(0, len(numbers), CHUNK):
        items = [dataset.item(number) for number in numbers[start : start + CHUNK]]
        for number, item in zip(numbers[start:], items, strict=False):
            if np.shape(item["video"]) != dataset.spec.shape:
                raise VidganError(
                    f"clip {number} is {_shape(np.shape(item['video']))}, "
                    f"the data set promises {_shape(dataset.spec.shape)}"
                )
        stacked = {name: torch.from_numpy(np.stack([i[name] for i in items])) for name in items[0]}
        yield stacked.pop("video"), stacked


def _fake_chunks(generator: Generator, n: int, seed: int, rows: Rows) -> Iterator[Chunk]:
    for start in range(0, n, CHUNK):
        count = min(CHUNK, n - start)
        condition = rows(generator.spec, start, start + count)
        (video,) = in_batches(
            generator, count, seed=seed, batch=CHUNK, first=start, condition=condition
        )
        finite = torch.isfinite(video).flatten(1).all(1)
        if not finite.all():
            bad = start + int(finite.int().argmin())
            raise VidganError(
                f"clip {bad} of the generator holds numbers that are not finite: "
                "nothing can be measured"
            )
        yield to_uint8(video), condition


def _shape(shape: Sequence[Any]) -> str:
    return "x".join(map(str, shape))
