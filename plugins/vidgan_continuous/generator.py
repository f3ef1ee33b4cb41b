"""A generator of frames at any time, after StyleGAN-V: Skorokhodov, Tulyakov & Elhoseiny 2022.

"StyleGAN-V: A Continuous Video Generator with the Price, Image Quality and Perks of StyleGAN2",
section 3.1: StyleGAN2's image generator without its noise, in which a motion code of the frame's
time is concatenated to the learned constant. A frame is rendered without the ones before it, so
a few frames of a clip are enough to train on, and any length and frame rate can be made.

Differs from the paper: width 16, noise and motion 128 by default (64 at 256x256, 512 and 512
there); weights start at their scale, where StyleGAN2 scales them at run time; tanh at the end;
bilinear interpolation; a clip begins at a random point between two knots; no style mixing and no
path length regularizer in training.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated

import torch
from annotated_types import Ge, MultipleOf, doc
from torch import Tensor, nn
from torch.nn.functional import interpolate

from vidgan_continuous.layers import StyledConv, activated, plan, started
from vidgan_continuous.motion import Motion
from vidgan_core.errors import ShapeError
from vidgan_core.interfaces import DataSpec, Fake, Generator, Tensors
from vidgan_core.nn.conditioning import ClassEmbedding

Width = Annotated[int, Ge(1), doc("channels next to the pixels; the paper's is 64 for 256x256")]


class Stage(nn.Module):
    """A styled convolution that leads to the grid, `more` on it, and one to the picture."""

    def __init__(
        self,
        inner: int,
        outer: int,
        channels: int,
        style: int,
        grid: tuple[int, int],
        *,
        more: bool,
    ) -> None:
        super().__init__()
        self.grid = grid
        self.first = StyledConv(inner, outer, style)
        self.second = StyledConv(outer, outer, style) if more else None
        self.picture = StyledConv(outer, channels, style, 1, demodulated=False)

    def forward(self, x: Tensor, image: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """Features (R, inner, h, w), picture (R, C, h, w) -> (R, outer, *grid), (R, C, *grid)."""
        x = activated(larger(self.first(x, style), self.grid))
        if self.second is not None:
            x = activated(self.second(x, style))
        return x, larger(image, self.grid) + self.picture(x, style)


class ContinuousGenerator(Generator):
    """Content z -> w by a mapping network; motion codes of each frame's time; styled stages.

    The noise holds z twice, as "coarse", the style of the smaller half of the grids, and "fine",
    that of the larger half: holding one of them and not the other mixes styles. "motion" is the
    noise at the knots, and "start" where the clip begins between the first two of them.
    """

    takes = frozenset({"class", "time", "tokens"})

    def __init__(
        self,
        spec: DataSpec,
        *,
        width: Width = 16,
        noise_size: Annotated[int, Ge(1), doc("length of z and w; the paper's is 512")] = 128,
        motion: Annotated[
            int, Ge(2), MultipleOf(2), doc("length of a motion code; the paper's is 512")
        ] = 128,
        distance: Annotated[int, Ge(1), doc("frames between two motion codes")] = 16,
    ) -> None:
        super().__init__(spec)
        channels, grids = plan(spec, width)
        self.noise_size, self.motion_size, self.distance = noise_size, motion, distance
        self.content_label = ClassEmbedding(spec, noise_size)
        self.motion_label = ClassEmbedding(spec, motion)
        self.mapping = nn.ModuleList(
            started(nn.Linear(inner, noise_size))
            for inner in (noise_size + self.content_label.size, noise_size)
        )
        self.motion = Motion(motion + self.motion_label.size, motion, distance)
        self.constant = nn.Parameter(torch.randn(channels[0], *grids[0]))
        widths = [channels[0] + motion, *channels]
        self.stages = nn.ModuleList(
            Stage(inner, outer, spec.channels, noise_size, grid, more=grid != grids[0])
            for (inner, outer), grid in zip(pairwise(widths), grids, strict=True)
        )

    def noise(self, n: int, rng: torch.Generator, *, frames: int | None = None) -> Tensors:
        """Draw coarse and fine (n, noise_size), motion (n, knots, motion) and start (n, 1).

        All are standard normal but the start, uniform in [0, 1) of the way between two knots.
        """
        length = self.spec.frames if frames is None else frames
        if length < 1:
            raise ShapeError(f"can't make {length} frames")
        z = torch.randn(n, self.noise_size, generator=rng)
        knots = Motion.knots(length, self.distance)
        return {
            "coarse": z,
            "fine": z.clone(),
            "motion": torch.randn(n, knots, self.motion_size, generator=rng),
            "start": torch.rand(n, 1, generator=rng),
        }

    def forward(self, noise: Tensors, condition: Tensors, *, frames: int | None = None) -> Fake:
        """Make the video (n, C, T, H, W), at the times of the condition if it says any.

        "time" (n, T) counts frames from the clip's beginning, whole or not; without it they are
        0, 1, 2, ... as many as `frames`.
        """
        time = self._time(noise, condition, frames)
        n, length = time.shape
        motion = self._motion(noise, condition, time)  # (n*T, motion, h, w)
        half = (len(self.stages) + 1) // 2
        styles = [
            self._style(noise[name], condition).repeat_interleave(length, dim=0)
            for name in ("coarse", "fine")
        ]
        x = torch.cat([self.constant.expand(n * length, -1, -1, -1), motion], dim=1)
        images = x.new_zeros(len(x), self.spec.channels, *x.shape[2:])
        for number, stage in enumerate(self.stages):
            x, images = stage(x, images, styles[number >= half])
        # (n*T, C, H, W) -> (n, T, C, H, W) -> (n, C, T, H, W)
        return Fake(torch.tanh(images).view(n, length, *images.shape[1:]).transpose(1, 2))

    def windows(
        self, noise: Tensors, condition: Tensors, *, size: int, frames: int | None = None
    ) -> Iterator[Tensor]:
        """Yield the video in windows of time: no frame needs the ones before it."""
        for time in torch.split(self._time(noise, condition, frames), size, dim=1):
            yield self(noise, {**condition, "time": time}).video

    def _time(self, noise: Tensors, condition: Tensors, frames: int | None) -> Tensor:
        if "time" in condition:
            time: Tensor = condition["time"].to(noise["start"])
            return time
        length = self.spec.frames if frames is None else frames
        return torch.arange(length).to(noise["start"]).expand(len(noise["start"]), -1)

    def _style(self, z: Tensor, condition: Tensors) -> Tensor:
        """w (n, noise_size) of z, which is brought to the sphere first."""
        z = z * (z.square().mean(1, keepdim=True) + 1e-8).rsqrt()
        w: Tensor = self.content_label(z, condition)
        for layer in self.mapping:
            w = activated(layer(w))
        return w

    def _motion(self, noise: Tensors, condition: Tensors, time: Tensor) -> Tensor:
        """Motion codes at `time` (n, T), the same at all places of a frame: (n*T, motion, h, w)."""
        knots = noise["motion"].shape[:2]
        codes = self.motion_label(noise["motion"].flatten(0, 1), condition).unflatten(0, knots)
        motion: Tensor = self.motion(codes, time + self.distance * noise["start"])
        return motion.flatten(0, 1)[:, :, None, None].expand(-1, -1, *self.constant.shape[1:])


def larger(x: Tensor, grid: tuple[int, int]) -> Tensor:
    """Interpolate linearly to a grid, which is StyleGAN2's filter [1, 3, 3, 1] for a doubling."""
    if x.shape[2:] == grid:
        return x
    return interpolate(x, grid, mode="bilinear", align_corners=False)
