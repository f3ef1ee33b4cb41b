"""Training steps against the code that people would otherwise run, on the same networks."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from conftest import REGISTRY, Ratio, as_it_comes, configured, say, seconds
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.flop_counter import FlopCounterMode

from vidgan_core.data.batches import Batches
from vidgan_core.interfaces import GameParts
from vidgan_core.training.parts import build_game
from vidgan_core.training.run import Run

CONV3D = ("data.frames=32", "data.size=64", "data.batch=8")
ROUNDS = 4


def bce(scores: Tensor, label: float) -> Tensor:
    return binary_cross_entropy_with_logits(scores, torch.full_like(scores, label))


def adam(*networks: nn.Module) -> torch.optim.Adam:
    return torch.optim.Adam([p for n in networks for p in n.parameters()], 2e-4, (0.5, 0.999))


def reference(run: Run) -> tuple[GameParts, Callable[[], Tensor]]:
    """Fresh networks of a run's configuration as they are built, and its batches one by one."""
    parts = build_game(run.config, REGISTRY, run.spec).parts
    batches = Batches(run.batches.dataset, run.config.data.batch, seed=0)
    position = iter(range(10**9))
    return parts, lambda: batches(next(position))["video"]


def textbook(run: Run) -> Callable[[], None]:
    """Goodfellow et al. 2014, algorithm 1, as a tutorial writes it: eager, single precision."""
    parts, batch = reference(run)
    g, d = parts.networks["generator"], parts.networks["discriminator"]
    d_adam, g_adam = adam(d), adam(g)
    rng = torch.Generator()

    def step() -> None:
        video = batch()
        d_adam.zero_grad()
        fake = g(g.noise(len(video), rng), {}).video.detach()
        (real_score,), (fake_score,) = d(video, {}).scores, d(fake, {}).scores
        (bce(real_score, 1) + bce(fake_score, 0)).backward()
        d_adam.step()
        g_adam.zero_grad()
        (score,) = d(g(g.noise(len(video), rng), {}).video, {}).scores
        bce(score, 1).backward()
        g_adam.step()

    return step


def published(run: Run) -> Callable[[], None]:
    """The trainer that was published with MoCoGAN (Tulyakov et al. 2018).

    Three updates a step, each with its own fakes: frames for the image critic, clips for the video
    critic, and both once more for the generator. Of a clip whose frame is wanted, only that frame
    is decoded, as there.
    """
    parts, batch = reference(run)
    g, d = parts.networks["generator"], parts.networks["discriminator"]
    optimizers = adam(d.spatial), adam(d.temporal), adam(g)  # type: ignore[arg-type]
    rng = torch.Generator()

    def frames(count: int) -> Tensor:
        noise = g.noise(count, rng)
        motion = noise["motion"]
        paths, _ = g.recurrent(motion[:, 1:], motion[:, 0].contiguous()[None])  # type: ignore[operator]
        times = torch.randint(paths.shape[1], (count,), generator=rng)
        codes = torch.cat([noise["content"], paths[torch.arange(count), times]], dim=1)
        return g.decoder(codes[:, :, None, None])  # type: ignore[no-any-return,operator]

    def clips(count: int) -> Tensor:
        return g(g.noise(count, rng), {}).video

    def critic(network: nn.Module, optimizer: torch.optim.Adam, real: Tensor, fake: Tensor) -> None:
        optimizer.zero_grad()
        (bce(network(real), 1) + bce(network(fake.detach()), 0)).backward()
        optimizer.step()

    def step() -> None:
        video = batch()
        count = len(video)
        times = torch.randint(video.shape[2], (count,), generator=rng)
        critic(d.spatial, optimizers[0], video[torch.arange(count), :, times], frames(count))  # type: ignore[arg-type]
        critic(d.temporal, optimizers[1], video, clips(count))  # type: ignore[arg-type]
        optimizers[2].zero_grad()
        loss = bce(d.spatial(frames(count)), 1) + bce(d.temporal(clips(count)), 1)  # type: ignore[operator]
        loss.backward()
        optimizers[2].step()

    return step


@pytest.mark.parametrize("width", [32, 64])
def test_conv3d_step_ratio_to_the_textbook_loop(faster: Ratio, width: int) -> None:
    """8 clips of 32x64x64."""
    settings = (f"generator.width={width}", f"discriminator.width={width}")
    run = Run(configured("conv3d", *CONV3D, *settings), REGISTRY)
    faster(run.trainer.step, as_it_comes(textbook(run)), rounds=ROUNDS)
    run.batches.close()


def test_twostream_step_ratio_to_the_published_procedure(faster: Ratio) -> None:
    """8 clips of 16x64x64, the published widths."""
    run = Run(configured("twostream"), REGISTRY)
    faster(run.trainer.step, as_it_comes(published(run)), rounds=ROUNDS)
    run.batches.close()


def test_flops_ratio_to_the_best_convolution(
    benchmark: BenchmarkFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """FLOP/s of a `conv3d` step at width 64 against a 3x3x3 convolution of 256 channels.

    Both in the precision that the run chooses, channels-last; of the step what its own
    operations need is counted, and nothing but convolutions and matrix products.
    """
    widths = ("generator.width=64", "discriminator.width=64")
    run = Run(configured("conv3d", *CONV3D, *widths), REGISTRY)
    run.trainer.step()
    layer = nn.Conv3d(256, 256, 3, padding=1, bias=False).to(run.precision.compute)
    layer = layer.to(memory_format=torch.channels_last_3d)
    x = torch.randn(8, 256, 4, 16, 16, dtype=run.precision.compute)
    x = x.contiguous(memory_format=torch.channels_last_3d)

    def convolve() -> None:
        with torch.no_grad():
            layer(x)

    rates = []
    for work, rounds in ((run.trainer.step, ROUNDS), (convolve, 2 * ROUNDS)):
        with FlopCounterMode(display=False) as counter:
            work()
        rates.append(counter.get_total_flops() / min(seconds(work) for _ in range(rounds)) / 1e9)
    run.batches.close()
    benchmark.extra_info["ratio"] = round(rates[0] / rates[1], 2)
    benchmark.pedantic(convolve, rounds=3)
    text = f"{rates[0]:.0f} of {rates[1]:.0f} GFLOP/s in {run.precision.name}"
    say(capsys, benchmark.name, f"{rates[0] / rates[1]:.2f}x ({text})")
