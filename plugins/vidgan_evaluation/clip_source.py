"""Where clips come from: a data set, a generator, or clips that are there already."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vidgan_core.data.cache import digest
from vidgan_core.errors import VidganError
from vidgan_core.inference.sampler import draw_condition, in_batches
from vidgan_core.interfaces import Generator, Tensors
from vidgan_core.interfaces.dataset import Dataset, DataSpec
from vidgan_core.media.pixels import to_uint8
from vidgan_core.rng import keyed
from vidgan_evaluation.disjoint_splits import Part

CHUNK = 8  # clips at a time; fixed, since the last digit of a layer's output may depend on it

Chunk = tuple[Tensor, Tensors]  # uint8 (b, C, T, H, W) and the condition, b rows each


@dataclass(frozen=True, slots=True)
class Clips:
    """`n` clips of one shape, made when they are asked for, `CHUNK` at a time.

    `key` names them in the cache of features; nothing where they are not worth keeping. `groups`
    says which clips are from one video or scene; nothing where each is a sample of its own.
    """

    n: int
    spec: DataSpec
    chunks: Callable[[], Iterator[Chunk]]
    what: str
    key: str = ""
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
    return Clips(len(numbers), plain(dataset.spec), chunks, what, key, groups)


def fake(generator: Generator, n: int, seed: int, what: str = "generated") -> Clips:
    """Return clips of a generator, those of `vidgan sample --seed`."""
    return Clips(n, plain(generator.spec), partial(_fake_chunks, generator, n, seed), what)


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


def _fake_chunks(generator: Generator, n: int, seed: int) -> Iterator[Chunk]:
    condition = draw_condition(generator.spec, n, keyed(seed, "sample", "condition"))
    for number, video in enumerate(in_batches(generator, n, seed=seed, batch=CHUNK)):
        start = number * CHUNK
        finite = torch.isfinite(video).flatten(1).all(1)
        if not finite.all():
            bad = start + int(finite.int().argmin())
            raise VidganError(
                f"clip {bad} of the generator holds numbers that are not finite: "
                "nothing can be measured"
            )
        yield (
            to_uint8(video),
            {name: t[start : start + len(video)] for name, t in condition.items()},
        )


def _shape(shape: Sequence[Any]) -> str:
    return "x".join(map(str, shape))
