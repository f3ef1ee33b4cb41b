"""The one-stream 3D-convolutional pair of Vondrick et al. 2016.

"Generating Videos with Scene Dynamics", section 3.1: "Spatio-temporal convolutional network".
The paper makes 32 frames of 64x64 from a 2x4x4 block by four 4x4x4 transposed convolutions of
stride 2. Other clips start from another block; the four doublings of height and width stay, and
as many of time as the number of frames allows, the last layers first.

Differs from the paper: width 32 by default (64 there), other sizes of clips, one score in place of
a softmax over two, and an optional class (embedding and projection).
"""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import torch
from annotated_types import Ge, doc
from torch import Tensor, nn

from vidgan_core.errors import ShapeError
from vidgan_core.interfaces import DataSpec, Discriminator, Fake, Generator, Tensors, Verdict
from vidgan_core.nn.conditioning import ClassEmbedding, Projection

DOUBLINGS = 4
Width = Annotated[int, Ge(1), doc("channels next to the pixels, doubled at each layer inwards")]
NoiseSize = Annotated[int, Ge(1), doc("length of the noise vector z")]
Triple = tuple[int, int, int]
# Kernel, stride and padding of a layer that halves (or doubles) time and space, or space alone.
SPACE_TIME: tuple[Triple, Triple, Triple] = ((4, 4, 4), (2, 2, 2), (1, 1, 1))
SPACE: tuple[Triple, Triple, Triple] = ((3, 4, 4), (1, 2, 2), (1, 1, 1))


def plan(spec: DataSpec) -> tuple[Triple, int]:
    """Return the innermost block (t, h, w) and how many layers change the length.

    Raises ShapeError for a clip that four doublings can't reach.
    """
    shrink = 2**DOUBLINGS
    if spec.frames % 4 or spec.height % shrink or spec.width % shrink:
        raise ShapeError(
            f"can't do {spec}: the number of frames must be a multiple of 4 (such as 8, 16, 32), "
            f"height and width multiples of {shrink} (such as 32, 64, 96, 128)"
        )
    in_time = max(n for n in range(DOUBLINGS + 1) if spec.frames % 2**n == 0)
    return (spec.frames >> in_time, spec.height // shrink, spec.width // shrink), in_time


def stream(spec: DataSpec, noise_size: int, width: int) -> tuple[list[nn.Module], nn.Module]:
    """Return the layers from z to `width` channels, and the last one, to the pixels."""
    block, in_time = plan(spec)
    shapes = [SPACE] * (DOUBLINGS - in_time) + [SPACE_TIME] * in_time
    channels = [8 * width, 4 * width, 2 * width, width]
    layers: list[nn.Module] = [
        nn.ConvTranspose3d(noise_size, channels[0], block, bias=False),
        nn.BatchNorm3d(channels[0]),
        nn.ReLU(inplace=True),
    ]
    for (inner, outer), shape in zip(pairwise(channels), shapes, strict=False):
        layers += [
            nn.ConvTranspose3d(inner, outer, *shape, bias=False),
            nn.BatchNorm3d(outer),
            nn.ReLU(inplace=True),
        ]
    return layers, nn.ConvTranspose3d(width, spec.channels, *shapes[-1])


class Conv3dGenerator(Generator):
    """z -> block of 8*width channels -> 4*width -> 2*width -> width -> C, ReLU up to tanh.

    A class is a vector as long as z, concatenated to it.
    """

    takes = frozenset({"class", "tokens"})

    def __init__(self, spec: DataSpec, *, width: Width = 32, noise_size: NoiseSize = 100) -> None:
        super().__init__(spec)
        self.noise_size = noise_size
        self.label = ClassEmbedding(spec, noise_size)
        layers, to_pixels = stream(spec, noise_size + self.label.size, width)
        self.layers = nn.Sequential(*layers, to_pixels, nn.Tanh())
        self.apply(initialise)

    def noise(self, n: int, rng: torch.Generator, *, frames: int | None = None) -> Tensors:
        """Draw z (n, noise_size), standard normal."""
        self.fixed_frames(frames)
        return {"z": torch.randn(n, self.noise_size, generator=rng)}

    def forward(self, noise: Tensors, condition: Tensors, *, frames: int | None = None) -> Fake:
        """Make the video (n, C, T, H, W)."""
        z = self.label(noise["z"], condition)
        # (n, F) -> (n, F, 1, 1, 1) -> (n, C, T, H, W)
        return Fake(self.layers(z[:, :, None, None, None]))


class Conv3dDiscriminator(Discriminator):
    """C -> width -> 2*width -> 4*width -> 8*width -> one score (B, 1, 1, 1, 1); LeakyReLU 0.2.

    BatchNorm's epsilon is the authors' code's; their two outputs for a softmax are one score here.
    """

    takes = frozenset({"class", "tokens"})
    gives = frozenset({"features"})

    def __init__(self, spec: DataSpec, *, width: Width = 32) -> None:
        super().__init__(spec)
        block, in_time = plan(spec)
        shapes = [SPACE_TIME] * in_time + [SPACE] * (DOUBLINGS - in_time)
        layers: list[nn.Module] = [
            nn.Conv3d(spec.channels, width, *shapes[0]),
            nn.LeakyReLU(0.2, inplace=True),
        ]
        channels = [width, 2 * width, 4 * width, 8 * width]
        for (outer, inner), shape in zip(pairwise(channels), shapes[1:], strict=True):
            layers += [
                nn.Conv3d(outer, inner, *shape, bias=False),
                nn.BatchNorm3d(inner, eps=1e-3),
                nn.LeakyReLU(0.2, inplace=True),
            ]
        self.layers = nn.Sequential(*layers, nn.Conv3d(channels[-1], 1, block))
        self.projection = Projection(spec, channels[-1])
        self.apply(initialise)

    def forward(self, video: Tensor, condition: Tensors) -> Verdict:
        """Score each clip."""
        phi = self.layers[:-1](video)  # (B, 8*width, t, h, w)
        return Verdict((self.projection(self.layers[-1](phi), phi, condition),), (phi,))


def initialise(module: nn.Module) -> None:
    """Draw weights as the paper's code does: convolutions N(0, 0.01), BatchNorm's N(1, 0.02)."""
    if isinstance(module, nn.Conv3d | nn.ConvTranspose3d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.01)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm3d | nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
