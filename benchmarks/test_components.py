"""Every registered discriminator, loss and term, third-party ones included, by itself."""

from __future__ import annotations

from typing import cast

import pytest
import torch
from conftest import REGISTRY, configured
from pytest_benchmark.fixture import BenchmarkFixture

from vidgan_core.config import RunConfig
from vidgan_core.errors import ShapeError, UsageError
from vidgan_core.interfaces import DataSpec, Discriminator, Loss
from vidgan_core.run import Run

SPEC = DataSpec()
CLIPS = 4


@pytest.mark.parametrize("name", REGISTRY.names("discriminator"))
def test_discriminator(benchmark: BenchmarkFixture, name: str) -> None:
    """Forward and backward over 4 clips of 16x64x64; a smaller clip where that is too large."""
    target = REGISTRY.load("discriminator", name)
    spec = DataSpec(3, 8, 32, 32) if name == "mlp" else SPEC
    try:
        network = cast(Discriminator, target(spec))
    except ShapeError as error:
        pytest.skip(str(error))
    video = torch.rand(CLIPS, *spec.shape) * 2 - 1

    def judge() -> None:
        torch.stack([s.mean() for s in network(video, {}).scores]).sum().backward()  # type: ignore[no-untyped-call]

    benchmark.pedantic(judge, rounds=3, warmup_rounds=1)


@pytest.mark.parametrize("name", REGISTRY.names("loss"))
def test_loss(benchmark: BenchmarkFixture, name: str) -> None:
    """Both players' losses with their gradients, on 4,096 scores."""
    loss = cast(Loss, REGISTRY.load("loss", name)())
    real, fake = (torch.randn(4096, requires_grad=True) for _ in range(2))

    def play() -> None:
        (loss.discriminator(real, fake) + loss.generator(real, fake)).backward()  # type: ignore[no-untyped-call]

    benchmark(play)


@pytest.mark.parametrize("name", REGISTRY.names("term"))
def test_step_with_term(benchmark: BenchmarkFixture, name: str) -> None:
    """A step of `vgan`, narrow, with one term; compare with `none`."""
    try:
        run = Run(small(f"term.{name}.weight=1.0"), REGISTRY)
    except UsageError as error:
        pytest.skip(str(error))
    benchmark.pedantic(run.trainer.step, rounds=5, warmup_rounds=1)
    run.batches.close()


def test_step_with_term_none(benchmark: BenchmarkFixture) -> None:
    run = Run(small(), REGISTRY)
    benchmark.pedantic(run.trainer.step, rounds=5, warmup_rounds=1)
    run.batches.close()


def small(*terms: str) -> RunConfig:
    shape = ("data.frames=16", "data.size=32", "data.batch=4")
    widths = ("generator.width=8", "discriminator.width=8")
    return configured("vgan", "term={}", *shape, *widths, *terms)
