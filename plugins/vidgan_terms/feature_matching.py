"""Feature matching, Salimans et al. 2016, "Improved Techniques for Training GANs", section 3.1."""

from __future__ import annotations

import torch
from torch import Tensor

from vidgan_core.interfaces import StepContext, Term
from vidgan_core.tensors import at_least_float32


class FeatureMatching(Term):
    """||E f(x) - E f(G(z))||^2 / n for the n features f of the discriminator, added over critics.

    The division, which the paper leaves out, makes a weight mean the same at any width.
    """

    player = "generator"
    needs = frozenset({"discriminator.features"})
    needs_real = True

    def forward(self, play: StepContext) -> Tensor:
        """Return the squared distance of the batch's mean features."""
        assert play.real_verdict is not None
        pairs = zip(play.real_verdict.features, play.fake_verdict.features, strict=True)
        distances = [
            at_least_float32(fake).mean(0) - at_least_float32(real).detach().mean(0)
            for real, fake in pairs
        ]
        return torch.stack([distance.square().mean() for distance in distances]).sum()
