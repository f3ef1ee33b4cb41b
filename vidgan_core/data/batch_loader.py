"""Which clips make up which batch: a pure function of the seed and the position. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from vidgan_core.data.fields import check_item, collate
from vidgan_core.data.pairs import paired_fields
from vidgan_core.errors import ClipError, VidganError
from vidgan_core.interfaces.dataset import Dataset, Field
from vidgan_core.interfaces.task import Task
from vidgan_core.rng import key

Arrays = dict[str, np.ndarray[Any, Any]]
ATTEMPTS = 100  # at another clip, in the place of one that can't be read
PAIR = "time"  # the purpose of a task's draws, which once were times only: old runs go on the same


@dataclass(frozen=True, slots=True)
class BatchLoader:
    """Makes batches: number k is a pure function of the data set, the seed and k.

    The data set is gone through in a new random order each epoch; a batch may straddle two
    epochs, so every clip is used equally often whatever the batch size. What the task makes of
    a clip is made after the data set's own augmentation.
    """

    dataset: Dataset
    batch: int
    seed: int
    shard: int = 0  # of `shards` equal ones of each batch, the one that is made
    shards: int = 1
    task: Task | None = None

    @property
    def fields(self) -> tuple[Field, ...]:
        """The fields of an item, the clip first."""
        return paired_fields(self.dataset, self.task)

    @property
    def rows(self) -> int:
        """How many clips of each batch are made here."""
        return self.batch // self.shards

    def indices(self, position: int) -> list[int]:
        """Return which items make up batch number `position`."""
        return [self._index(place) for place in self._places(position)]

    def __call__(self, position: int) -> tuple[Arrays, list[ClipError]]:
        """Return batch number `position`, and what could not be read on the way."""
        lost: list[ClipError] = []
        items = [self._item(place, lost) for place in self._places(position)]
        return collate(items), lost

    def _places(self, position: int) -> range:
        """Return where in the endless row of shuffled epochs the clips of a batch stand."""
        start = position * self.batch + self.shard * self.rows
        return range(start, start + self.rows)

    def _item(self, place: int, lost: list[ClipError]) -> Mapping[str, Any]:
        """Return the item of a place, or the next best if its file is lost."""
        for attempt in range(ATTEMPTS):
            try:
                return self._drawn(self._index(place, attempt), place)
            except ClipError as error:
                lost.append(error)
        raise VidganError(f"no clip can be read any more; the last was {lost[-1]}")

    def _drawn(self, index: int, place: int) -> Mapping[str, Any]:
        """Return an item as training sees it in a place. Raises ComponentError if it is wrong."""
        item = self.dataset.item(index)
        item = self.dataset.augment(item, key(self.seed, "augment", place))
        if self.task:
            item = self.task.pair(item, key(self.seed, PAIR, place))
        check_item(item, self.fields, f"clip {index}")
        return item

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
