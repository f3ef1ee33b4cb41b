"""Which clips make up which batch: a pure function of the seed and the position. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from vidgan_core.errors import ClipError, VidganError
from vidgan_core.interfaces.dataset import Dataset
from vidgan_core.rng import key

Arrays = dict[str, np.ndarray[Any, Any]]
ATTEMPTS = 100  # at another clip, in the place of one that can't be read


@dataclass(frozen=True, slots=True)
class BatchLoader:
    """Makes batches: number k is a pure function of the data set, the seed and k.

    The data set is gone through in a new random order each epoch; a batch may straddle two
    epochs, so every clip is seen equally often whatever the batch size. With `few`, only so many
    frames of each clip are kept, and "time" says which.
    """

    dataset: Dataset
    batch: int
    seed: int
    shard: int = 0  # of `shards` equal ones of each batch, the one that is made
    shards: int = 1
    few: int | None = None

    def indices(self, position: int) -> list[int]:
        """Return which items make up batch number `position`."""
        return [self._index(place) for place in self._places(position)]

    def __call__(self, position: int) -> tuple[Arrays, list[ClipError]]:
        """Return batch number `position`, and what could not be read on the way."""
        lost: list[ClipError] = []
        items = [self._item(place, lost) for place in self._places(position)]
        return {name: np.stack([item[name] for item in items]) for name in items[0]}, lost

    def _places(self, position: int) -> range:
        """Return where in the endless row of shuffled epochs the clips of a batch stand."""
        rows = self.batch // self.shards
        start = position * self.batch + self.shard * rows
        return range(start, start + rows)

    def _item(self, place: int, lost: list[ClipError]) -> Mapping[str, Any]:
        """Return the item of a place, or the next best if its file is lost."""
        for attempt in range(ATTEMPTS):
            try:
                item = self.dataset.item(self._index(place, attempt))
            except ClipError as error:
                lost.append(error)
            else:
                item = self.dataset.augment(item, key(self.seed, "augment", place))
                return self._few_frames(item, place) if self.few else item
        raise VidganError(f"no clip can be read any more; the last was {lost[-1]}")

    def _few_frames(self, item: Mapping[str, Any], place: int) -> Mapping[str, Any]:
        """Draw frames of an item, in order, and add their numbers (few,) as "time"."""
        rng = np.random.default_rng(key(self.seed, "time", place))
        times = np.sort(rng.choice(item["video"].shape[1], self.few, replace=False))
        return {**item, "video": item["video"][:, times], "time": times.astype(np.float32)}

    def _index(self, place: int, attempt: int = 0) -> int:
        epoch, number = divmod(place, len(self.dataset))
        return shuffled(number, len(self.dataset), key(self.seed, "order", epoch, attempt))


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
