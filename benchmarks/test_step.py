"""A training step and sampling of every registered generator, third-party ones included."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from conftest import GENERATORS, REGISTRY, configured, given, say, seconds
from pytest_benchmark.fixture import BenchmarkFixture
from torch.utils.flop_counter import FlopCounterMode

from vidgan_core.device import FP32
from vidgan_core.inference.sampler import sample
from vidgan_core.interfaces import DataSpec, Field, StreamingGenerator
from vidgan_core.training.prepare import prepare_module
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
        sample(network, 8, seed=0, condition=given(network, 8))
    describe(benchmark, run, counter.get_total_flops())
    condition = given(network, 8)
    benchmark.pedantic(
        lambda: sample(network, 8, seed=0, condition=condition), rounds=5, warmup_rounds=1
    )
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
    condition = given(run.sampled, 4)

    def made() -> None:
        sample(run.sampled, 4, seed=0, condition=condition)

    made()
    rate = frames / min(seconds(made) for _ in range(3))
    run.batches.close()
    benchmark.extra_info["ratio"] = round(rate / 25, 1)
    benchmark.pedantic(made, rounds=1)
    say(capsys, benchmark.name, f"{rate / 25:.1f}x ({rate:.0f} frames/s)")


def test_live_restoration_ratio_to_real_time(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Frames of 44x36 that `recurrent-online` enlarges to 176x144 a second, one by one, to 25."""
    low = Field("low", "clip", (3, 1, 36, 44))
    network = REGISTRY.create("generator", "recurrent-online", DataSpec(3, 1, 144, 176, (low,)))
    assert isinstance(network, StreamingGenerator)
    prepare_module(network.eval(), REGISTRY, torch.device("cpu"), FP32, channels_last=False)
    frames, state = given(network, 25), network.begin(1)

    @torch.inference_mode()
    def second() -> None:
        nonlocal state
        for frame in frames["low"].split(1):
            _, state = network.advance(state, {}, {"low": frame})

    second()
    rate = 25 / min(seconds(second) for _ in range(3))
    benchmark.extra_info["ratio"] = round(rate / 25, 1)
    benchmark.pedantic(second, rounds=1)
    say(capsys, benchmark.name, f"{rate / 25:.1f}x ({rate:.0f} frames/s)")
