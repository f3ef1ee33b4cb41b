"""A critic whose gradients are known in closed form, and terms by name."""

from __future__ import annotations

import torch
from conftest import REGISTRY
from torch import Tensor

from vidgan_core.interfaces import DataSpec, Discriminator, Tensors, Term, Verdict

SPEC = DataSpec(3, 2, 4, 4)
PIXELS = 3 * 2 * 4 * 4


class Quadratic(Discriminator):
    """Two critics whose gradients are known: |w x|^2 / 2 in one score, and v x in two patches."""

    def __init__(self) -> None:
        super().__init__(SPEC)
        self.w = torch.nn.Parameter(torch.randn(PIXELS, dtype=torch.float64))
        self.v = torch.nn.Parameter(torch.randn(PIXELS, 2, dtype=torch.float64))

    def forward(self, video: Tensor, condition: Tensors) -> Verdict:
        x = video.flatten(1)
        features = (x * self.w, x @ self.v)
        return Verdict((features[0].square().sum(1, keepdim=True) / 2, features[1]), features)

    def gradients(self, video: Tensor) -> tuple[Tensor, Tensor]:
        """grad_x of each critic's output, the second one's the mean over its patches."""
        x = video.flatten(1)
        return x * self.w**2, self.v.mean(1).expand(len(x), -1)


def make(name: str, **options: float) -> Term:
    return REGISTRY.load("term", name)(**options)
