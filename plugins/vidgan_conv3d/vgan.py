"""The two-stream generator of Vondrick et al. 2016, "Generating Videos with Scene Dynamics".

Section 3.1, equation 2: a moving foreground f, a static background b and a mask m that chooses
between them, G(z) = m * f + (1 - m) * b, all from the same noise.

Differs from the paper: other sizes of clips; by default the discriminator has width 32 (64 there).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from vidgan_conv3d.conv3d import SPACE_TIME, NoiseSize, Width, initialise, plan, stream
from vidgan_core.interfaces import DataSpec, Fake, Generator, StepContext, Tensors, Term


class VGANGenerator(Generator):
    """Foreground and mask share a 3D stream, the background is one 2D image. Gives "mask".

    The mask (n, 1, T, H, W) in [0, 1] is what the term `mask-sparsity` asks for.
    """

    gives = frozenset({"mask"})

    def __init__(self, spec: DataSpec, *, width: Width = 64, noise_size: NoiseSize = 100) -> None:
        super().__init__(spec)
        self.noise_size = noise_size
        layers, to_pixels = stream(spec, noise_size, width)
        self.motion = nn.Sequential(*layers)
        self.foreground = nn.Sequential(to_pixels, nn.Tanh())
        self.mask = nn.Sequential(nn.ConvTranspose3d(width, 1, *SPACE_TIME), nn.Sigmoid())
        self.background = background(spec, noise_size, width)
        self.apply(initialise)

    def noise(self, n: int, rng: torch.Generator, *, frames: int | None = None) -> Tensors:
        """Draw z (n, noise_size), standard normal."""
        self.fixed_frames(frames)
        return {"z": torch.randn(n, self.noise_size, generator=rng)}

    def forward(self, noise: Tensors, condition: Tensors, *, frames: int | None = None) -> Fake:
        """Make the video (n, C, T, H, W) and the mask (n, 1, T, H, W)."""
        z = noise["z"][:, :, None, None]
        motion = self.motion(z[..., None])
        mask = self.mask(motion)
        still = self.background(z)[:, :, None]  # (n, C, H, W) -> (n, C, 1, H, W), for all frames
        return Fake(mask * self.foreground(motion) + (1 - mask) * still, {"mask": mask})


def background(spec: DataSpec, noise_size: int, width: int) -> nn.Sequential:
    """z -> 8*width -> 4*width -> 2*width -> width -> C, in two dimensions."""
    (_, height, wide), _ = plan(spec)
    layers: list[nn.Module] = [
        nn.ConvTranspose2d(noise_size, 8 * width, (height, wide), bias=False),
        nn.BatchNorm2d(8 * width),
        nn.ReLU(inplace=True),
    ]
    for inner, outer in pairwise([8 * width, 4 * width, 2 * width, width]):
        layers += [
            nn.ConvTranspose2d(inner, outer, 4, 2, 1, bias=False),
            nn.BatchNorm2d(outer),
            nn.ReLU(inplace=True),
        ]
    return nn.Sequential(*layers, nn.ConvTranspose2d(width, spec.channels, 4, 2, 1), nn.Tanh())


class MaskSparsity(Term):
    """E|m|: section 3.1, "we use an L1 penalty on the mask". The paper's weight is 0.1."""

    player = "generator"
    needs = frozenset({"generator.mask"})

    def forward(self, play: StepContext) -> Tensor:
        """Return the mean of the mask."""
        return play.fake.extras["mask"].abs().mean()
