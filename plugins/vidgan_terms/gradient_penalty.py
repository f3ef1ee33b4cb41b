"""Penalties on the gradient of the critics with respect to their input.

Where a critic scores patches, the mean over a clip's patches is what the paper calls D(x). The
penalties of several critics are added up. All are differentiable in the discriminator's weights.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated

import torch
from annotated_types import Ge, doc
from torch import Tensor

from vidgan_core.interfaces import Discriminator, StepContext, Tensors, Term
from vidgan_core.tensors import second_derivatives


def squared_gradients(
    discriminator: Discriminator, video: Tensor, condition: Tensors
) -> list[Tensor]:
    """Return |grad_x D(x)|^2 of every clip, one tensor (B,) a critic."""
    video = video.detach().requires_grad_(True)
    with torch.enable_grad(), second_derivatives():
        scores = discriminator(video, condition).scores
        return [
            # B * mean over all scores = sum over clips of the mean over patches
            torch.autograd.grad(score.mean() * len(video), video, create_graph=True)[0]
            .flatten(1)
            .square()
            .sum(1)
            for score in scores
        ]


class GradientPenalty(Term):
    """A penalty on the critics' gradients at some points between or around the data."""

    player = "discriminator"

    def forward(self, play: StepContext) -> Tensor:
        """Sum the penalties of the critics, each a mean over clips."""
        squares = squared_gradients(play.discriminator, self.points(play), play.condition)
        return torch.stack([self.penalty(square).mean() for square in squares]).sum()

    @abstractmethod
    def points(self, play: StepContext) -> Tensor:
        """Return the clips (B, C, T, H, W) at which the gradient is penalised."""

    @abstractmethod
    def penalty(self, square: Tensor) -> Tensor:
        """Return the penalty for squared gradient norms (B,)."""


class R1(GradientPenalty):
    """1/2 E|grad D(x)|^2 on real clips: Mescheder et al. 2018, equation 9; gamma is the weight."""

    def points(self, play: StepContext) -> Tensor:
        """The real clips."""
        return play.batch["video"]

    def penalty(self, square: Tensor) -> Tensor:
        """Half the squared norm."""
        return square / 2


class R2(R1):
    """1/2 E|grad D(G(z))|^2 on generated clips: Mescheder et al. 2018, equation 10."""

    def points(self, play: StepContext) -> Tensor:
        """The generated clips."""
        return play.fake.video


class UnitGradient(GradientPenalty):
    """A penalty on the distance of the gradient's norm from one."""

    def penalty(self, square: Tensor) -> Tensor:
        """(|grad D| - 1)^2. The root of exactly zero has no finite derivative."""
        return ((square + 1e-12).sqrt() - 1).square()


class WGANGP(UnitGradient):
    """E(|grad D(x')| - 1)^2 on lines between real and fake: Gulrajani et al. 2017, equation 3.

    x' = e x + (1 - e) G(z) with e uniform in [0, 1], one a clip. The paper's weight is 10.
    """

    def points(self, play: StepContext) -> Tensor:
        """Random points on the lines between pairs of clips."""
        real, fake = play.batch["video"], play.fake.video
        share = torch.rand(len(real), 1, 1, 1, 1, device=real.device, dtype=real.dtype)
        return share * real + (1 - share) * fake


class DRAGAN(UnitGradient):
    """E(|grad D(x + a d)| - 1)^2 around real clips: Kodali et al. 2017.

    d is uniform noise in [0, 1] times `scale` times the batch's standard deviation, and a uniform
    in [0, 1], one a clip, as in the authors' code. The paper's weight is 10.
    """

    def __init__(
        self,
        *,
        scale: Annotated[float, Ge(0), doc("size of the noise in standard deviations")] = 0.5,
    ) -> None:
        super().__init__()
        self.scale = scale

    def points(self, play: StepContext) -> Tensor:
        """Real clips with noise."""
        real = play.batch["video"]
        noise = self.scale * real.std() * torch.rand_like(real)
        return real + torch.rand_like(real[:, :1, :1, :1, :1]) * noise
