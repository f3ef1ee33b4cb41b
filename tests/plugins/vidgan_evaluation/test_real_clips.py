"""What a perfect generator and a copying one score against real clips."""

from __future__ import annotations

from collections.abc import Callable

import measures
import pytest
from conftest import configured
from vidgan_evaluation.clip_source import real
from vidgan_evaluation.disjoint_splits import spread
from vidgan_evaluation.options import Request
from vidgan_evaluation.prepare import prepare
from vidgan_evaluation.result import Result

from vidgan_core.plugins.registry import Registry
from vidgan_core.training.inputs import build_dataset

CLIPS = ("data.frames=4", "data.size=16", "data.clips=2000")


@pytest.fixture(autouse=True)
def _small(install: Callable[..., None], one_thread: None) -> None:
    install("meter", measures.MANIFEST, measures.CODE)


def measured(metrics: str, *, n: int = 32, every: int = 1, search: int = 20_000) -> list[Result]:
    """Measure every k-th training clip as if it were generated."""
    registry = Registry.discover()
    config = configured(*CLIPS, data="shapes")
    train = build_dataset(config, registry, "train")
    request = Request((metrics,), ("colours",), n=n, search=search)
    evaluator, count = prepare(config, registry, train.spec, request)
    numbers = spread(range(1, len(train), every), count)
    return evaluator.measure(real(train, numbers, "copied"))


def test_copies_are_found_wherever_they_are_in_the_training_split() -> None:
    memorised, copying = measured("memorisation", every=7)
    assert memorised.name == "memorised-colours"
    assert memorised.value == 1
    assert copying.value == pytest.approx(1, abs=1e-3)
    assert memorised.protocol == "memorised-colours@4f-16px-n32+searched=all"


def test_the_share_of_the_split_that_is_searched_is_in_the_protocol() -> None:
    found, _ = measured("memorisation", search=300)
    assert found.protocol == "memorised-colours@4f-16px-n32+searched=300of2000"
    assert found.value < 1


def test_training_clips_have_a_level_of_their_own() -> None:
    (found,) = measured("gap")
    assert found.train is not None
    assert found.floor is not None
    assert found.value == pytest.approx(found.train, abs=3 * (found.error or 0))
    assert found.train != found.floor


def test_copies_have_no_level_of_training_clips() -> None:
    assert all(result.train is None for result in measured("memorisation"))
