"""A data set as a task reads it. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vidgan_core.data.cache import digest
from vidgan_core.data.fields import video_field
from vidgan_core.interfaces.dataset import Dataset, Field
from vidgan_core.interfaces.task import Task
from vidgan_core.rng import key


def paired_fields(dataset: Dataset, task: Task | None) -> tuple[Field, ...]:
    """Return the fields of an item as training sees it, the clip first.

    A field of the task stands for the data set's of the same name.
    """
    fields = {field.name: field for field in (video_field(dataset.spec), *dataset.fields)}
    if task:
        added = (video_field(task.trained), *task.fields)
        fields |= {field.name: field for field in added}
    return tuple(fields.values())


class PairedDataset(Dataset):
    """The pairs that a task makes of a data set's clips, each always the same: for measuring.

    A clip is of the task's `spec`. Whatever the task draws, it draws with a key of the clip's
    number, so that all runs of a task are measured with the same pairs. `settings` are what the
    pairs depend on besides the clips: the task's name and options.
    """

    def __init__(self, dataset: Dataset, task: Task, settings: object = ()) -> None:
        super().__init__(task.spec, dataset.split)
        self.dataset = dataset
        self.task = task
        self.settings = settings
        self.fields = paired_fields(dataset, task)[1:]
        self.slow, self.later = dataset.slow, dataset.later

    @property
    def fingerprint(self) -> str:
        """A hash of the clips and of what the task makes of them."""
        return digest(self.dataset.fingerprint, self.spec.shape, self.settings)

    @property
    def sources(self) -> int:
        """Of how many files the clips are."""
        return self.dataset.sources

    def __len__(self) -> int:
        return len(self.dataset)

    def span(self, index: int) -> tuple[int, int, int]:
        """Return a clip's source and its first and last frame there."""
        return self.dataset.span(index)

    def item(self, index: int) -> Mapping[str, Any]:
        """Return the pair of a clip."""
        return self.task.pair(self.dataset.item(index), key(0, "pair", index))
