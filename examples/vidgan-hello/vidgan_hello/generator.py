"""A generator: maps noise to a video."""

from __future__ import annotations

import math
from typing import Annotated

import torch
from annotated_types import Ge, doc
from torch import nn

from vidgan_core.errors import ShapeError
from vidgan_core.interfaces import DataSpec, Fake, Generator, Tensors

DOUBLINGS = 3


class HelloGenerator(Generator):
    """z -> a block of 4*width channels -> 2*width -> width -> C, ReLU between, tanh at the end.

    Options are the keyword-only parameters: annotation, bounds, meaning and default are all that
    vidgan needs to validate and to explain them.
    """

    def __init__(
        self,
        spec: DataSpec,
        *,
        width: Annotated[int, Ge(1), doc("channels next to the pixels")] = 16,
        noise_size: Annotated[int, Ge(1), doc("length of the noise vector z")] = 64,
    ) -> None:
        super().__init__(spec)
        shrink = 2**DOUBLINGS
        if spec.height % shrink or spec.width % shrink:
            raise ShapeError(
                f"can't make {spec}: height and width must be multiples of {shrink} "
                "(such as 32, 64); any number of frames will do"
            )
        self.noise_size = noise_size
        block = (4 * width, spec.frames, spec.height // shrink, spec.width // shrink)
        self.layers = nn.Sequential(
            nn.Linear(noise_size, math.prod(block)),
            nn.Unflatten(1, block),
            nn.ReLU(),
            *doubled(4 * width, 2 * width),
            *doubled(2 * width, width),
            nn.ConvTranspose3d(width, spec.channels, (3, 4, 4), (1, 2, 2), 1),
            nn.Tanh(),
        )

    def noise(self, n: int, rng: torch.Generator, *, frames: int | None = None) -> Tensors:
        """Draw z (n, noise_size), standard normal."""
        self.fixed_frames(frames)
        return {"z": torch.randn(n, self.noise_size, generator=rng)}

    def forward(self, noise: Tensors, condition: Tensors, *, frames: int | None = None) -> Fake:
        """Make the video (n, C, T, H, W)."""
        return Fake(self.layers(noise["z"]))


def doubled(inner: int, outer: int) -> list[nn.Module]:
    """Double height and width; the number of frames stays."""
    return [nn.ConvTranspose3d(inner, outer, (3, 4, 4), (1, 2, 2), 1), nn.ReLU()]
