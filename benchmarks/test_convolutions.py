"""Convolutions as the engine computes them, against torch's own, as this machine trains."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from conftest import GENERATORS, REGISTRY, Ratio, configured
from torch import Tensor, nn
from vidgan_cpu import convolution, kernels
from vidgan_cpu.convolution import tune_convolutions

from vidgan_core.device import channels_last, choose_precision
from vidgan_core.training.run import Run

VIDEO = (8, 16, 32, 32)  # clips, and the grid inside of 32x64x64 pixels
FRAMES = (128, 32, 32)
DTYPE = choose_precision("auto", torch.device("cpu"), corrected=True).compute


def pair(layer: nn.Module, *size: int) -> tuple[nn.Module, nn.Module, Tensor]:
    """A layer tuned, the same with torch's kernels, and an input in their layout."""
    tuned, plain = (nn.Sequential(copy.deepcopy(layer).to(DTYPE)) for _ in range(2))
    tune_convolutions(tuned)
    channels_last(plain)
    layout = torch.channels_last if len(size) == 4 else torch.channels_last_3d
    return tuned, plain, torch.randn(size, dtype=DTYPE).contiguous(memory_format=layout)


def made(layer: nn.Module, x: Tensor) -> Callable[[], Tensor]:
    """What makes the pixels."""

    def call() -> Tensor:
        with torch.no_grad():
            result: Tensor = layer(x)
            return result

    return call


def by_input(layer: nn.Module, x: Tensor) -> Callable[[], object]:
    """What makes the gradient by the input; the weights are frozen."""
    return gradient(layer.requires_grad_(False)(x.requires_grad_()), x)


def by_weights(layer: nn.Module, x: Tensor) -> Callable[[], object]:
    """What makes the gradient by the weights."""
    return gradient(layer(x), next(layer.parameters()))


def gradient(made: Tensor, by: Tensor) -> Callable[[], object]:
    """A backward pass to one tensor."""
    ahead = torch.ones_like(made)
    return lambda: torch.autograd.grad(made, by, ahead, retain_graph=True)


@pytest.mark.parametrize("width", [16, 32, 64])
@pytest.mark.parametrize("grid", [VIDEO, FRAMES], ids=["video", "frames"])
def test_to_the_pixels_ratio(faster: Ratio, grid: tuple[int, ...], width: int) -> None:
    """A generator's last layer, from `width` channels to three."""
    kind = nn.ConvTranspose3d if grid == VIDEO else nn.ConvTranspose2d
    tuned, plain, x = pair(kind(width, 3, 4, 2, 1), grid[0], width, *grid[1:])
    faster(made(tuned, x), made(plain, x), rounds=5)


@pytest.mark.parametrize("width", [16, 32, 64])
@pytest.mark.parametrize("grid", [VIDEO, FRAMES], ids=["video", "frames"])
def test_by_the_pixels_ratio(faster: Ratio, grid: tuple[int, ...], width: int) -> None:
    """The gradient by the pixels in a discriminator's first layer, of `width` channels."""
    kind = nn.Conv3d if grid == VIDEO else nn.Conv2d
    tuned, plain, x = pair(kind(3, width, 4, 2, 1), grid[0], 3, *(2 * n for n in grid[1:]))
    faster(by_input(tuned, x), by_input(plain, x.clone()), rounds=5)


def innermost(player: str, width: int) -> tuple[nn.Module, nn.Module, Tensor]:
    """The layer of `conv3d` with most weights, 8 clips of 16x64x64, tuned and plain.

    The discriminator has 8 real clips and 8 fakes.
    """
    if player == "generator":
        layer = nn.ConvTranspose3d(8 * width, 4 * width, 4, 2, 1, bias=False)
        return pair(layer, 8, 8 * width, 1, 4, 4)
    return pair(nn.Conv3d(4 * width, 8 * width, 4, 2, 1, bias=False), 16, 4 * width, 2, 8, 8)


@pytest.mark.parametrize("width", [16, 32, 64])
@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_innermost_ratio(faster: Ratio, player: str, width: int) -> None:
    """Forwards."""
    tuned, plain, x = innermost(player, width)
    faster(made(tuned, x), made(plain, x), rounds=5)


@pytest.mark.parametrize("width", [16, 32, 64])
@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_innermost_by_the_input_ratio(faster: Ratio, player: str, width: int) -> None:
    """The gradient by what the layer is given."""
    tuned, plain, x = innermost(player, width)
    faster(by_input(tuned, x), by_input(plain, x.clone()), rounds=5)


@pytest.mark.parametrize("width", [16, 32, 64])
@pytest.mark.parametrize("player", ["generator", "discriminator"])
def test_innermost_by_the_weights_ratio(faster: Ratio, player: str, width: int) -> None:
    """The gradient by the weights; the input wants none."""
    tuned, plain, x = innermost(player, width)
    faster(by_weights(tuned, x), by_weights(plain, x), rounds=5)


@pytest.mark.parametrize("generator", GENERATORS)
def test_step_ratio(faster: Ratio, monkeypatch: pytest.MonkeyPatch, generator: str) -> None:
    """A step of each generator with its usual discriminator."""
    tuned = Run(configured(generator), REGISTRY)
    monkeypatch.setattr(convolution, "tune_convolutions", channels_last)
    plain = Run(configured(generator), REGISTRY)
    faster(tuned.trainer.step, plain.trainer.step, rounds=8)
    for each in (tuned, plain):
        each.batches.close()


@pytest.mark.parametrize("generator", ["modern", "conv3d"])
def test_penalties_in_a_step_ratio(
    faster: Ratio, monkeypatch: pytest.MonkeyPatch, generator: str
) -> None:
    """A step with R1 and R2."""
    settings = [f"term.{name}.every=1" for name in ("r1", "r2")]
    tuned = Run(configured(generator, *settings), REGISTRY)
    monkeypatch.setattr(convolution, "tune_convolutions", channels_last)
    plain = Run(configured(generator, *settings), REGISTRY)
    faster(tuned.trainer.step, plain.trainer.step, rounds=4)
    for each in (tuned, plain):
        each.batches.close()


WIDE = ("data.frames=32", "generator.width=64", "discriminator.width=64")


@pytest.mark.parametrize(("generator", "settings"), [("conv3d", WIDE), ("twostream", ())])
def test_products_in_a_step_ratio(
    faster: Ratio, monkeypatch: pytest.MonkeyPatch, generator: str, settings: tuple[str, ...]
) -> None:
    """A step with products where weights are many, against one without, all else equal."""
    tuned = Run(configured(generator, *settings), REGISTRY)

    def without() -> None:
        with monkeypatch.context() as patched:
            patched.setattr(kernels, "HEAVY", float("inf"))
            patched.setattr(kernels, "MOST_PATCHES", 0)
            tuned.trainer.step()

    faster(tuned.trainer.step, without, rounds=8)
    tuned.batches.close()
