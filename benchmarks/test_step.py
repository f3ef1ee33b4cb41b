"""A training step and sampling of every registered generator, third-party ones included."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from conftest import GENERATORS, REGISTRY, configured, say, seconds
from pytest_benchmark.fixture import BenchmarkFixture
from torch.utils.flop_counter import FlopCounterMode

from vidgan_core.inference.sampler import sample
from vidgan_core.training.run import Run


def describe(benchmark: BenchmarkFixture, run: Run, flops: int) -> None:
    """Note sizes and arithmetic with the time."""
    for name, network in run.trainer.networks.items():
        benchmark.extra_info[f"{name}_parameters"] = sum(p.numel() for p in network.parameters())
    benchmark.extra_info |= {
        "clip": str(run.spec),
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
    network = run.sampled
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        sample(network, 8, seed=0)
    describe(benchmark, run, counter.get_total_flops())
    benchmark.pedantic(lambda: sample(network, 8, seed=0), rounds=5, warmup_rounds=1)
    run.batches.close()


@pytest.fixture
def one_core() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_core")
@pytest.mark.parametrize("generator", GENERATORS)
def test_sampling_ratio_to_real_time(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str], generator: str
) -> None:
    """Frames of 64x64 a second on one core, against the 25 of a video."""
    run = Run(configured(generator, "data.size=64", "data.batch=2"), REGISTRY)
    frames = 4 * run.spec.frames
    sample(run.sampled, 1, seed=0)
    rate = frames / min(seconds(lambda: sample(run.sampled, 4, seed=0)) for _ in range(3))
    run.batches.close()
    benchmark.extra_info["ratio"] = round(rate / 25, 1)
    benchmark.pedantic(lambda: sample(run.sampled, 1, seed=0), rounds=1)
    say(capsys, benchmark.name, f"{rate / 25:.1f}x ({rate:.0f} frames/s)")
