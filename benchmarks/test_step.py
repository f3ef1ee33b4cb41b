"""A training step and sampling of every registered generator, third-party ones included."""

from __future__ import annotations

import pytest
import torch
from conftest import GENERATORS, REGISTRY, configured
from pytest_benchmark.fixture import BenchmarkFixture
from torch.utils.flop_counter import FlopCounterMode

from vidgan_core.run import Run
from vidgan_core.sampling import sample


def describe(benchmark: BenchmarkFixture, run: Run, flops: int) -> None:
    """Note sizes and arithmetic beside the time."""
    for name, network in run.trainer.networks.items():
        benchmark.extra_info[f"{name}_parameters"] = sum(p.numel() for p in network.parameters())
    benchmark.extra_info |= {
        "clip": str(run.parts.spec),
        "batch": run.config.data.batch,
        "precision": run.precision.name,
        "gflop": round(flops / 1e9, 2),
    }


@pytest.mark.parametrize("generator", GENERATORS)
def test_training_step(benchmark: BenchmarkFixture, generator: str) -> None:
    run = Run(configured(generator), REGISTRY)
    run.trainer.step()
    with FlopCounterMode(display=False) as counter:
        run.trainer.step()
    describe(benchmark, run, counter.get_total_flops())
    benchmark.pedantic(run.trainer.step, rounds=5)
    run.batches.close()


@pytest.mark.parametrize("generator", GENERATORS)
def test_sampling(benchmark: BenchmarkFixture, generator: str) -> None:
    run = Run(configured(generator), REGISTRY)
    network = run.ema.generator
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        sample(network, 8, seed=0)
    describe(benchmark, run, counter.get_total_flops())
    benchmark.pedantic(lambda: sample(network, 8, seed=0), rounds=5, warmup_rounds=1)
    run.batches.close()
