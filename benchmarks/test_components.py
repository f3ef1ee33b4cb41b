"""Every registered component but generators, third-party ones included, by itself."""

from __future__ import annotations

from typing import cast

import numpy as np
import pytest
import torch
from conftest import REGISTRY, configured
from pytest_benchmark.fixture import BenchmarkFixture

from vidgan_core.config.schema import RunConfig
from vidgan_core.errors import ComponentError, ShapeError, UsageError, VidganError
from vidgan_core.interfaces import (
    Augment,
    ClipSet,
    Dataset,
    DataSpec,
    Discriminator,
    Evidence,
    Features,
    Loss,
    Metric,
    OptimizerFactory,
    Task,
)
from vidgan_core.runs.folder import RunDir
from vidgan_core.training.run import Run

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
    step(benchmark, small())


@pytest.mark.parametrize("name", REGISTRY.names("augment"))
def test_augment(benchmark: BenchmarkFixture, name: str) -> None:
    """Every change to 4 clips of 16x64x64, with the gradient of the clips."""
    augment = cast(Augment, REGISTRY.load("augment", name)())
    video = (torch.rand(CLIPS, *SPEC.shape) * 2 - 1).requires_grad_()
    benchmark.pedantic(
        lambda: augment(video, torch.tensor(1.0)).sum().backward(),  # type: ignore[no-untyped-call]
        rounds=5,
        warmup_rounds=1,
    )


@pytest.mark.parametrize("name", REGISTRY.names("features"))
def test_features(benchmark: BenchmarkFixture, name: str) -> None:
    """The vectors of 4 clips of 16x64x64."""
    try:
        features = cast(Features, REGISTRY.load("features", name)(SPEC))
    except VidganError as error:
        pytest.skip(str(error))
    video = torch.rand(CLIPS, *SPEC.shape) * 2 - 1
    with torch.inference_mode():
        benchmark.pedantic(lambda: features(video), rounds=3, warmup_rounds=1)


@pytest.mark.parametrize("name", REGISTRY.names("metric"))
def test_metric(benchmark: BenchmarkFixture, name: str) -> None:
    """On 512 vectors of 256 numbers on each side, and 32 pixels square where it looks at clips."""
    metric = cast(Metric, REGISTRY.load("metric", name)())
    if "generator" in metric.needs:
        pytest.skip("it measures a generator: see test_step.py")

    def side() -> ClipSet:
        clips = torch.randint(256, (512, 3, 4, 32, 32), dtype=torch.uint8)
        frames = torch.randn(512, 4, 256)
        vectors = torch.randn(512, 256, dtype=torch.float64)
        return ClipSet(clips, vectors, frames, {"class": torch.arange(512) % 10})

    evidence = Evidence(side(), side(), side())
    try:
        metric.measure(evidence)
    except UsageError as error:
        pytest.skip(str(error))
    benchmark.pedantic(lambda: metric.measure(evidence), rounds=3)


@pytest.mark.parametrize("name", REGISTRY.names("dataset"))
def test_dataset(benchmark: BenchmarkFixture, name: str) -> None:
    """An item of 16x64x64; those that need a folder are in test_data.py."""
    try:
        dataset = cast(Dataset, REGISTRY.load("dataset", name)(SPEC, "train"))
    except (UsageError, ComponentError) as error:
        pytest.skip(str(error))
    numbers = iter(range(10_000))
    benchmark.pedantic(lambda: dataset.item(next(numbers) % len(dataset)), rounds=20)


@pytest.mark.parametrize("name", REGISTRY.names("task"))
def test_task(benchmark: BenchmarkFixture, name: str) -> None:
    """What it makes of a clip of 16x64x64."""
    task = cast(Task, REGISTRY.create("task", name, SPEC))
    video = np.random.default_rng(0).integers(256, size=task.source.shape, dtype=np.uint8)
    benchmark.pedantic(lambda: task.pair({"video": video}, 0), rounds=20)


@pytest.mark.parametrize("name", REGISTRY.names("game"))
def test_game(benchmark: BenchmarkFixture, name: str) -> None:
    """A step of `vgan`, narrow."""
    step(benchmark, small(f"game.name={name}"))


@pytest.mark.parametrize("name", REGISTRY.names("optimizer"))
def test_optimizer(benchmark: BenchmarkFixture, name: str) -> None:
    """An update of 10 weights of 64x64x3x4x4, channels last."""
    weights = [torch.randn(64, 64, 3, 4, 4) for _ in range(10)]
    order = torch.channels_last_3d
    parameters = [torch.nn.Parameter(w.contiguous(memory_format=order)) for w in weights]
    factory = cast(OptimizerFactory, REGISTRY.create("optimizer", name))
    optimizer = factory.build([{"params": parameters}], 1e-4)
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    benchmark.pedantic(optimizer.step, rounds=20, warmup_rounds=1)


@pytest.mark.parametrize("name", REGISTRY.names("callback"))
def test_callback(
    benchmark: BenchmarkFixture, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A run of 2 steps of `vgan`, narrow, from its first step to its last checkpoint."""
    settings = ("steps=2", "trainer.report_every=1", f"callback.{name}.enabled=true")

    def fit() -> None:
        run = Run(small(*settings), REGISTRY)
        run.begin(RunDir.create(tmp_path_factory.mktemp("run"), "run"))
        run.fit()

    try:
        benchmark.pedantic(fit, rounds=3, warmup_rounds=1)
    except VidganError as error:
        pytest.skip(str(error))


def step(benchmark: BenchmarkFixture, config: RunConfig) -> None:
    """Time steps of a run."""
    run = Run(config, REGISTRY)
    benchmark.pedantic(run.trainer.step, rounds=5, warmup_rounds=1)
    run.batches.close()


def small(*settings: str) -> RunConfig:
    shape = ("data.frames=16", "data.size=32", "data.batch=4")
    widths = ("generator.width=8", "discriminator.width=8")
    off = [f"callback.{name}.enabled=false" for name in REGISTRY.defaults("callback")]
    return configured("vgan", "term={}", *shape, *widths, *off, *settings)
