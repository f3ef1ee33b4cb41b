"""Batches on the device, fetched ahead of the trainer."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch

from vidgan_core.data.batch_loader import BatchLoader
from vidgan_core.data.conversion import on_device
from vidgan_core.data.fields import placeholder
from vidgan_core.data.prefetch import Prefetcher
from vidgan_core.errors import ClipError, UsageError, VidganError
from vidgan_core.interfaces import Tensors
from vidgan_core.interfaces.dataset import Dataset
from vidgan_core.interfaces.task import Task

logger = logging.getLogger("vidgan.data")


class Batches:
    """The batches that a run sees, fetched ahead of it.

    Calling it with k returns batch number k on the device, each field as its kind says (see
    `fields`), and starts to fetch what follows: in a thread, or with `workers` in as many
    processes. A file that can't be read is replaced and remembered in `lost`; when more than the
    fraction `max_lost` of the data set's files are, that is an error. Of each batch, number `shard`
    of `shards` equal parts is returned. The `task` makes of each clip what is trained on.
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
        shard: int = 0,
        shards: int = 1,
        task: Task | None = None,
    ) -> None:
        if not len(dataset):
            raise UsageError(f"the data set holds no clip of {dataset.spec}")
        self.dataset = dataset
        self.batch = batch
        self.lost: dict[str, str] = {}
        self._fetch = BatchLoader(dataset, batch, seed, shard, shards, task)
        self._fields = self._fetch.fields
        self._device = torch.device(device)
        self._dtype = dtype
        self._max_lost = max_lost * dataset.sources
        self._ahead = Prefetcher(self._fetch, workers)

    def __call__(self, position: int) -> Tensors:
        """Return batch number `position`."""
        arrays, lost = self._ahead(position)
        self._note(lost)
        return on_device(arrays, self._fields, self._device, self._dtype)

    def placeholder(self) -> Tensors:
        """Return zeros that look like a batch."""
        rows = self._fetch.rows
        arrays = {field.name: placeholder(field, rows) for field in self._fields}
        return on_device(arrays, self._fields, self._device, self._dtype)

    def indices(self, position: int) -> list[int]:
        """Return which items make up batch number `position`."""
        return self._fetch.indices(position)

    def stop_waiting(self, give_up: Callable[[], bool]) -> None:
        """Say when the process is asked to stop: a batch that does not come is given up then."""
        self._ahead.give_up = give_up

    def close(self) -> None:
        """Stop fetching ahead."""
        self._ahead.close()

    def _note(self, lost: list[ClipError]) -> None:
        for error in lost:
            if error.source not in self.lost:
                self.lost[error.source] = error.reason
                logger.warning("%s; another clip is taken", error)
        if len(self.lost) > self._max_lost:
            raise VidganError(
                f"{len(self.lost)} of {self.dataset.sources} files that were good at the start "
                f"can't be read any more, the last being {lost[-1]}",
                hint="data.max_lost is the fraction that is borne",
            )
