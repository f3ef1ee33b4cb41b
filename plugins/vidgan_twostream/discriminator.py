"""The two discriminators of MoCoGAN, Tulyakov et al. 2018, section 3.1, as one with two critics.

The layers are those of the published code: a patch discriminator of single frames (D_I) and a 3D
one of clips (D_V).

Differs from the published code: its optional layers of noise are left out; clips of fewer than 16
frames pass through layers that keep the length.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import torch
from annotated_types import Ge, doc
from torch import Tensor, nn

from vidgan_core.errors import ShapeError
from vidgan_core.interfaces import DataSpec, Discriminator, Tensors, Verdict
from vidgan_core.nn.conditioning import Projection
from vidgan_twostream.generator import Width

SMALLEST = 16  # pixels: four halvings leave one


class TwoStreamDiscriminator(Discriminator):
    """Scores (B*k, 1, h, w) of k frames a clip, in patches, and (B, 1, t, h, w) of the clip."""

    takes = frozenset({"class", "tokens"})
    gives = frozenset({"features"})

    def __init__(
        self,
        spec: DataSpec,
        *,
        width: Width = 64,
        frames_a_clip: Annotated[int, Ge(1), doc("frames that the spatial critic sees")] = 1,
    ) -> None:
        super().__init__(spec)
        if min(spec.height, spec.width) < SMALLEST:
            raise ShapeError(
                f"can't read {spec}: height and width must be at least {SMALLEST}; "
                "any number of frames will do"
            )
        if frames_a_clip > spec.frames:
            raise ShapeError(f"can't look at {frames_a_clip} frames of {spec}")
        self.frames_a_clip = frames_a_clip
        self.spatial = spatial_critic(spec, width)
        self.temporal = temporal_critic(spec, width)
        self.of_frames = Projection(spec, 4 * width)
        self.of_clips = Projection(spec, 8 * width)

    def forward(self, video: Tensor, condition: Tensors) -> Verdict:
        """Score frames and clip. In training the frames are drawn, else evenly spaced."""
        frames = self.spatial[:-1](self._frames(video))  # (B*k, 4*width, h, w)
        clips = self.temporal[:-1](video)  # (B, 8*width, t, h, w)
        scores = (
            self.of_frames(self.spatial[-1](frames), frames, condition),
            self.of_clips(self.temporal[-1](clips), clips, condition),
        )
        return Verdict(scores, (frames, clips))

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


def spatial_critic(spec: DataSpec, width: int) -> nn.Sequential:
    """D_I: three 4x4 convolutions of stride 2 and a fourth to scores, each seeing a patch."""
    layers: list[nn.Module] = [
        nn.Conv2d(spec.channels, width, 4, 2, 1, bias=False),
        nn.LeakyReLU(0.2, inplace=True),
    ]
    for outer, inner in pairwise([width, 2 * width, 4 * width]):
        layers += [
            nn.Conv2d(outer, inner, 4, 2, 1, bias=False),
            nn.BatchNorm2d(inner),
            nn.LeakyReLU(0.2, inplace=True),
        ]
    return nn.Sequential(*layers, nn.Conv2d(4 * width, 1, 4, 2, 1, bias=False))


def temporal_critic(spec: DataSpec, width: int) -> nn.Sequential:
    """D_V: four convolutions of stride (1, 2, 2) and a fifth to scores.

    The published layers have kernel 4 in time without padding, which takes 16 frames to 4. A
    layer that would leave fewer than 4 keeps the length instead, with kernel 3 and padding 1.
    """
    frames = spec.frames
    layers: list[nn.Module] = []
    for outer, inner in pairwise([spec.channels, width, 2 * width, 4 * width, 8 * width]):
        kernel, padding = (4, 0) if frames - 3 >= 4 else (3, 1)
        frames += 2 * padding - kernel + 1
        layers.append(
            nn.Conv3d(outer, inner, (kernel, 4, 4), (1, 2, 2), (padding, 1, 1), bias=False)
        )
        if outer != spec.channels:
            layers.append(nn.BatchNorm3d(inner))
        layers.append(nn.LeakyReLU(0.2, inplace=True))
    last = (min(4, frames), min(4, spec.height // 16), min(4, spec.width // 16))
    return nn.Sequential(*layers, nn.Conv3d(8 * width, 1, last, bias=False))
