"""The fully connected pair of Goodfellow et al. 2014, "Generative Adversarial Nets".

Layer for layer the widely used reference implementation for images, on the pixels of a clip.

Differs from the paper: ReLU and tanh in place of rectifiers and sigmoids; LeakyReLU in place of
maxout with dropout; a whole clip is one vector.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Annotated

import torch
from annotated_types import Ge, doc
from torch import Tensor, nn

from vidgan_core.interfaces import DataSpec, Discriminator, Fake, Generator, Tensors, Verdict


class MLPGenerator(Generator):
    """z -> 256 -> 512 -> 1024 -> C*T*H*W with ReLU between and tanh at the end."""

    def __init__(
        self,
        spec: DataSpec,
        *,
        noise_size: Annotated[int, Ge(1), doc("length of the noise vector z")] = 100,
    ) -> None:
        super().__init__(spec)
        self.noise_size = noise_size
        sizes = (noise_size, 256, 512, 1024)
        layers: list[nn.Module] = []
        for size, following in pairwise(sizes):
            layers += [nn.Linear(size, following), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, nn.Linear(1024, math.prod(spec.shape)), nn.Tanh())

    def noise(self, n: int, rng: torch.Generator, *, frames: int | None = None) -> Tensors:
        """Draw z (n, noise_size), standard normal."""
        self.fixed_frames(frames)
        return {"z": torch.randn(n, self.noise_size, generator=rng)}

    def forward(self, noise: Tensors, condition: Tensors, *, frames: int | None = None) -> Fake:
        """Make the video (n, C, T, H, W)."""
        return Fake(self.layers(noise["z"]).unflatten(1, self.spec.shape))


class MLPDiscriminator(Discriminator):
    """C*T*H*W -> 512 -> 256 -> 1 with LeakyReLU 0.2; one score (B, 1) a clip."""

    gives = frozenset({"features"})

    def __init__(self, spec: DataSpec) -> None:
        super().__init__(spec)
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(math.prod(spec.shape), 512),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Linear(512, 256),
            nn.LeakyReLU(0.2, inplace=True),
            nn.Linear(256, 1),
        )

    def forward(self, video: Tensor, condition: Tensors) -> Verdict:
        """Score each clip."""
        features = self.layers[:-1](video)  # (B, 256)
        return Verdict((self.layers[-1](features),), (features,))
