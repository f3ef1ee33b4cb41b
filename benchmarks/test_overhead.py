"""What the engine costs: its step against the same step written out by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from conftest import REGISTRY, Ratio, configured
from torch import nn
from torch.nn.functional import softplus
from vidgan_cpu.convolution import tune_convolutions

from vidgan_core.data.batches import Batches
from vidgan_core.training.optimizers import build_optimizer
from vidgan_core.training.parts import build_game
from vidgan_core.training.run import Run

PLAYERS = ("generator", "discriminator")


def bare_step(run: Run) -> Callable[[], None]:
    """The optimised step without an engine: same networks, layout, optimizer and data."""
    parts = build_game(run.config, REGISTRY, run.spec).parts
    g, d = parts.networks["generator"], parts.networks["discriminator"]
    for network in (g, d):
        tune_convolutions(network)
    g_adam, d_adam = (
        build_optimizer(name, network, run.config, REGISTRY)
        for name, network in zip(PLAYERS, (g, d), strict=True)
    )
    batches = Batches(run.batches.dataset, run.config.data.batch, seed=0, device=run.device)
    rng = torch.Generator()
    position = 0

    def frozen(network: nn.Module, flag: bool) -> None:
        for parameter in network.parameters():
            parameter.requires_grad_(not flag)

    def step() -> None:
        nonlocal position
        video = batches(position)["video"]
        position += 1
        with run.precision.autocast(run.device):
            fake = g(g.noise(len(video), rng), {}).video
            (real_score,) = d(video, {}).scores
            (fake_score,) = d(fake.detach(), {}).scores
        (softplus(-real_score.float()).mean() + softplus(fake_score.float()).mean()).backward()
        d_adam.step()
        d_adam.zero_grad()
        frozen(d, True)
        with run.precision.autocast(run.device):
            (score,) = d(fake, {}).scores
        softplus(-score.float()).mean().backward()
        g_adam.step()
        g_adam.zero_grad()
        frozen(d, False)

    return step


@pytest.mark.parametrize(
    ("generator", "settings", "rounds"),
    [
        ("conv3d", (), 30),
        ("mlp", ("data.frames=1", "data.size=8", "data.batch=1"), 300),
    ],
    ids=["conv3d", "smallest-mlp"],
)
def test_engine_overhead_ratio(
    ratio: Ratio, generator: str, settings: tuple[str, ...], rounds: int
) -> None:
    """The engine adds seeding, batches in order, finite checks and scalars; EMA is apart."""
    run = Run(configured(generator, *settings), REGISTRY)
    ratio(run.trainer.step, bare_step(run), rounds=rounds)
    run.batches.close()
