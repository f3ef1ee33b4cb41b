"""The two discriminators of DVD-GAN as one with two critics: Clark, Donahue & Simonyan 2019.

Section 3.1 and appendix A.2: D_S judges the content of k single frames at their full size, D_T
the motion of the whole clip at half its height and width. The rest is BigGAN's discriminator
(Brock et al. 2019): residual blocks, self-attention after the first of them on frames, a sum over
all places, and a projection of the class.

Differs from the paper: width 8 by default (128 there); pooling in time only where the length is
even.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import torch
from annotated_types import Ge, doc
from torch import Tensor, nn
from torch.nn.functional import avg_pool3d, relu

from vidgan_core.interfaces import DataSpec, Discriminator, Tensors, Verdict
from vidgan_core.nn.conditioning import Projection
from vidgan_core.nn.spectral_norm import spectral_norm
from vidgan_dvdgan.blocks import DownBlock, SelfAttention, halvings, restrained
from vidgan_dvdgan.generator import Width

# Channels from the pixels inwards as multiples of the width; 64x64 takes the last five.
CHANNELS = (1, 2, 4, 8, 16, 16)
IN_TIME = 2  # blocks of D_T that are three-dimensional


class Score(nn.Module):
    """ReLU, a sum over all places, and a linear score with the class's projection."""

    def __init__(self, spec: DataSpec, features: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, 1)
        self.projection = Projection(spec, features)
        if self.projection.vectors is not None:
            spectral_norm(self.projection.vectors)

    def forward(self, x: Tensor, condition: Tensors) -> tuple[Tensor, Tensor]:
        """(R, features, ...) -> the score (R, 1), and the sum (R, features)."""
        phi = relu(x).flatten(2).sum(2)
        return self.projection(self.linear(phi), phi, condition), phi


def blocks(widths: list[int], in_time: int = 0) -> list[DownBlock]:
    """Return a critic's residual blocks, the first few in time as well; the last keeps the size."""
    last = len(widths) - 2
    return [
        DownBlock(outer, inner, in_time=number < in_time, down=number < last, first=number == 0)
        for number, (outer, inner) in enumerate(pairwise(widths))
    ]


class DVDDiscriminator(Discriminator):
    """Scores (B, 1) of the frames that D_S looks at, added up, and (B, 1) of D_T."""

    takes = frozenset({"class", "tokens"})
    gives = frozenset({"features"})

    def __init__(
        self,
        spec: DataSpec,
        *,
        width: Width = 8,
        frames_a_clip: Annotated[
            int, Ge(1), doc("frames that the spatial critic sees, all of a shorter clip")
        ] = 8,
    ) -> None:
        super().__init__(spec)
        channels = [width * multiple for multiple in CHANNELS[-1 - halvings(spec) :]]
        widths = [spec.channels, *channels]
        self.frames_a_clip = min(frames_a_clip, spec.frames)
        first, *others = blocks(widths)
        self.spatial = nn.Sequential(first, SelfAttention(channels[0]), *others)
        temporal = blocks(widths, in_time=IN_TIME)
        self.temporal = nn.Sequential(*temporal[:IN_TIME])
        self.by_frame = nn.Sequential(*temporal[IN_TIME:])
        self.of_frames, self.of_clips = (Score(spec, channels[-1]) for _ in range(2))
        restrained(self)

    def forward(self, video: Tensor, condition: Tensors) -> Verdict:
        """Score frames and clip. In training the frames are drawn, else evenly spaced."""
        images, of_frames = self.of_frames(self.spatial(self._frames(video)), condition)
        clip = self.temporal(avg_pool3d(video, (1, 2, 2)))  # (B, channels, t, H/8, W/8)
        batch, _, length = clip.shape[:3]
        frames = self.by_frame(clip.transpose(1, 2).flatten(0, 1))  # (B*t, 16*width, h, w)
        whole = frames.unflatten(0, (batch, length)).transpose(1, 2)  # (B, 16*width, t, h, w)
        moving, of_clips = self.of_clips(whole, condition)
        added = images.view(batch, -1).sum(1, keepdim=True)  # (B*k, 1) -> (B, 1)
        return Verdict((added, moving), (of_frames, of_clips))

    def _frames(self, video: Tensor) -> Tensor:
        """Pick frames of every clip: (B, C, T, H, W) -> (B*k, C, H, W)."""
        batch, _, length = video.shape[:3]
        if self.training:
            order = torch.rand(batch, length, device=video.device).argsort(dim=1)
            times = order[:, : self.frames_a_clip]
        else:
            even = torch.arange(self.frames_a_clip, device=video.device) * length
            times = (even // self.frames_a_clip).expand(batch, -1)
        clips = torch.arange(batch, device=video.device)[:, None]
        return video.transpose(1, 2)[clips, times].flatten(0, 1)
