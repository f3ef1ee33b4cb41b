"""Denoising of five frames in two stages, after Tassano et al. 2020.

"FastDVDnet: Towards Real-Time Deep Video Denoising Without Flow Estimation", section 3: a first
U-Net makes of each three neighbouring frames the one in the middle, a second one does the same with
three of its results. Nothing is aligned; motion is left to the convolutions. The first U-Net's
weights are the same for all triples, so each triple is computed once.

Differs from the paper, which has width 32 and frame_width 30, and always a map of the noise level:
one channel with the frames for every number of a vector in the condition, none without a vector.
"""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, doc
from torch import Tensor, nn

from vidgan_core.errors import ShapeError
from vidgan_core.interfaces import DataSpec, Fake, Tensors
from vidgan_restoration.given import RestorationGenerator, cropped, padded

STAGES = 2
STEP = 4  # two halvings: the U-Net's grid

# Of one U-Net, backwards from a pixel x = 4 n + i. Two convolutions lead to x - 2. Those below a
# pixel shuffle have places of two pixels: three more lead to floor((x - 2) / 2) - 3. Likewise on
# the quarter, with the two convolutions on the way down: n - 7. A convolution of stride 2 leads
# from place p to 2 p - 1, the two before it to 2 p - 3: to 2 n - 17 on the half, and to 4 n - 37.
# That is farthest for i = 3: 40 pixels; to the right there are at most 37, from i = 0. The second
# stage's farthest pixel has i = 3 again.
REACH = 40


class FastDVDGenerator(RestorationGenerator):
    """Clip (B, C, T, H, W) -> video of the same shape.

    A frame depends on two frames, and a pixel on 80 pixels, on either side. At the ends of a clip
    the frames before the first and behind the last are reflected.
    """

    frames_reach = STAGES
    pixels_reach = STAGES * REACH
    pixels_step = STEP

    def __init__(
        self,
        spec: DataSpec,
        *,
        width: Annotated[
            int, Ge(1), doc("channels at full size, doubled at each halving; 32 in the paper")
        ] = 16,
        frame_width: Annotated[
            int, Ge(1), doc("channels of each frame by itself, at first; 30 in the paper")
        ] = 8,
    ) -> None:
        super().__init__(spec)
        if self.given.scale != 1:
            raise ShapeError(
                f"can't enlarge: {self.given.name!r} must be as large as the video, 1 time, and "
                f"not 1/{self.given.scale} of it (generator 'recurrent' enlarges)"
            )
        self.first, self.second = (
            UNet(spec.channels, self.given.levels, width, frame_width) for _ in range(STAGES)
        )

    def forward(self, noise: Tensors, condition: Tensors, *, frames: int | None = None) -> Fake:
        """Make the video of the condition's clip, of its length."""
        clip = self.given.frames(condition)
        whole = padded(clip, STEP)
        levels = self.given.level_maps(condition, whole)
        video = reflected(whole, STAGES)
        for stage in (self.first, self.second):
            video = in_triples(stage, video, levels)
        return self.fake(cropped(video, clip, 1))


class UNet(nn.Module):
    """Three frames (N, 3, C, H, W) and levels (N, L, H, W) -> the one in the middle (N, C, H, W).

    Table 1 of the paper's supplement, as in the authors' code. What is computed is what to take
    off, at first nothing.
    """

    def __init__(self, channels: int, levels: int, width: int, frame_width: int) -> None:
        super().__init__()
        self.enter = nn.Sequential(
            *layer(3 * (channels + levels), 3 * frame_width, groups=3),
            *layer(3 * frame_width, width),
        )
        self.down = nn.Sequential(*layer(width, 2 * width, stride=2), *twice(2 * width))
        self.further_down = nn.Sequential(*layer(2 * width, 4 * width, stride=2), *twice(4 * width))
        self.up = nn.Sequential(*twice(4 * width), *doubled(4 * width, 2 * width))
        self.further_up = nn.Sequential(*twice(2 * width), *doubled(2 * width, width))
        last = nn.Conv2d(width, channels, 3, padding=1, bias=False)
        nn.init.zeros_(last.weight)
        self.leave = nn.Sequential(*layer(width, width), last)

    def forward(self, frames: Tensor, levels: Tensor) -> Tensor:
        """Compute the frame in the middle."""
        each = levels[:, None].expand(-1, 3, -1, -1, -1)
        full = self.enter(torch.cat([frames, each], dim=2).flatten(1, 2))
        half = self.down(full)
        quarter = self.further_down(half)
        half = half + self.up(quarter)
        change: Tensor = self.leave(full + self.further_up(half))
        return frames[:, 1] - change


def layer(channels: int, width: int, *, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """A 3x3 convolution, BatchNorm, ReLU."""
    convolution = nn.Conv2d(channels, width, 3, stride, padding=1, groups=groups, bias=False)
    nn.init.kaiming_normal_(convolution.weight)
    return [convolution, nn.BatchNorm2d(width), nn.ReLU(inplace=True)]


def twice(width: int) -> list[nn.Module]:
    """Two layers of as many channels."""
    return [*layer(width, width), *layer(width, width)]


def doubled(channels: int, width: int) -> list[nn.Module]:
    """Twice the height and width, by sub-pixel convolution."""
    return [nn.Conv2d(channels, 4 * width, 3, padding=1, bias=False), nn.PixelShuffle(2)]


def in_triples(stage: nn.Module, frames: Tensor, levels: Tensor) -> Tensor:
    """(B, T + 2, C, H, W) -> (B, T, C, H, W): each three neighbours make the one in the middle."""
    times = frames.shape[1] - 2
    triples = torch.stack([frames[:, n : n + times] for n in range(3)], dim=2)
    maps = levels[:, None].expand(-1, times, -1, -1, -1)
    made: Tensor = stage(triples.flatten(0, 1), maps.flatten(0, 1))
    return made.view(-1, times, *made.shape[1:])


def reflected(frames: Tensor, margin: int) -> Tensor:
    """Add frames to both ends of (B, T, ...), in reverse: 2 1 | 0 1 2 ... for a margin of 2.

    A clip that is shorter than the margin is reflected again and again.
    """
    length = frames.shape[1]
    times = torch.arange(-margin, length + margin, device=frames.device)
    period = max(1, 2 * (length - 1))
    times = times % period
    return frames[:, torch.minimum(times, period - times) if length > 1 else times]
