"""TGAN, Saito et al. 2017, "Temporal Generative Adversarial Nets with Singular Value Clipping".

Section 3, table 1: a temporal generator G0 turns one latent z0 into a latent z1(t) for every
frame, an image generator G1 turns each pair (z0, z1(t)) into a frame. The paper makes 16 frames
of 64x64; other clips start from another length or block.

Differs from the paper: the discriminator is that of `conv3d`, of width 32 by default (64 there);
the default optimizer is Adam (RMSProp there, and in the recipes).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import torch
from annotated_types import Ge, doc
from torch import Tensor, nn

from vidgan_core.errors import ShapeError
from vidgan_core.interfaces import DataSpec, Fake, Generator, Tensors

DOUBLINGS = 4
Width = Annotated[int, Ge(1), doc("channels next to the pixels, doubled at each layer inwards")]
NoiseSize = Annotated[int, Ge(1), doc("length of z0 and of the latent of a frame")]


class TGANGenerator(Generator):
    """z0 -> z1(t) by 1D transposed convolutions; (z0, z1(t)) -> frame by 2D ones."""

    def __init__(self, spec: DataSpec, *, width: Width = 32, noise_size: NoiseSize = 100) -> None:
        super().__init__(spec)
        shrink = 2**DOUBLINGS
        if spec.frames % 4 or spec.height % shrink or spec.width % shrink:
            raise ShapeError(
                f"can't make {spec}: the number of frames must be a multiple of 4 (such as 8, 16, "
                f"32), height and width multiples of {shrink} (such as 32, 64, 96, 128)"
            )
        self.noise_size = noise_size
        block = (8 * width, spec.height // shrink, spec.width // shrink)
        self.temporal = temporal_generator(spec.frames, noise_size)
        self.slow = to_block(noise_size, block)
        self.fast = to_block(noise_size, block)
        self.images = image_generator(spec.channels, width)
        self.apply(initialise)

    def noise(self, n: int, rng: torch.Generator, *, frames: int | None = None) -> Tensors:
        """Draw z (n, noise_size), uniform in [-1, 1]."""
        self.fixed_frames(frames)
        return {"z": torch.rand(n, self.noise_size, generator=rng) * 2 - 1}

    def between(self, start: Tensors, end: Tensors, share: Tensor) -> Tensors:
        """Go straight: uniform noise fills a cube."""
        return {"z": torch.lerp(start["z"], end["z"], share[:, None].to(start["z"]))}

    def forward(self, noise: Tensors, condition: Tensors, *, frames: int | None = None) -> Fake:
        """Make the video (n, C, T, H, W)."""
        z0 = noise["z"]
        z1 = self.temporal(z0[:, :, None])  # (n, noise_size, 1) -> (n, noise_size, T)
        n, _, length = z1.shape
        slow = self.slow(z0).repeat_interleave(length, dim=0)  # (n*T, 8*width, h, w)
        fast = self.fast(z1.transpose(1, 2).flatten(0, 1))  # (n*T, 8*width, h, w)
        images = self.images(torch.cat([slow, fast], dim=1))  # (n*T, C, H, W)
        # (n*T, C, H, W) -> (n, T, C, H, W) -> (n, C, T, H, W)
        return Fake(images.unflatten(0, (n, length)).transpose(1, 2))


def temporal_generator(frames: int, noise_size: int) -> nn.Sequential:
    """G0: 512 -> 256 -> 128 -> 128 -> noise_size channels, doubling the length where that fits."""
    doublings = max(n for n in range(DOUBLINGS + 1) if frames % 2**n == 0)
    layers: list[nn.Module] = [
        nn.ConvTranspose1d(noise_size, 512, frames >> doublings),
        nn.BatchNorm1d(512),
        nn.ReLU(inplace=True),
    ]
    for number, (inner, outer) in enumerate(pairwise([512, 256, 128, 128, noise_size])):
        kernel, stride = (4, 2) if number >= DOUBLINGS - doublings else (3, 1)
        layers.append(nn.ConvTranspose1d(inner, outer, kernel, stride, 1))
        if number < DOUBLINGS - 1:
            layers += [nn.BatchNorm1d(outer), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Tanh())


def to_block(noise_size: int, block: tuple[int, int, int]) -> nn.Sequential:
    """A latent becomes channels of the innermost block: linear, BatchNorm, ReLU."""
    size = block[0] * block[1] * block[2]
    return nn.Sequential(
        nn.Linear(noise_size, size, bias=False),
        nn.BatchNorm1d(size),
        nn.ReLU(inplace=True),
        nn.Unflatten(1, block),
    )


def image_generator(channels: int, width: int) -> nn.Sequential:
    """G1 after the concatenation: four doublings, then a 3x3 layer to the pixels and tanh."""
    layers: list[nn.Module] = []
    for inner, outer in pairwise([16 * width, 8 * width, 4 * width, 2 * width, width]):
        layers += [
            nn.ConvTranspose2d(inner, outer, 4, 2, 1, bias=False),
            nn.BatchNorm2d(outer),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers, nn.ConvTranspose2d(width, channels, 3, 1, 1), nn.Tanh())


def initialise(module: nn.Module) -> None:
    """Draw weights as the authors' code does: uniform in [-0.01, 0.01]."""
    if isinstance(module, nn.Linear | nn.ConvTranspose1d | nn.ConvTranspose2d):
        nn.init.uniform_(module.weight, -0.01, 0.01)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
