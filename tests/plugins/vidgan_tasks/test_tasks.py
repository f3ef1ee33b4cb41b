"""The tasks: what they make of an item, and that runs of them are what they were."""

from __future__ import annotations

import pytest
import torch
from conftest import REGISTRY, configured, small

from vidgan_core.data.batches import Batches
from vidgan_core.errors import ConfigError, UsageError
from vidgan_core.media.pixels import to_float
from vidgan_core.rng import key
from vidgan_core.training.inputs import build_dataset, build_measured, build_task
from vidgan_core.training.run import Run

SPARSE = ("data.frames=8", "data.size=16", "data.clips=9", "task.frames=3")


def test_sparse_frames_are_frames_of_the_clips_at_their_times() -> None:
    config = configured(*SPARSE, data="shapes", task="sparse-frames")
    dataset, task = build_dataset(config, REGISTRY), build_task(config, REGISTRY)
    batches = Batches(dataset, 4, seed=3, task=task)
    observed = set()
    for position in range(3):
        batch = batches(position)
        assert batch["video"].shape == (4, 3, 3, 16, 16)
        for index, clip, times in zip(
            batches.indices(position), batch["video"], batch["time"].long(), strict=True
        ):
            whole = to_float(torch.from_numpy(dataset.item(index)["video"]))
            assert torch.equal(clip, whole[:, times])
            assert (times.diff() > 0).all()
            observed.update(times.tolist())
    assert observed == set(range(8))
    again = Batches(dataset, 4, seed=3, task=task)(1)
    assert torch.equal(again["time"], batches(1)["time"])
    batches.close()


def test_the_draws_of_sparse_frames_are_those_of_older_versions() -> None:
    """Written down before training on few frames became a task."""
    config = configured(*SPARSE, data="shapes", task="sparse-frames")
    batches = Batches(build_dataset(config, REGISTRY), 4, seed=3, task=build_task(config, REGISTRY))
    assert batches(0)["time"].tolist() == EXPECTED
    batches.close()


EXPECTED = [[0.0, 5.0, 6.0], [0.0, 3.0, 7.0], [0.0, 1.0, 7.0], [0.0, 5.0, 7.0]]


def test_clips_are_measured_whole() -> None:
    config = configured(*SPARSE, data="shapes", task="sparse-frames")
    measured = build_measured(config, REGISTRY, "test")
    item = measured.item(0)
    assert item["video"].shape == (3, 8, 16, 16)
    assert "time" not in item
    assert measured.fingerprint == build_dataset(config, REGISTRY, "test").fingerprint


def test_a_clip_of_fewer_frames_is_whole() -> None:
    config = configured("data.frames=2", "data.size=16", data="shapes", task="sparse-frames")
    task = build_task(config, REGISTRY)
    assert task.fields[0].shape == (2,)
    item = build_dataset(config, REGISTRY).item(0)
    assert task.pair(item, key(0, "any"))["time"].tolist() == [0, 1]


def test_generation_changes_nothing() -> None:
    config = configured("data.frames=4", "data.size=16", data="shapes")
    assert config.task.name == "generation"
    task = build_task(config, REGISTRY)
    item = build_dataset(config, REGISTRY).item(0)
    assert task.pair(item, 1) is item
    assert task.fields == ()
    assert task.source == task.trained == task.spec


def test_the_usual_task_belongs_to_the_usual_discriminator() -> None:
    both = configured(generator="continuous")
    assert (both.task.name, both.task.options) == ("sparse-frames", {"frames": 3})
    assert configured(generator="continuous", discriminator="modern").task.name == "generation"
    other = configured(generator="continuous", task="generation")
    assert other.task.options == {}
    more = configured("task.frames=5", generator="continuous")
    assert more.task.options == {"frames": 5}


def test_a_task_that_there_is_not() -> None:
    with pytest.raises(ConfigError, match="no task named 'generatoin'; did you mean 'generation'"):
        configured(task="generatoin")


def test_a_network_that_does_not_take_a_field_says_how_to_hide_it() -> None:
    config = small("continuous", discriminator="modern", data="shapes", task="sparse-frames")
    with pytest.raises(UsageError, match=r"can't be conditioned on 'time'.*discriminator.hidden"):
        Run(config, REGISTRY)
    hidden = small(
        *("continuous", "minimax", 'discriminator.hidden=["time"]', "task.frames=4"),
        **{"discriminator": "modern", "data": "shapes", "task": "sparse-frames"},
    )
    run = Run(hidden, REGISTRY)
    assert not run.networks["discriminator"].spec.condition
    assert run.trainer.step() is not None
    run.batches.close()
    wrong = small("modern", "minimax", 'discriminator.hidden=["class"]', data="shapes")
    with pytest.raises(UsageError, match=r"discriminator.hidden: the condition has no 'class'"):
        Run(wrong, REGISTRY)
