"""The generator of DVD-GAN: Clark, Donahue & Simonyan 2019.

"Adversarial Video Generation on Complex Datasets", section 3.2 and appendix A.2: a block of
features is fed to a convolutional GRU at every frame; residual blocks, frame by frame, double its
size; and so on, until the frames are as large as they should be.

Differs from the paper: width 8 by default (128 there); BatchNorm takes the statistics of each
frame's number by itself; frames other than 64x64 and 128x128 have a plan of channels of their own.
By default both networks learn at one rate, one step each; the paper's are in components.md.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import torch
from annotated_types import Ge, doc
from torch import Tensor, nn
from torch.nn.functional import relu
from torch.nn.utils import parametrize

from vidgan_core.interfaces import DataSpec, Fake, Generator, Tensors
from vidgan_core.nn.conditioning import ClassEmbedding
from vidgan_dvdgan.blocks import ConditionalNorm, ConvGRU, UpBlock, halvings, restrained

# Channels from the innermost block to the pixels, as multiples of the width, by the number of
# doublings: those of 64x64 (four) and 128x128 (five) are the paper's.
CHANNELS = {2: (8, 4, 2), 3: (8, 8, 4, 2), 4: (8, 8, 8, 4, 2), 5: (8, 8, 8, 4, 4, 2)}
Width = Annotated[int, Ge(1), doc("channel multiplier; the paper's is 128 for 64x64")]


class Stage(nn.Module):
    """A GRU over time, a residual block, and another one that doubles the frames."""

    def __init__(self, inner: int, outer: int, frames: int, code: int) -> None:
        super().__init__()
        self.recurrent = ConvGRU(inner)
        self.same = UpBlock(inner, inner, frames, code, up=False)
        self.up = UpBlock(inner, outer, frames, code, up=True)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """(B, T, inner, H, W) -> (B, T, outer, 2H, 2W)."""
        frames = self.recurrent(x).flatten(0, 1)  # (B*T, inner, H, W)
        larger: Tensor = self.up(self.same(frames, code), code).unflatten(0, x.shape[:2])
        return larger


class DVDGenerator(Generator):
    """[z; e(y)] -> a small block, the same at every frame -> stages -> pixels.

    [z; e(y)] is also what sets gain and bias of each BatchNorm.
    """

    takes = frozenset({"class", "tokens"})

    def __init__(
        self,
        spec: DataSpec,
        *,
        width: Width = 8,
        noise_size: Annotated[int, Ge(1), doc("length of the noise vector z")] = 120,
    ) -> None:
        super().__init__(spec)
        doublings = halvings(spec)
        channels = [width * multiple for multiple in CHANNELS[doublings]]
        self.noise_size = noise_size
        self.block = (channels[0], spec.height >> doublings, spec.width >> doublings)
        self.label = ClassEmbedding(spec, noise_size)
        code = noise_size + self.label.size
        self.first = nn.Linear(code, self.block[0] * self.block[1] * self.block[2])
        self.stages = nn.ModuleList(
            Stage(inner, outer, spec.frames, code) for inner, outer in pairwise(channels)
        )
        self.norm = ConditionalNorm(channels[-1], spec.frames, code)
        self.to_pixels = nn.Conv2d(channels[-1], spec.channels, 3, padding=1)
        restrained(self)

    def noise(self, n: int, rng: torch.Generator, *, frames: int | None = None) -> Tensors:
        """Draw z (n, noise_size), standard normal."""
        self.fixed_frames(frames)
        return {"z": torch.randn(n, self.noise_size, generator=rng)}

    def forward(self, noise: Tensors, condition: Tensors, *, frames: int | None = None) -> Fake:
        """Make the video (n, C, T, H, W)."""
        with parametrize.cached():  # the GRUs' weights are normalised once, not for each frame
            code = self.label(noise["z"], condition)
            x = self.first(code).unflatten(1, self.block)
            x = x[:, None].expand(-1, self.spec.frames, -1, -1, -1)  # (n, T, 8*width, h, w)
            for stage in self.stages:
                x = stage(x, code)
            images = self.to_pixels(relu(self.norm(x.flatten(0, 1), code)))  # (n*T, C, H, W)
        # (n*T, C, H, W) -> (n, T, C, H, W) -> (n, C, T, H, W)
        return Fake(images.tanh().unflatten(0, x.shape[:2]).transpose(1, 2))
