"""Between grids and pixels: a grid of half the frame's size, and what keeps pixels in range.

Two steps of a pixel shuffle each with a convolution between them: patches of 4x4 pixels made at
once fit one another badly, and a thing that moves by a pixel would be another pattern of channels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from vidgan_modern.blocks import RELU_GAIN, Spatial

MARGIN = 1.0  # beyond the bounds of a pixel, which are 2 apart


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


def to_fine(width: int, fine: int) -> nn.Sequential:
    """From the blocks' largest grid to one of twice its size, with `fine` channels."""
    return nn.Sequential(
        Spatial(width, 4 * fine, 1, RELU_GAIN, activated=True),
        Finer(),
        Spatial(fine, fine, 3, RELU_GAIN, activated=True),
    )


def to_pixels(fine: int, colours: int, contrast: float) -> nn.Sequential:
    """From there to the frames, which are twice as large again."""
    return nn.Sequential(Spatial(fine, 4 * colours, 3, contrast), Finer())


def from_pixels(colours: int, fine: int, width: int) -> nn.Sequential:
    """The mirror image of `to_fine` and `to_pixels`."""
    return nn.Sequential(
        Coarser(),
        Spatial(4 * colours, fine, 3, 1.0, activated=True),
        Spatial(fine, fine, 3, RELU_GAIN, activated=True),
        Coarser(),
        Spatial(4 * fine, width, 1, RELU_GAIN),
    )


def bounded(x: Tensor) -> Tensor:
    """Clamp to [-1, 1]. What lies far outside has those gradients alone that would bring it back.

    A tanh's gradient fades on both ways: a network that once makes black frames, as one learns to
    in a few steps where most pixels are black, never makes anything else. What lies less than
    `MARGIN` outside has all its gradients: without those that lead outwards black would stay
    right at the bound, and noise of the weights would show in it as faint dots.
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
        # Descent follows the negative gradient: inwards where that has the sign of x.
        kept: Tensor = gradient * ((x.abs() <= 1 + MARGIN) | (gradient * x > 0))
        return kept
