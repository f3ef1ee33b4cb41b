"""Class labels for networks: a vector beside the noise, and a projection beside the scores.

Both hold no weight and change nothing where the condition has no class, so that a network is
written once: with `takes = frozenset({"class"})`, and these two where they belong.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vidgan_core.interfaces import Tensors
from vidgan_core.interfaces.dataset import DataSpec

CLASS = "class"


def count_classes(spec: DataSpec) -> int:
    """Return how many classes the condition tells apart, 0 where it holds no class."""
    return next((field.classes or 0 for field in spec.condition if field.name == CLASS), 0)


def labels_of(rows: Tensor, condition: Tensors) -> Tensor:
    """Return the label of each row (B*k, ...), k rows a clip."""
    labels = condition[CLASS]
    return labels.repeat_interleave(len(rows) // len(labels))


class ClassEmbedding(nn.Module):
    """Puts the learned vector of its class, of length `size`, beside each clip's noise."""

    def __init__(self, spec: DataSpec, size: int) -> None:
        super().__init__()
        self.size = size if count_classes(spec) else 0
        self.vectors = nn.Embedding(count_classes(spec), size) if self.size else None

    def forward(self, noise: Tensor, condition: Tensors) -> Tensor:
        """(R, F) -> (R, F + self.size); R is B, or B*k with the k rows of a clip side by side."""
        if self.vectors is None:
            return noise
        return torch.cat([noise, self.vectors(labels_of(noise, condition))], dim=1)


class Projection(nn.Module):
    """What the class adds to a critic's scores: <v_y, phi(x)>.

    Miyato & Koyama 2018, "cGANs with Projection Discriminator", equation 4: the score is
    psi(phi(x)) + <v_y, phi(x)>, psi being the critic's last layer and phi all before it.
    """

    def __init__(self, spec: DataSpec, features: int) -> None:
        super().__init__()
        self.vectors = nn.Embedding(count_classes(spec), features) if count_classes(spec) else None
        if self.vectors is not None:
            nn.init.normal_(self.vectors.weight, 0.0, features**-0.5)

    def forward(self, scores: Tensor, phi: Tensor, condition: Tensors) -> Tensor:
        """Return scores (R, ...) with the projection of phi (R, features, ...) added to each.

        phi is averaged over its places. R is B, or B*k with the k rows of a clip side by side.
        """
        if self.vectors is None:
            return scores
        pooled = phi.reshape(*phi.shape[:2], -1).mean(2)
        match = (self.vectors(labels_of(phi, condition)) * pooled).sum(1)
        judged: Tensor = scores + match.reshape(-1, *[1] * (scores.ndim - 1))
        return judged
