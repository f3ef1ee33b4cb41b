"""The conformance suite of data sets."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import ClassVar, get_args

import numpy as np
import pytest

from vidgan_core.errors import ComponentError, UsageError
from vidgan_core.interfaces import Dataset, DataSpec, Split
from vidgan_core.plugins.kinds import Kind
from vidgan_core.testing.suite import Subject, Suite

SPLITS: tuple[Split, ...] = get_args(Split)
WORKERS = 4


class DatasetSuite(Suite):
    """`spec` is the clip that is asked for; `options` holds what the data set can't do without."""

    kind: ClassVar[Kind] = "dataset"
    spec: ClassVar[DataSpec] = DataSpec(frames=8, height=32, width=32)

    def dataset(
        self, subject: Subject, split: Split = "train", spec: DataSpec | None = None
    ) -> Dataset:
        """Open the data set; skip the check where an option or an extra is wanting."""
        subject.load()
        try:
            dataset: Dataset = self.make(subject, spec or self.spec, split)
            len(dataset)
        except (UsageError, ComponentError) as error:
            pytest.skip(str(error))
        return dataset

    def some(self, dataset: Dataset) -> list[int]:
        """Return the first, a middle and the last index."""
        return [0, len(dataset) // 2, len(dataset) - 1]

    def test_length(self, subject: Subject) -> None:
        """Both splits hold something."""
        for split in SPLITS:
            assert len(self.dataset(subject, split)) > 0

    def test_items(self, subject: Subject) -> None:
        """A clip is uint8 of the shape asked for, another shape too."""
        for spec in (self.spec, replace(self.spec, frames=4, height=16, width=24)):
            dataset = self.dataset(subject, spec=spec)
            assert dataset.spec == spec
            for index in self.some(dataset):
                video = np.asarray(dataset.item(index)["video"])
                assert video.shape == spec.shape
                assert video.dtype == np.uint8

    def test_spans(self, subject: Subject) -> None:
        """A clip covers as many frames of its source as it has, or is a source of its own."""
        dataset = self.dataset(subject)
        for index in self.some(dataset):
            _, first, last = dataset.span(index)
            alone = dataset.span(index) == (index, 0, 0)
            assert alone or last - first + 1 >= dataset.spec.frames

    def test_fields(self, subject: Subject) -> None:
        """Every item holds every field, in its shape and range."""
        dataset = self.dataset(subject)
        for index in self.some(dataset):
            item = dataset.item(index)
            for field in dataset.fields:
                assert field.name in item, f"no {field.name!r} in item {index}"
                value = np.asarray(item[field.name])
                assert value.shape == field.shape
                if field.classes is not None:
                    assert value.dtype == np.int64
                    assert 0 <= value < field.classes

    def test_determinism(self, subject: Subject) -> None:
        """The same index is the same clip, each time and in another instance."""
        one, two = self.dataset(subject), self.dataset(subject)
        for index in self.some(one):
            first, *others = (d.item(index)["video"].copy() for d in (one, one, two))
            assert all(np.array_equal(first, other) for other in others)

    def test_workers(self, subject: Subject) -> None:
        """Threads that fetch at the same time get what one alone would, and may keep it."""
        dataset = self.dataset(subject)
        indices = [i * len(dataset) // 16 for i in range(16)]
        alone = [dataset.item(index)["video"].copy() for index in indices]
        with ThreadPoolExecutor(WORKERS) as pool:
            together = [item["video"] for item in pool.map(dataset.item, indices)]
        assert all(map(np.array_equal, alone, together))

    def test_fingerprint(self, subject: Subject) -> None:
        """It tells data sets apart that differ in split or shape, and no others."""
        same = {self.dataset(subject).fingerprint for _ in range(2)}
        assert len(same) == 1
        other_shape = self.dataset(subject, spec=replace(self.spec, frames=4)).fingerprint
        other_split = self.dataset(subject, "test").fingerprint
        assert len({*same, other_shape, other_split}) == 3
