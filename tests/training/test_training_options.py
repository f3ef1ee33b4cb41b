"""Spectral norm, separate rates for the players, schedules, the average's half-life."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import REGISTRY, TINY, Result, configured, small
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm as torch_spectral_norm
from torch.nn.utils.parametrize import is_parametrized

from vidgan_core.config.schema import RunConfig
from vidgan_core.inference.load_generator import load_generator
from vidgan_core.inference.sampler import sample
from vidgan_core.nn.spectral_norm import LAYERS, spectral_norm
from vidgan_core.runs import checkpoint
from vidgan_core.training.optimizers import learning_rate
from vidgan_core.training.parts import build_game
from vidgan_core.training.run import Run
from vidgan_core.training.schedule import Schedule

Command = Callable[..., Result]
NORMALISED = ("generator.spectral_norm=true", "discriminator.spectral_norm=true")


def largest_singular_values(network: nn.Module) -> list[float]:
    """Of every layer's weight as a matrix of its outputs, by a decomposition."""
    values = []
    for module in network.modules():
        if isinstance(module, LAYERS):
            transposed = isinstance(
                module, nn.ConvTranspose1d | nn.ConvTranspose2d | nn.ConvTranspose3d
            )
            weight = module.weight.transpose(0, 1) if transposed else module.weight
            values.append(torch.linalg.matrix_norm(weight.flatten(1), 2).item())
    return values


@pytest.mark.parametrize("architecture", REGISTRY.names("generator"))
def test_spectral_norm_makes_every_layer_of_any_network_one(architecture: str) -> None:
    run = Run(small(architecture, "hinge", "term={}", *NORMALISED), REGISTRY)
    for _ in range(2):
        assert run.trainer.step()
    for network in (run.networks["generator"], run.networks["discriminator"], run.sampled):
        values = largest_singular_values(network.eval())
        assert values
        assert all(0.7 < value < 1.5 for value in values), values


def test_spectral_norm_is_kept_over_checkpoint_resume_and_sampling(vidgan: Command) -> None:
    """The resumed run is the same run, and a checkpoint gives the clips of the average."""
    settings = [word for key in NORMALISED for word in ("--set", key)]
    arguments = ("run", *TINY, *settings, "--set", "checkpoint.every=1")
    assert vidgan(*arguments, "--steps", 4, "--out", "whole").code == 0
    assert vidgan(*arguments, "--steps", 2, "--out", "parts").code == 0
    assert vidgan("run", "--resume", "parts", "--steps", 4).code == 0
    whole, parts = (checkpoint.newest(Path(n) / "checkpoints") for n in ("whole", "parts"))
    assert whole
    assert parts
    assert whole.model_hash == parts.model_hash
    assert all(torch.equal(tensor, parts.train[name]) for name, tensor in whole.train.items())
    first, second = (
        sample(load_generator(saved, REGISTRY)[0], 2, seed=0) for saved in (whole, parts)
    )
    assert torch.equal(first, second)
    assert vidgan(*arguments, "--dry-run").code == 0  # on the meta device


def test_spectral_norm_keeps_the_memory_layout() -> None:
    run = Run(small("conv3d", "minimax", *NORMALISED), REGISTRY)
    layer = next(m for m in run.networks["discriminator"].modules() if isinstance(m, nn.Conv3d))
    assert is_parametrized(layer, "weight")
    assert layer.weight.is_contiguous(memory_format=torch.channels_last_3d)


def rates(run: Run) -> dict[str, float]:
    return {name: o.param_groups[0]["lr"] for name, o in run.trainer.optimizers.items()}


def test_each_player_may_have_its_own_rate_and_betas() -> None:
    """One step of each is an Adam step with these numbers: the sign of the gradient times lr."""
    run = Run(
        small(
            "mlp",
            "minimax",
            "optimizer.lr=1e-3",
            "discriminator.optimizer.lr=3e-3",
            "discriminator.optimizer.betas=[0.0, 0.9]",
        ),
        REGISTRY,
    )
    betas = {name: o.param_groups[0]["betas"] for name, o in run.trainer.optimizers.items()}
    assert betas == {"generator": (0.5, 0.999), "discriminator": (0.0, 0.9)}
    players = {
        "generator": run.networks["generator"],
        "discriminator": run.networks["discriminator"],
    }
    before = {name: [p.clone() for p in net.parameters()] for name, net in players.items()}
    run._one_step()
    for name, rate in (("generator", 1e-3), ("discriminator", 3e-3)):
        pairs = zip(players[name].parameters(), before[name], strict=True)
        largest = max((now - was).abs().max().item() for now, was in pairs)
        assert largest == pytest.approx(rate, rel=1e-2)
    run.batches.close()
    assert rates(Run(small("mlp"), REGISTRY)) == {"generator": 2e-4, "discriminator": 2e-4}


def rates_of(config: RunConfig, steps: int) -> list[float]:
    return [learning_rate(config, "generator")(step) for step in range(steps)]


def test_schedules_are_their_formulas() -> None:
    steps = 8
    base = ("optimizer.lr=1.0", f"steps={steps}")
    assert rates_of(configured(*base), 3) == [1, 1, 1]
    linear = configured(*base, "trainer.schedule=linear")
    assert rates_of(linear, 9) == pytest.approx([1 - s / 8 for s in range(9)])
    cosine = configured(
        *base, "trainer.schedule=cosine", "trainer.decay_steps=4", "discriminator.optimizer.lr=2.0"
    )
    expected = [(1 + math.cos(math.pi * min(s, 4) / 4)) / 2 for s in range(8)]
    assert rates_of(cosine, 8) == pytest.approx(expected)
    assert learning_rate(cosine, "discriminator")(2) == pytest.approx(1.0)
    warm = configured(*base, "trainer.warmup=4")
    assert rates_of(warm, 6) == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1])


def test_the_rate_of_each_step_is_the_scheduled_one() -> None:
    run = Run(small("mlp", "minimax", "trainer.schedule=linear", "steps=4"), REGISTRY)
    observed = []
    for _ in range(4):
        run._one_step()
        observed.append(rates(run)["discriminator"])
    assert observed == pytest.approx([2e-4, 1.5e-4, 1e-4, 5e-5])
    run.batches.close()


def test_a_terms_weight_may_move_from_one_number_to_another() -> None:
    config = small("conv3d", "minimax", "term.r1.weight=[10.0, 1.0]", "term.r1.every=2", "steps=4")
    run = Run(config, REGISTRY)
    for step in range(3):
        scalars = run.trainer.step()
        assert scalars
        if step % 2 == 0:
            weight = 1 + 9 * (1 + math.cos(math.pi * step / 4)) / 2
            expected = (
                scalars["discriminator/adversarial"] + 2 * weight * scalars["discriminator/r1"]
            )
            torch.testing.assert_close(scalars["discriminator/loss"], expected)
    assert Schedule(10, 1, 4)(4) == Schedule(10, 1, 4)(9) == 1
    run.batches.close()


def test_a_run_whose_schedule_hangs_on_its_length_keeps_its_length(vidgan: Command) -> None:
    scheduled = ("run", *TINY, "--set", "trainer.schedule=cosine", "--steps", 2)
    assert vidgan(*scheduled, "--out", "out").code == 0
    result = vidgan("run", "--resume", "out", "--steps", 4)
    assert result.code == 2
    assert "steps from 2 to 4; trainer.decay_steps can keep schedules apart" in result.err
    apart = (*scheduled, "--set", "trainer.decay_steps=4")
    assert vidgan(*apart, "--out", "parts").code == 0
    assert vidgan("run", "--resume", "parts", "--steps", 4).code == 0
    assert vidgan(*apart, "--steps", 4, "--out", "whole").code == 0
    whole, parts = (checkpoint.newest(Path(n) / "checkpoints") for n in ("whole", "parts"))
    assert whole
    assert parts
    assert whole.model_hash == parts.model_hash


def test_the_average_may_be_given_by_its_half_life_in_clips() -> None:
    """After as many clips half of what it was is left, once it is warm."""
    config = small("mlp", "minimax", "trainer.ema_half_life=40", "data.batch=4")
    assert config.ema_decay**10 == pytest.approx(0.5)
    assert small("mlp", "minimax", "trainer.ema=0.9").ema_decay == 0.9
    run = Run(config, REGISTRY)
    run.averages["generator"].updates = 10**9
    before = [p.clone() for p in run.sampled.parameters()]
    with torch.no_grad():
        for parameter in run.networks["generator"].parameters():
            parameter.zero_()
    for _ in range(10):
        run.averages["generator"].update()
    pairs: list[tuple[Tensor, Tensor]] = list(zip(run.sampled.parameters(), before, strict=True))
    for now, was in pairs:
        torch.testing.assert_close(now, was / 2)
    run.batches.close()


def test_a_layer_that_starts_at_zero_is_drawn_anew() -> None:
    """Zero has no direction: it could not be divided by its size."""
    config = small("modern", "rpgan", *NORMALISED)
    game = build_game(config, REGISTRY, Run(config, REGISTRY).spec)
    for network in game.parts.networks.values():
        assert all(value > 0.5 for value in largest_singular_values(network))


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("trainer.schedule=step", "trainer.schedule: must be 'constant', 'linear' or 'cosine'"),
        (
            "discriminator.optimizer.lr=-1",
            "discriminator.optimizer.lr: must be greater than 0 (got -1",
        ),
        (
            "discriminator.optimizer.betas=[1.5, 0.9]",
            "discriminator.optimizer.betas: must be less than 1 (got [1.5, 0.9]",
        ),
        ("generator.spectral_norm=1", "generator.spectral_norm: must be a valid boolean (got 1"),
        ("term.r1.weight=[1, 2, 3]", "term.r1.weight: must be a valid number (got [1, 2, 3]"),
    ],
)
def test_mistakes_are_named(vidgan: Command, setting: str, message: str) -> None:
    result = vidgan("run", "--set", setting)
    assert result.code == 2
    assert message in result.err, result.err
    assert len(result.err.splitlines()) == 1


@pytest.mark.parametrize(
    "layer", [nn.Conv3d(3, 5, 3), nn.ConvTranspose2d(3, 5, 4), nn.Linear(7, 4)]
)
def test_spectral_norm_is_torchs(layer: nn.Module) -> None:
    """The same weight and the same gradient once both have found the singular vectors."""
    with torch.no_grad():
        outputs = 1 if isinstance(layer, nn.ConvTranspose2d) else 0
        layer.weight.select(outputs, 0).mul_(4)  # one direction stands out: both find it soon
    mine, theirs = copy.deepcopy(layer), torch_spectral_norm(copy.deepcopy(layer))
    spectral_norm(mine)
    for _ in range(50):  # a power iteration each
        weights = [network.weight for network in (mine, theirs)]
    torch.testing.assert_close(*weights, rtol=1e-4, atol=1e-6)
    direction = torch.randn_like(weights[0])
    gradients = [
        torch.autograd.grad((weight * direction).sum(), network.parametrizations.weight.original)
        for weight, network in zip(weights, (mine, theirs), strict=True)
    ]
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(mine.eval().weight, weights[0])
