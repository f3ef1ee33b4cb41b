"""Batches in a deterministic order, fetched ahead of the trainer, and a cache for decoded clips."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vidgan_core.errors import UsageError
from vidgan_core.interfaces import Dataset, Tensors
from vidgan_core.rng import keyed


class Batches:
    """The batches that a run sees: number k is a pure function of the seed and k.

    The data set is gone through in a new random order each epoch; a batch may straddle two
    epochs, so every clip is seen equally often whatever the batch size. Calling it with k returns
    the batch on the device, video as floats in [-1, 1], and starts to fetch number k + 1.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch: int,
        *,
        seed: int,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        if not len(dataset):
            raise UsageError(f"the data set holds no clip of {dataset.spec}")
        self.dataset = dataset
        self.batch = batch
        self._seed = seed
        self._device = torch.device(device)
        self._dtype = dtype
        self._fetcher = ThreadPoolExecutor(1, thread_name_prefix="batches")
        self._ahead: tuple[int, Future[dict[str, Tensor]]] | None = None
        self._order = lru_cache(maxsize=2)(self._shuffled)

    def __call__(self, position: int) -> Tensors:
        """Return batch number `position`."""
        number, future = self._ahead or (None, None)
        batch = future.result() if future and number == position else self._fetch(position)
        self._ahead = (position + 1, self._fetcher.submit(self._fetch, position + 1))
        moved = {name: t.to(self._device, non_blocking=True) for name, t in batch.items()}
        return moved | {"video": to_float(moved["video"], self._dtype)}

    def indices(self, position: int) -> list[int]:
        """Return which items make up batch number `position`."""
        size = len(self.dataset)
        places = range(position * self.batch, (position + 1) * self.batch)
        return [int(self._order(place // size)[place % size]) for place in places]

    def close(self) -> None:
        """Stop fetching ahead."""
        self._fetcher.shutdown(wait=True, cancel_futures=True)

    def _shuffled(self, epoch: int) -> Tensor:
        return torch.randperm(len(self.dataset), generator=keyed(self._seed, "order", epoch))

    def _fetch(self, position: int) -> dict[str, Tensor]:
        items = [self.dataset.item(index) for index in self.indices(position)]
        batch = {name: torch.from_numpy(np.stack([i[name] for i in items])) for name in items[0]}
        pinned = self._device.type == "cuda"
        return {name: t.pin_memory() if pinned else t for name, t in batch.items()}


def to_float(video: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Map uint8 pixels to [-1, 1]."""
    return video.to(dtype).div_(127.5).sub_(1)


def to_uint8(video: Tensor) -> Tensor:
    """Map [-1, 1] to uint8 pixels, the nearest; the inverse of `to_float`."""
    return video.detach().float().clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)


def digest(*parts: object) -> str:
    """Return a hash of settings, for fingerprints and cache keys."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Return the sha256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def cache_folder() -> Path:
    """Where decoded clips are kept: `VIDGAN_CACHE`, or vidgan in the user's cache folder."""
    if chosen := os.environ.get("VIDGAN_CACHE"):
        return Path(chosen)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "vidgan"
    except RuntimeError:  # a user without a home
        return Path(tempfile.gettempdir()) / "vidgan"


def cached(key: str, make: Callable[[], np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """Return the array kept under `key`, memory-mapped; make and keep it if there is none.

    A cache that can't be written, or that holds a damaged file, costs time and nothing else.
    """
    path = cache_folder() / f"{key}.npy"
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
    except (OSError, ValueError, EOFError):
        array = make()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, suffix=".tmp", delete=False) as file:
            np.save(file, array, allow_pickle=False)
        Path(file.name).replace(path)  # another run sees all of it or nothing
    except OSError:
        return array
    return np.load(path, mmap_mode="r", allow_pickle=False)  # type: ignore[no-any-return]
