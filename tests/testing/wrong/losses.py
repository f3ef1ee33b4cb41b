"""A loss that is right, others that break one property each, and the suite for them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import softplus

from vidgan_core.interfaces import Loss
from vidgan_core.testing import LossSuite


class RightLoss(Loss):
    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        return softplus(-real).mean() + softplus(fake).mean()

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return softplus(-fake).mean()


class Unreduced(RightLoss):
    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return softplus(-fake)


class Summed(RightLoss):
    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return softplus(-fake).sum()


class ByClip(RightLoss):
    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return (
            softplus(-fake).mean(0).sum() * 2 / fake[0].numel()
            if fake.dim() == 2
            else (softplus(-fake).mean(0).sum())
        )


class Overflowing(RightLoss):
    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return -torch.sigmoid(fake).log().mean()


class Backwards(RightLoss):
    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return -super().generator(real, fake)


class Curious(RightLoss):
    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        assert real is not None
        return super().generator(real, fake)


class Drawing(RightLoss):
    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        torch.rand(1)
        return super().generator(real, fake)


class Remembering(RightLoss):
    def __init__(self) -> None:
        self.calls = 0

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        self.calls += 1
        return super().generator(real, fake) * self.calls


class Muddled(RightLoss):
    def output(self, scores: Tensor) -> Tensor:
        return -scores


class Doubled(RightLoss):
    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        return super().generator(real, fake) * 2


class Unexplained(RightLoss):
    def __init__(self, *, strength: float = 1.0) -> None:
        self.strength = strength


class DualContrastive(RightLoss):
    """Right: each score against all of the other kind (Yu et al. 2021, equations 3 and 4)."""

    compares = True

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        real, fake = real.flatten(), fake.flatten()
        apart = fake - real[:, None]  # (R, F)
        return sum_of(apart, 1).mean() + sum_of(apart, 0).mean()

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        assert real is not None
        return self.discriminator(fake, real)

    needs_real = True


class Ordered(DualContrastive):
    """Says that it compares scores, and weighs them by their place."""

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        places = torch.linspace(0.5, 1, fake.numel(), dtype=fake.dtype).view_as(fake)
        return super().generator(real, fake * places)


def sum_of(apart: Tensor, axis: int) -> Tensor:
    """log(1 + sum of exponentials)."""
    zero = apart.new_zeros(()).expand_as(apart.narrow(axis, 0, 1))
    return torch.cat([apart, zero], axis).logsumexp(axis)


LOSSES = {
    Ordered: "mean",
    Unreduced: "scalar",
    Summed: "mean",
    ByClip: "any_shape",
    Overflowing: "finite",
    Backwards: "direction",
    Curious: "needs_real",
    Drawing: "no_side_effects",
    Remembering: "no_side_effects",
    Muddled: "output",
    Doubled: "closed_form",
    Unexplained: "options",
}


class Losses(LossSuite):
    def closed_form(self, name: str, real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor] | None:
        if name not in ("RightLoss", "Doubled"):
            return None
        return (
            -torch.sigmoid(real).log().mean() - (1 - torch.sigmoid(fake)).log().mean(),
            -torch.sigmoid(fake).log().mean(),
        )
