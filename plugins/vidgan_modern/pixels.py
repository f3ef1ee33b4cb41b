"""Between the blocks' grids and pixels: finer grids, colours, and what keeps pixels in range.

The generator interpolates twice, with convolutions between and after: patches of 4x4 pixels made at
once fit one another badly, and a thing that moves by a pixel would be another pattern of channels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from vidgan_modern.blocks import RELU_GAIN, Spatial

MARGIN = 2.0  # beyond the bounds of a pixel, which are 2 apart
RECALL = 0.2  # of a gradient that leads back inside
CONTRAST = 0.3  # of an untrained generator's pixels, so that few of them are clamped


class Finer(nn.Module):
    """Twice the height and width, interpolated within each frame."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, H, W) -> (B, C, T, 2*H, 2*W)."""
        clips, frames = x.shape[0], x.shape[2]
        # (B, C, T, H, W) -> (B*T, C, H, W) -> (B*T, C, 2*H, 2*W)
        maps = interpolate(x.transpose(1, 2).flatten(0, 1), scale_factor=2.0, mode="bilinear")
        # -> (B, T, C, 2*H, 2*W) -> (B, C, T, 2*H, 2*W)
        return maps.reshape(clips, frames, *maps.shape[1:]).transpose(1, 2)


class Coarser(nn.Module):
    """Half the height and width: each place takes over the channels of the four it stands for.

    A pixel shuffle (Shi et al. 2016) backwards, of a clip, and channels-last before and after.
    """

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, T, 2*H, 2*W) -> (B, 4*C, T, H, W)."""
        clips, channels, frames, height, width = x.shape
        outer = x.permute(0, 2, 3, 4, 1)  # (B, T, 2*H, 2*W, C)
        places = outer.reshape(clips, frames, height // 2, 2, width // 2, 2, channels)
        parts = places.transpose(3, 4)  # (B, T, H, W, 2, 2, C)
        return parts.reshape(clips, frames, height // 2, width // 2, -1).permute(0, 4, 1, 2, 3)


class Palette(nn.Module):
    """Paint with maps: a pixel is the sum of their colours, which the noise draws, on a ground.

    A clip's colours are the same in all its places and frames. Were they for the convolutions to
    make, a thing of one colour would need as many maps that agree everywhere as pixels have
    channels; here one map and its colour are such a thing. The masks of Vondrick et al. 2016,
    "Generating Videos with Scene Dynamics", do so for a whole picture.
    """

    def __init__(self, noise_size: int, maps: int, channels: int) -> None:
        super().__init__()
        self.colours = nn.Linear(noise_size, maps * channels)
        # N(0, 1) to begin with, and half of that variance by the noise.
        nn.init.normal_(self.colours.weight, 0.0, (2 * noise_size) ** -0.5)
        nn.init.normal_(self.colours.bias, 0.0, 0.5**0.5)
        self.ground = nn.Parameter(torch.zeros(channels))

    def forward(self, maps: Tensor, z: Tensor) -> Tensor:
        """Paint maps (B, maps, T, H, W) by noise (B, noise_size): (B, channels, T, H, W)."""
        colours = self.colours(z).reshape(*maps.shape[:2], -1)  # (B, maps, channels)
        places = maps.flatten(2).transpose(1, 2)  # (B, T*H*W, maps), a view if channels are last
        pixels = torch.baddbmm(self.ground, places, colours).transpose(1, 2)
        return pixels.reshape(len(maps), -1, *maps.shape[2:])


def to_maps(width: int, fine: int, maps: int) -> nn.Sequential:
    """From the blocks' largest grid by way of `fine` channels on twice it to `maps` a pixel.

    No pixel shuffle here: its four places side by side would each learn their own look of a thing
    that is the same all over.
    """
    return nn.Sequential(
        Spatial(width, fine, 1, RELU_GAIN, activated=True),
        Finer(),
        Spatial(fine, fine, 3, RELU_GAIN, activated=True),
        Spatial(fine, fine // 2, 3, RELU_GAIN, activated=True),
        Finer(),
        Spatial(fine // 2, maps, 3, CONTRAST / maps**0.5),
    )


def from_pixels(colours: int, fine: int, width: int) -> nn.Sequential:
    """From pixels, whose colours are few, at once to the grid of half their size."""
    return nn.Sequential(
        Coarser(),
        Spatial(4 * colours, fine, 3, 1.0, activated=True),
        Spatial(fine, fine, 3, RELU_GAIN, activated=True),
        Coarser(),
        Spatial(4 * fine, width, 1, RELU_GAIN),
    )


def bounded(x: Tensor) -> Tensor:
    """Clamp to [-1, 1]. What lies outside is still led back inside, but goes outwards more easily.

    A tanh's gradient fades on both sides: a network that once makes black frames, as one learns to
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
