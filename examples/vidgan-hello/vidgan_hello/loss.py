"""A loss: maps real and fake scores to the number that each player minimises."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Gt, Le, doc
from torch import Tensor
from torch.nn.functional import softplus

from vidgan_core.interfaces import Loss


class HelloLoss(Loss):
    """Log-likelihood with one-sided label smoothing, Salimans et al. 2016, section 3.4.

    With D = sigmoid(score), the discriminator maximises
    E[label * log D(x) + (1 - label) * log(1 - D(x))] + E[log(1 - D(G(z)))], the generator
    E[log D(G(z))].
    """

    def __init__(
        self,
        *,
        label: Annotated[float, Gt(0), Le(1), doc("label of real clips")] = 0.9,
    ) -> None:
        self.label = label

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Return the discriminator's loss: one number, the mean over clips and patches."""
        # -log D = softplus(-score) and -log(1 - D) = softplus(score), finite at any score
        of_real = self.label * softplus(-real) + (1 - self.label) * softplus(real)
        return of_real.mean() + softplus(fake).mean()

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """Return the generator's loss."""
        return softplus(-fake).mean()

    def output(self, scores: Tensor) -> Tensor:
        """D(x) is a probability."""
        return torch.sigmoid(scores)
