"""Tasks on videos of any size: native crops, scenes, pairs that stay the same, and training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from clips import moving_block, save
from conftest import REGISTRY, Result, configured

from vidgan_core.config.schema import RunConfig
from vidgan_core.data.batches import Batches
from vidgan_core.media.pixels import to_float
from vidgan_core.training.inputs import build_dataset, build_measured, build_task

pytestmark = pytest.mark.usefixtures("one_thread")
Command = Callable[..., Result]
FIELD = {"superresolution": "low", "denoise": "noisy", "deblock": "compressed"}
NATIVE = ("data.frames=4", "data.size=16", "data.crop=random", "data.held_out=0.5")


@pytest.fixture
def videos() -> Path:
    """Videos that are larger than the crops; the last one has a cut after its tenth frame."""
    folder = Path("videos")
    folder.mkdir()
    for seed in range(3):
        save(str(folder / f"{seed}.mp4"), moving_block(14, 40, 56, seed=seed))
    dark, bright = (np.full((10, 40, 56, 3), level, np.uint8) for level in (10, 240))
    save(str(folder / "cut.mp4"), np.concatenate([dark, bright]))
    return folder


def config_of(task: str, *settings: str) -> RunConfig:
    native = (*NATIVE, 'data.path="videos"', *settings)
    return configured(*native, data="folder", task=task)


@pytest.mark.parametrize("task", FIELD)
def test_measured_pairs_stay_the_same_and_training_draws_anew(videos: Path, task: str) -> None:
    config = config_of(task)
    one, two = (build_measured(config, REGISTRY, "test") for _ in range(2))
    field = FIELD[task]
    for index in (0, len(one) // 2, len(one) - 1):
        pair, again = one.item(index), two.item(index)
        assert np.array_equal(pair[field], again[field])
        assert np.array_equal(pair["video"], again["video"])
        assert pair["video"].shape == (3, 4, 16, 16)
    dataset = build_dataset(config, REGISTRY)
    batches = Batches(dataset, 4, seed=1, task=build_task(config, REGISTRY))
    by_clip: dict[int, set[bytes]] = {}
    for position in range(2 * len(dataset) // 4):
        batch = batches(position)
        for index, video, given in zip(
            batches.indices(position), batch["video"], batch[field], strict=True
        ):
            assert torch.equal(video, to_float(torch.from_numpy(dataset.item(index)["video"])))
            by_clip.setdefault(index, set()).add(given.numpy().tobytes())
    batches.close()
    anew = max(map(len, by_clip.values()))
    assert anew == (1 if task == "superresolution" else 2)  # bicubic draws nothing


@pytest.mark.parametrize("task", FIELD)
def test_no_pair_reaches_over_a_cut(videos: Path, task: str) -> None:
    config = config_of(task, "data.held_out=0")
    train = build_measured(config, REGISTRY, "train")
    assert any(train.item(index)["video"].mean() > 200 for index in range(len(train)))
    for index in range(len(train)):
        levels = train.item(index)[FIELD[task]].mean((0, 2, 3))
        assert levels.max() - levels.min() < 60


@pytest.mark.parametrize("task", FIELD)
def test_a_task_trains_samples_and_is_evaluated(vidgan: Command, videos: Path, task: str) -> None:
    settings = [word for setting in NATIVE for word in ("--set", setting)]
    small = ("--set", "generator.width=8", "--set", "discriminator.concat=true", "--batch", 2)
    run = ("run", "--task", task, "--gen", "recurrent", "--data", "./videos", *settings, *small)
    scale = ("--set", "task.scale=2") if task == "superresolution" else ()
    done = vidgan(*run, *scale, "--steps", 2, "--device", "cpu", "--out", "out")
    assert done.code == 0, done.err
    assert Path("out/samples/step-000002.png").exists()
    shown = vidgan("eval", "out", "-n", 2, "--metrics", "psnr")
    assert shown.code == 0, shown.err
    assert shown.out.startswith("method")
