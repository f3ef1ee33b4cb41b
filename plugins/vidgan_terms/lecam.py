"""LeCam regularisation, Tseng et al. 2021, "Regularizing GANs under Limited Data"."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Lt, doc
from torch import Tensor

from vidgan_core.interfaces import StepContext, Term


class LeCam(Term):
    """E(D(x) - a_F)^2 + E(D(G(z)) - a_R)^2: equation 3.

    a_R and a_F are moving averages of the mean scores of real and generated clips, updated before
    they are used. Critics share them, each score counting alike. The paper's weight is 0.3 or
    less.
    """

    player = "discriminator"
    averages: Tensor

    def __init__(
        self,
        *,
        decay: Annotated[float, Ge(0), Lt(1), doc("of the averages of the scores")] = 0.99,
    ) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("averages", torch.zeros(2))  # of real and of fake scores

    def forward(self, play: StepContext) -> Tensor:
        """Follow the scores, then pull each side towards the other side's average."""
        assert play.real_verdict is not None
        real, fake = (
            torch.cat([scores.flatten() for scores in verdict.scores])
            for verdict in (play.real_verdict, play.fake_verdict)
        )
        now = torch.stack([real.mean(), fake.mean()]).detach().to(self.averages.dtype)
        self.averages.lerp_(now, 1 - self.decay)
        of_real, of_fake = self.averages.clone()
        pulls: tuple[Tensor, Tensor] = ((real - of_fake).square(), (fake - of_real).square())
        return pulls[0].mean() + pulls[1].mean()
