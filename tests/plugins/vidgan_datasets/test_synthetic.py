"""Synthetic clips agree with the truth that they report."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from conftest import TINY, Command
from numpy.typing import NDArray
from vidgan_datasets.synthetic import MOTIONS, Digits, Shapes, Synthetic, handwritten

from vidgan_core.interfaces.dataset import DataSpec

SPEC = DataSpec(frames=24, height=48, width=64)


def centres(video: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The centre of light of each frame (C, T, H, W) -> (T, 2), y and x in pixels."""
    light = video.astype(float).sum(0)
    y, x = np.mgrid[: light.shape[1], : light.shape[2]] + 0.5
    total = light.sum((1, 2))
    return np.stack([(light * y).sum((1, 2)) / total, (light * x).sum((1, 2)) / total], 1)


@pytest.mark.parametrize("make", [Digits, Shapes])
def test_a_clip_shows_what_its_truth_says(make: type[Synthetic]) -> None:
    dataset = make(SPEC, "train")  # type: ignore[call-arg]
    for index in (0, 17, 9_999):
        item = dataset.item(index)
        class_, [thing] = dataset.truth(index)
        assert item["class"] == class_
        offset = centres(item["video"]) - thing.path
        assert np.abs(offset).max() < 5  # the ink's centre is not the digit's
        assert np.ptp(offset, axis=0).max() < 0.35  # but it goes along with it
        brightest = item["video"].max((1, 2, 3)) / 255
        assert np.abs(brightest - thing.colour * brightest.max() / thing.colour.max()).max() < 0.02


def test_things_stay_inside_and_digits_fly_straight_until_they_bounce() -> None:
    long = DataSpec(frames=200, height=48, width=64)
    for make in (Digits, Shapes):
        for index in range(5):
            _, [thing] = make(long, "train").truth(index)
            assert (thing.path > 0).all()
            assert (thing.path < (48, 64)).all()
            steps = np.diff(thing.path, axis=0)
            assert np.abs(np.diff(steps, axis=0)).max() < (16 if make is Digits else 8)
    _, [digit] = Digits(long, "train").truth(3)
    speed = np.abs(np.diff(digit.path, axis=0))
    straight = np.isclose(speed, np.median(speed, axis=0))
    assert straight.mean() > 0.85
    assert not straight.all()


def test_splits_and_seeds_differ_and_use_other_digits() -> None:
    train, test = Digits(SPEC, "train"), Digits(SPEC, "test")
    assert len(train) == 5 * len(test) == 10_000
    rows = [{d.truth(i)[1][0].what for i in range(1000)} for d in (train, test)]
    assert not rows[0] & rows[1]
    assert len(rows[0]) > 500
    assert not np.array_equal(
        train.item(0)["video"], Digits(SPEC, "train", seed=1).item(0)["video"]
    )
    assert train.fingerprint != Digits(SPEC, "train", speed=0.1).fingerprint


def test_all_classes_come_equally_often_and_a_digit_is_of_its_class() -> None:
    truths = [Digits(SPEC, "train").truth(i) for i in range(3000)]
    found = np.bincount([c for c, _ in truths], minlength=10)
    assert found.min() > 220
    _, labels = handwritten()
    assert all(labels[things[-1].what] == c for c, things in truths[:50])
    motions = [Shapes(SPEC, "train").truth(i) for i in range(400)]
    assert 150 < sum(c for c, _ in motions) < 250
    for motion, [thing] in motions:
        reach = np.ptp(thing.path / (48, 64), axis=0)
        assert MOTIONS[motion] == ("up and down" if reach[0] > reach[1] else "left and right")


def test_two_digits_a_clip() -> None:
    item = Digits(SPEC, "train", digits=2).item(5)
    one = Digits(SPEC, "train").item(5)
    assert item["video"].sum() > 1.3 * one["video"].sum()


def test_a_missing_extra_is_named(vidgan: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.setattr("vidgan_datasets.synthetic.find_spec", lambda name: None)
    result = vidgan("run", "--data", "digits", *TINY, "--dry-run")
    assert result.code == 3
    assert "pip install 'vidgan[digits]'" in result.err
    monkeypatch.undo()


@pytest.mark.parametrize("name", ["digits", "shapes"])
def test_synthetic_clips_train_with_their_class(vidgan: Command, name: str) -> None:
    assert vidgan("run", "--data", name, *TINY, "--steps", 1).code == 0
