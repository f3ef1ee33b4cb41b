"""Weight clipping, Arjovsky et al. 2017, "Wasserstein GAN", algorithm 1, line 7."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Gt, doc
from torch import nn

from vidgan_core.interfaces import Term


class WeightClip(Term):
    """w <- clip(w, -limit, limit) for every parameter of the critic after its update."""

    player = "discriminator"

    def __init__(
        self, *, limit: Annotated[float, Gt(0), doc("largest magnitude of a weight")] = 0.01
    ) -> None:
        super().__init__()
        self.limit = limit

    def after_update(self, network: nn.Module) -> None:
        """Clamp all parameters in place."""
        torch._foreach_clamp_min_(list(network.parameters()), -self.limit)
        torch._foreach_clamp_max_(list(network.parameters()), self.limit)
