"""Evaluation, with the real clips' features in the cache, as a ratio measured in one run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import REGISTRY, Ratio, configured
from vidgan_evaluation.clip_source import fake
from vidgan_evaluation.options import Request
from vidgan_evaluation.prepare import prepare

from vidgan_core.interfaces import DataSpec
from vidgan_core.training.parts import build_network

N = 96  # clips of 16 frames at 64 pixels


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIDGAN_CACHE", str(tmp_path / "cache"))


def evaluation(n: int) -> Callable[[], object]:
    """An evaluation of an untrained generator by all fast metrics, on everything that is there."""
    config = configured("conv3d", "data.name=shapes", "generator.width=8")
    generator = (
        build_network(config, REGISTRY, DataSpec(), "generator").eval().requires_grad_(False)
    )
    evaluator, _ = prepare(config, REGISTRY, DataSpec(), Request(n=n))
    return lambda: evaluator.measure(fake(generator, n, 0), generator)


def test_twice_the_clips_take_at_most_a_little_more_than_twice_the_time(ratio: Ratio) -> None:
    assert ratio(evaluation(2 * N), evaluation(N), rounds=2) <= 2.2
