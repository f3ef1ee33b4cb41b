"""Between the blocks' grids and pixels: finer grids, and what keeps pixels in range.

Two steps of a pixel shuffle each with convolutions between and after them: patches of 4x4 pixels
made at once fit one another badly, and a thing that moves by a pixel would be another pattern of
channels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from vidgan_modern.blocks import RELU_GAIN, Spatial

MARGIN = 2.0  # beyond the bounds of a pixel, which are 2 apart
RECALL = 0.2  # of a gradient that leads back inside


class Finer(nn.Module):
    """Twice the height and width: each place hands its channels to the four that it becomes.

    A pixel shuffle (Shi et al. 2016), but of a clip, and channels-last before and after.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, 4*C, T, H, W) -> (B, C, T, 2*H, 2*W)."""
        clips, channels, frames, height, width = x.shape
        inner = x.permute(0, 2, 3, 4, 1)  # (B, T, H, W, 4*C)
        parts = inner.reshape(clips, frames, height, width, 2, 2, channels // 4)
        places = parts.transpose(3, 4)  # (B, T, H, 2, W, 2, C)
        return places.reshape(clips, frames, 2 * height, 2 * width, -1).permute(0, 4, 1, 2, 3)


class Coarser(nn.Module):
    """The reverse of `Finer`."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, 2*H, 2*W) -> (B, 4*C, T, H, W)."""
        clips, channels, frames, height, width = x.shape
        outer = x.permute(0, 2, 3, 4, 1)  # (B, T, 2*H, 2*W, C)
        places = outer.reshape(clips, frames, height // 2, 2, width // 2, 2, channels)
        parts = places.transpose(3, 4)  # (B, T, H, W, 2, 2, C)
        return parts.reshape(clips, frames, height // 2, width // 2, -1).permute(0, 4, 1, 2, 3)


def to_frames(width: int, fine: int) -> nn.Sequential:
    """From the blocks' largest grid by way of `fine` channels on twice it to half as many a pixel.

    What turns them into colours comes after: a convolution across the pixels themselves, since
    four that are made side by side each learn their own colour of a thing of one.
    """
    return nn.Sequential(
        alike(Spatial(width, 4 * fine, 1, RELU_GAIN, activated=True)),
        Finer(),
        Spatial(fine, fine, 3, RELU_GAIN, activated=True),
        alike(Spatial(fine, 4 * (fine // 2), 3, RELU_GAIN, activated=True)),
        Finer(),
    )


@torch.no_grad()
def alike(layer: Spatial) -> Spatial:
    """Begin with the same weights for the four places that a `Finer` makes of one.

    Aitken et al. 2017, "Checkerboard artifact free sub-pixel convolution": a pixel shuffle then
    begins as an enlargement by the nearest neighbour.
    """
    layer.weight.copy_(layer.weight[: len(layer.weight) // 4].repeat(4, 1, 1, 1))
    return layer


def from_pixels(colours: int, fine: int, width: int) -> nn.Sequential:
    """Backwards, and from pixels at once to the grid of half their size: colours are few."""
    return nn.Sequential(
        Coarser(),
        Spatial(4 * colours, fine, 3, 1.0, activated=True),
        Spatial(fine, fine, 3, RELU_GAIN, activated=True),
        Coarser(),
        Spatial(4 * fine, width, 1, RELU_GAIN),
    )


def bounded(x: Tensor) -> Tensor:
    """Clamp to [-1, 1]. What lies outside is still led back inside, but goes outwards more easily.

    A tanh's gradient fades on both ways: a network that once makes black frames, as one learns to
    in a few steps where most pixels are black, never makes anything else. So the gradients that
    would bring a pixel back are kept, `RECALL` of them; and those that lead outwards as far as
    `MARGIN`. Without the latter, and as soon as both weigh the same, black stays right at the bound
    and noise of the weights shows in it as faint dots.
    """
    clamped: Tensor = _Bounded.apply(x)  # type: ignore[no-untyped-call]
    return clamped


class _Bounded(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.clamp(-1, 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        away = x.abs()
        # Descent follows the negative gradient: inwards where that has the sign of x.
        outside = torch.where(gradient * x > 0, RECALL, (away <= 1 + MARGIN).to(x.dtype))
        kept: Tensor = gradient * torch.where(away <= 1, 1, outside)
        return kept
