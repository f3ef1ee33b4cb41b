"""A discriminator of a few frames and their times, after StyleGAN-V: Skorokhodov et al. 2022.

Section 3.2: each frame is looked at by itself down to a grid of 16x16; there the features of all
are concatenated, and the rest of StyleGAN2's residual discriminator judges them as one.
The times between the frames, embedded, are projected on the features.

Differs from the paper: StyleGAN2's statistics of the batch are left out, a clip's score is its own;
average pooling in place of its filter.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated

import torch
from annotated_types import Ge, doc
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from vidgan_continuous.generator import Width
from vidgan_continuous.layers import activated, plan, started
from vidgan_core.interfaces import DataSpec, Discriminator, Tensors, Verdict
from vidgan_core.nn.conditioning import Projection

PERIODS = 10  # of the embedding of a time: 2, 4, 8, ... 1024 frames


class Down(nn.Module):
    """StyleGAN2's residual block: two convolutions and half the size, and a pointwise skip."""

    def __init__(self, inner: int, outer: int) -> None:
        super().__init__()
        self.first = started(nn.Conv2d(inner, inner, 3, padding=1))
        self.second = started(nn.Conv2d(inner, outer, 3, padding=1))
        self.skip = started(nn.Conv2d(inner, outer, 1, bias=False))

    def forward(self, x: Tensor) -> Tensor:
        """(R, inner, h, w) -> (R, outer, h/2, w/2)."""
        change = activated(self.second(avg_pool2d(activated(self.first(x)), 2)))
        halved: Tensor = (self.skip(avg_pool2d(x, 2)) + change) * 0.5**0.5
        return halved


class ContinuousDiscriminator(Discriminator):
    """One score (B, 1) of few frames a clip, which it picks itself unless it is told the times.

    A field "time" of its condition says how many frames there are; without one it is the option.
    """

    takes = frozenset({"class", "time", "tokens"})
    gives = frozenset({"features"})

    def __init__(
        self,
        spec: DataSpec,
        *,
        width: Width = 16,
        frames_a_clip: Annotated[
            int, Ge(1), doc("frames that are picked of a whole clip, all of a shorter one")
        ] = 3,
    ) -> None:
        super().__init__(spec)
        channels, grids = plan(spec, width)
        channels, alone = channels[::-1], max(1, len(grids) - 3)  # blocks that see one frame
        times = [field.shape[0] for field in spec.condition if field.kind == "time"]
        self.few = times[0] if times else min(frames_a_clip, spec.frames)
        features = channels[-1]
        narrow = max(1, channels[alone] // 2)  # channels of a frame among the others
        self.from_pixels = started(nn.Conv2d(spec.channels, channels[0], 1))
        self.frame = nn.Sequential(*map(Down, channels[:alone], [*channels[1:alone], narrow]))
        widths = [self.few * narrow, *channels[alone + 1 :]]
        self.clip = nn.Sequential(*(Down(outer, inner) for outer, inner in pairwise(widths)))
        self.mixed = started(nn.Conv2d(features, features, 3, padding=1))
        self.flat = started(nn.Linear(features * grids[0][0] * grids[0][1], features))
        self.score = started(nn.Linear(features, 1))
        self.projection = Projection(spec, features)
        if self.few > 1:
            self.times = nn.ModuleList(
                started(nn.Linear(inner, features))
                for inner in (2 * PERIODS * (self.few - 1), features)
            )

    def forward(self, video: Tensor, condition: Tensors) -> Verdict:
        """Score frames at the times (B, few) of the condition, or picked here from whole clips."""
        time = condition.get("time")
        if time is None:
            time = self._pick(video)
            clips = torch.arange(len(video), device=video.device)[:, None]
            video = video.transpose(1, 2)[clips, time].transpose(1, 2)  # (B, C, few, H, W)
        images = video.transpose(1, 2).flatten(0, 1)  # (B*few, C, H, W)
        x = self.frame(activated(self.from_pixels(images)))  # (B*few, narrow, h, w)
        x = self.clip(x.reshape(len(video), -1, *x.shape[2:]))  # (B, features, h, w)
        phi = activated(self.flat(activated(self.mixed(x)).flatten(1)))  # (B, features)
        score = self.score(phi) + self._match(phi, time.to(phi))
        return Verdict((self.projection(score, phi, condition),), (phi,))

    def _match(self, phi: Tensor, time: Tensor) -> Tensor:
        """Project the times between the frames (Miyato & Koyama 2018): (B, 1)."""
        if self.few == 1:
            return phi.new_zeros(())
        periods = 2.0 ** torch.arange(1, PERIODS + 1, device=phi.device, dtype=phi.dtype)
        angles = 2 * math.pi * time.diff(dim=1)[:, :, None] / periods  # (B, few - 1, PERIODS)
        first, second = self.times
        between = second(activated(first(torch.cat([angles.sin(), angles.cos()], 2).flatten(1))))
        match: Tensor = (phi * between).mean(1, keepdim=True) * phi.shape[1] ** 0.5
        return match

    def _pick(self, video: Tensor) -> Tensor:
        """Return frame numbers (B, few) in order: in training drawn, else evenly spaced."""
        batch, _, length = video.shape[:3]
        if self.training:
            order = torch.rand(batch, length, device=video.device).argsort(dim=1)
            return order[:, : self.few].sort(dim=1).values
        even = torch.arange(self.few, device=video.device) * length
        return (even // self.few).expand(batch, -1)
