"""The conformance suite of tasks."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from vidgan_core.data.fields import VIDEO, check_field, check_item, random_values, video_field
from vidgan_core.interfaces import DataSpec, Field, Task
from vidgan_core.plugins.kinds import Kind
from vidgan_core.testing.suite import Subject, Suite

KEYS = range(4)
LABEL = Field("class", "label", classes=3)  # a field of the data set, which a task leaves alone


class TaskSuite(Suite):
    """Checks of a task; `spec` is the clip to be made, `fields` what the data set gives."""

    kind: ClassVar[Kind] = "task"
    spec: ClassVar[DataSpec] = DataSpec(frames=8, height=32, width=32)
    fields: ClassVar[tuple[Field, ...]] = (LABEL,)

    def task(self, subject: Subject, spec: DataSpec | None = None) -> Task:
        """Build the task."""
        task: Task = self.make(subject, spec or self.spec)
        return task

    def item(self, task: Task, number: int = 0) -> dict[str, Any]:
        """Return an item as the data set of the task gives it, the same for the same number."""
        rng = np.random.default_rng(number)
        fields = (video_field(task.source), *self.fields)
        return {field.name: random_values(field, 1, rng)[0] for field in fields}

    def test_spec(self, subject: Subject) -> None:
        """What it makes is the clip that it was asked for, of another shape too."""
        for spec in (self.spec, replace(self.spec, frames=4, height=16, width=24)):
            task = self.task(subject, spec)
            assert task.spec.shape == spec.shape
            assert task.source.channels == spec.channels
            assert task.trained.frames <= task.spec.frames

    def test_fields(self, subject: Subject) -> None:
        """Every pair holds the target and each field, in the shape, dtype and range of its kind."""
        for spec in (self.spec, replace(self.spec, frames=4, height=16, width=24)):
            task = self.task(subject, spec)
            for field in task.fields:
                check_field(field)
            for key in KEYS:
                pair = task.pair(self.item(task, key), key)
                check_item(pair, (video_field(task.trained), *task.fields), "the pair")

    def test_rest(self, subject: Subject) -> None:
        """What else the data set gives is still there, and nothing comes that is not declared."""
        task = self.task(subject)
        item = self.item(task)
        pair = task.pair(item, 0)
        kept = [f.name for f in self.fields if f.name not in {g.name for g in task.fields}]
        assert all(np.array_equal(pair[name], item[name]) for name in kept)
        assert pair.keys() - item.keys() <= {field.name for field in task.fields}

    def test_hidden(self, subject: Subject) -> None:
        """What is hidden from discriminators is a field of the task's."""
        task = self.task(subject)
        assert task.hidden <= {field.name for field in task.fields}

    def test_determinism(self, subject: Subject) -> None:
        """The same item and key are the same pair, each time, in another instance and a copy."""
        one, two = self.task(subject), self.task(subject)
        for key in KEYS:
            first = _copied(one.pair(self.item(one, key), key))
            np.random.seed(key)  # what a careless task would draw from
            one.pair(self.item(one, key + 1), key + 1)
            for other in (one, two, pickle.loads(pickle.dumps(one))):
                assert _same(first, other.pair(self.item(other, key), key)), "not a pure function"

    def test_item_is_left_alone(self, subject: Subject) -> None:
        """The item is the same afterwards: a data set may give it again."""
        task = self.task(subject)
        item = self.item(task)
        before = copy.deepcopy(item)
        task.pair(item, 1)
        assert _same(before, item)

    def test_match(self, subject: Subject) -> None:
        """What the condition shows is made of the clip: other clips, other fields or targets."""
        task = self.task(subject)
        one, two = (task.pair(self.item(task, number), 0) for number in (0, 1))
        assert not np.array_equal(one[VIDEO], two[VIDEO]), "the target does not depend on the clip"
        for field in task.fields:
            if field.kind in ("clip", "map"):
                assert not np.array_equal(one[field.name], two[field.name]), (
                    f"{field.name!r} does not depend on the clip"
                )

    def test_condition(self, subject: Subject) -> None:
        """A user's own frames, of any size, become every field, unless the task has no such use."""
        task = self.task(subject)
        rng = np.random.default_rng(0)
        for shape in ((8, 32, 32), (3, 24, 40)):
            frames = rng.integers(256, size=(*shape, self.spec.channels), dtype=np.uint8)
            condition = task.condition(frames)
            if condition:
                assert condition.keys() == {field.name for field in task.fields}
                shaped = [_as_large(field, condition[field.name]) for field in task.fields]
                check_item(condition, shaped, "the condition")

    def test_baselines(self, subject: Subject) -> None:
        """Every classical answer is uint8 frames (T, H, W, C) of the target's size."""
        task = self.task(subject)
        pair = task.pair(self.item(task), 0)
        for name, frames in task.baselines({f.name: pair[f.name] for f in task.fields}).items():
            assert frames.dtype == np.uint8, name
            assert np.moveaxis(frames, -1, 0).shape == pair[VIDEO].shape, name

    def test_without_torch(self, subject: Subject) -> None:
        """Its module does without torch: the processes that read clips start quickly."""
        module = subject.component.target.partition(":")[0]
        if module == "nowhere":  # a class of a test, without a module of its own
            module = subject.load().__module__
        program = f"import sys; sys.path[:0] = {sys.path!r}; import {module}"
        command = [sys.executable, "-c", f"{program}; print('torch' in sys.modules)"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert done.stdout.strip() == "False", f"{module} imports torch"


def _as_large(field: Field, value: Any) -> Field:
    """Return a field whose frames are of a value's length and size."""
    fixed = 1 if field.kind == "clip" else 0  # the channels
    return replace(field, shape=field.shape[:fixed] + np.shape(value)[fixed:])


def _copied(pair: Mapping[str, Any]) -> dict[str, Any]:
    return {name: np.array(value) for name, value in pair.items()}


def _same(one: Mapping[str, Any], two: Mapping[str, Any]) -> bool:
    return one.keys() == two.keys() and all(np.array_equal(one[n], two[n]) for n in one)
