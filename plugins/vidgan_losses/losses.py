"""Adversarial losses on scores (logits), one critic's at a time.

D is the discriminator after its last non-linearity, r = scores of real clips, f = of fakes; E is
the mean over batch and patches. All are finite, with finite gradients, at |score| = 1e4.

With `smoothing` s the discriminator is to say of real clips that they are real with 1 - s, not
with 1: one-sided label smoothing, Salimans et al. 2016, section 3.4.
"""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Lt, doc
from torch import Tensor
from torch.nn.functional import relu, softplus

from vidgan_core.interfaces import Loss

Smoothing = Annotated[float, Ge(0), Lt(0.5), doc("how unsure to be at most that a clip is real")]


def log_likelihood_real(score: Tensor, smoothing: float) -> Tensor:
    """-(1 - s) log D - s log(1 - D) for D = sigmoid(score): softplus(-score) + s * score."""
    return softplus(-score) + smoothing * score


class Minimax(Loss):
    """The value function of Goodfellow et al. 2014, equation 1, with D = sigmoid(score).

    Discriminator: maximise E[log D(x)] + E[log(1 - D(G(z)))], that is, minimise
    E[softplus(-r)] + E[softplus(f)].
    Generator: maximise E[log D(G(z))] (section 3), that is, minimise E[softplus(-f)]; with
    `saturating`, minimise the value function itself, -E[softplus(f)].
    """

    def __init__(
        self,
        *,
        saturating: Annotated[
            bool, doc("let the generator minimise the value function itself")
        ] = False,
        smoothing: Smoothing = 0.0,
    ) -> None:
        self.saturating = saturating
        self.smoothing = smoothing

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """E[softplus(-r) + s r] + E[softplus(f)]."""
        return log_likelihood_real(real, self.smoothing).mean() + softplus(fake).mean()

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """E[softplus(-f)], or -E[softplus(f)] when saturating."""
        return -softplus(fake).mean() if self.saturating else softplus(-fake).mean()

    def output(self, scores: Tensor) -> Tensor:
        """D(x) is a probability."""
        return torch.sigmoid(scores)


class LeastSquares(Loss):
    """Mao et al. 2017, "Least Squares GANs", equation 9: labels 0 for fake, 1 for real.

    Discriminator: 1/2 E[(r - 1)^2] + 1/2 E[f^2]. Generator: 1/2 E[(f - 1)^2].
    """

    boundary = 0.5

    def __init__(self, *, smoothing: Smoothing = 0.0) -> None:
        self.smoothing = smoothing

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """1/2 E[(r - (1 - s))^2] + 1/2 E[f^2]."""
        label = 1 - self.smoothing
        return 0.5 * (real - label).square().mean() + 0.5 * fake.square().mean()

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """1/2 E[(f - 1)^2]."""
        return 0.5 * (fake - 1).square().mean()


class Hinge(Loss):
    """Lim & Ye 2017, "Geometric GAN"; the form of Miyato et al. 2018, equations 16 and 17.

    Discriminator: E[max(0, 1 - r)] + E[max(0, 1 + f)]. Generator: -E[f].
    """

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """E[max(0, 1 - r)] + E[max(0, 1 + f)]."""
        return relu(1 - real).mean() + relu(1 + fake).mean()

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """-E[f]."""
        return -fake.mean()


class Wasserstein(Loss):
    """Arjovsky et al. 2017, "Wasserstein GAN", equation 2 and algorithm 1.

    Discriminator (critic): E[f] - E[r]. Generator: -E[f]. The critic must be kept Lipschitz: the
    paper clips its weights, which is the term `weight-clip`. Section 3: it should be trained till
    optimality, where its gradient is the most reliable.
    """

    boundary = None
    wants_optimal = True

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """E[f] - E[r]."""
        return fake.mean() - real.mean()

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """-E[f]."""
        return -fake.mean()


class RelativisticPaired(Loss):
    """Jolicoeur-Martineau 2018, "The relativistic discriminator", RpGAN; Huang et al. 2024 (R3GAN).

    Discriminator: E[softplus(-(r - f))]. Generator: E[softplus(-(f - r))], r and f in the pairs in
    which they stand in the batch. R3GAN, equation 2, adds the terms `r1` and `r2`.
    """

    needs_real = True
    boundary = None

    def __init__(self, *, smoothing: Smoothing = 0.0) -> None:
        self.smoothing = smoothing

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """E[softplus(-(r - f)) + s (r - f)]."""
        return log_likelihood_real(real - fake, self.smoothing).mean()

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """E[softplus(-(f - r))]."""
        assert real is not None
        return softplus(real - fake).mean()


class RelativisticAverage(Loss):
    """Jolicoeur-Martineau 2018, "The relativistic discriminator", RaSGAN, section 4.3.

    Discriminator: E[softplus(-(r - E[f]))] + E[softplus(f - E[r])]. Generator: the same with real
    and fake exchanged.
    """

    needs_real = True
    boundary = None

    def __init__(self, *, smoothing: Smoothing = 0.0) -> None:
        self.smoothing = smoothing

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """E[softplus(-(r - E[f])) + s (r - E[f])] + E[softplus(f - E[r])]."""
        of_real = log_likelihood_real(real - fake.mean(), self.smoothing)
        return of_real.mean() + softplus(fake - real.mean()).mean()

    def generator(self, real: Tensor | None, fake: Tensor) -> Tensor:
        """E[softplus(-(f - E[r]))] + E[softplus(r - E[f])]."""
        assert real is not None
        return softplus(real.mean() - fake).mean() + softplus(real - fake.mean()).mean()
