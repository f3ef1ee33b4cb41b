"""Batches in a deterministic order, fetched ahead of the trainer, and a cache for decoded clips."""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vidgan_core.ahead import Ahead
from vidgan_core.errors import ClipError, UsageError, VidganError
from vidgan_core.interfaces import Dataset, Tensors
from vidgan_core.rng import key

Arrays = dict[str, np.ndarray[Any, Any]]
ATTEMPTS = 100  # at another clip, in the place of one that can't be read


@dataclass(frozen=True, slots=True)
class Fetcher:
    """Makes batches: number k is a pure function of the data set, the seed and k.

    The data set is gone through in a new random order each epoch; a batch may straddle two
    epochs, so every clip is seen equally often whatever the batch size.
    """

    dataset: Dataset
    batch: int
    seed: int

    def indices(self, position: int) -> list[int]:
        """Return which items make up batch number `position`."""
        places = range(position * self.batch, (position + 1) * self.batch)
        return [self._index(place) for place in places]

    def __call__(self, position: int) -> tuple[Arrays, list[ClipError]]:
        """Return batch number `position`, and what could not be read on the way."""
        lost: list[ClipError] = []
        places = range(position * self.batch, (position + 1) * self.batch)
        items = [self._item(place, lost) for place in places]
        return {name: np.stack([item[name] for item in items]) for name in items[0]}, lost

    def _item(self, place: int, lost: list[ClipError]) -> Mapping[str, Any]:
        """Return the item of a place, or the next best if its file is lost."""
        for attempt in range(ATTEMPTS):
            try:
                item = self.dataset.item(self._index(place, attempt))
            except ClipError as error:
                lost.append(error)
            else:
                return self.dataset.augment(item, key(self.seed, "augment", place))
        raise VidganError(f"no clip can be read any more; the last was {lost[-1]}")

    def _index(self, place: int, attempt: int = 0) -> int:
        epoch, number = divmod(place, len(self.dataset))
        return shuffled(number, len(self.dataset), key(self.seed, "order", epoch, attempt))


class Batches:
    """The batches that a run sees, fetched ahead of it.

    Calling it with k returns batch number k on the device, video as floats in [-1, 1], and starts
    to fetch what follows: in a thread, or with `workers` in as many processes. A file that can't
    be read is replaced and remembered in `lost`; when more than the fraction `max_lost` of the
    data set's files are, that is an error.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch: int,
        *,
        seed: int,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        workers: int = 0,
        max_lost: float = 0.05,
    ) -> None:
        if not len(dataset):
            raise UsageError(f"the data set holds no clip of {dataset.spec}")
        self.dataset = dataset
        self.batch = batch
        self.lost: dict[str, str] = {}
        self._fetch = Fetcher(dataset, batch, seed)
        self._device = torch.device(device)
        self._dtype = dtype
        self._max_lost = max_lost * dataset.sources
        self._ahead = Ahead(self._fetch, workers)

    def __call__(self, position: int) -> Tensors:
        """Return batch number `position`."""
        arrays, lost = self._ahead(position)
        self._note(lost)
        return self._on_device(arrays)

    def indices(self, position: int) -> list[int]:
        """Return which items make up batch number `position`."""
        return self._fetch.indices(position)

    def close(self) -> None:
        """Stop fetching ahead."""
        self._ahead.close()

    def _on_device(self, arrays: Arrays) -> Tensors:
        batch = {name: torch.from_numpy(array) for name, array in arrays.items()}
        if self._device.type == "cuda":
            batch = {name: t.pin_memory() for name, t in batch.items()}
        moved = {name: t.to(self._device, non_blocking=True) for name, t in batch.items()}
        return moved | {"video": to_float(moved["video"], self._dtype)}

    def _note(self, lost: list[ClipError]) -> None:
        for error in lost:
            if error.source not in self.lost:
                self.lost[error.source] = error.reason
                print(f"\nwarning: {error}; another clip is taken", file=sys.stderr)
        if len(self.lost) > self._max_lost:
            raise VidganError(
                f"{len(self.lost)} of {self.dataset.sources} files that were good at the start "
                f"can't be read any more, the last being {lost[-1]}",
                hint="data.max_lost is the fraction that is borne",
            )


def shuffled(number: int, size: int, seed: int) -> int:
    """Return where a random permutation of range(size) sends `number`, without storing it.

    A Feistel network of four rounds on the smallest even number of bits that holds `size`, walked
    until it ends inside the range (Black and Rogaway 2002, "Ciphers with arbitrary finite
    domains").
    """
    half = max(1, (size - 1).bit_length() + 1 >> 1)
    mask = (1 << half) - 1
    while True:
        left, right = number >> half, number & mask
        for turn in range(4):
            left, right = right, left ^ (key(seed, turn, right) & mask)
        number = left << half | right
        if number < size:
            return number


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
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "vidgan"


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
