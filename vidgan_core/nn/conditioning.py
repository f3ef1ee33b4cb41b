"""Conditions for networks: a vector for the noise to be joined with, and a projection on scores.

Both hold no weight and change nothing where the condition has no such field, so that a network is
written once: with `takes = frozenset({"class"})`, and these two where they belong. A network that
takes the kinds "label", "vector", "tokens" or "audio" is conditioned on any such fields by them.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vidgan_core.interfaces import Field, Tensors
from vidgan_core.interfaces.dataset import DataSpec

CLASS = "class"
VECTORS = frozenset({"label", "vector", "tokens", "audio"})  # the kinds that become a vector


def count_classes(spec: DataSpec) -> int:
    """Return how many classes the condition tells apart, 0 where it holds no class."""
    return next((field.classes or 0 for field in spec.condition if field.name == CLASS), 0)


def labels_of(rows: Tensor, condition: Tensors) -> Tensor:
    """Return the label of each row (B*k, ...), k rows a clip."""
    return by_row(condition[CLASS], rows)


def by_row(value: Tensor, rows: Tensor) -> Tensor:
    """Return a field's value (B, ...) for each of the rows (B*k, ...), k rows a clip."""
    return value.repeat_interleave(len(rows) // len(value), dim=0)


class FieldEncoder(nn.Module):
    """A learned vector of length `size` for a field's value.

    Of a label its own; of tokens the mean of theirs; linear in a vector, and in the mean over time
    of sound.
    """

    def __init__(self, field: Field, size: int) -> None:
        super().__init__()
        self.kind = field.kind
        self.layer: nn.Module
        if field.kind in ("label", "tokens"):
            self.layer = nn.Embedding(field.classes or 0, size)
        else:
            self.layer = nn.Linear(field.shape[0], size)

    def forward(self, value: Tensor) -> Tensor:
        """(B, *field.shape) -> (B, size)."""
        if self.kind == "audio":
            value = value.mean(2)
        if value.is_floating_point():
            value = value.to(next(self.layer.parameters()).dtype)
        encoded: Tensor = self.layer(value)
        return encoded.mean(1) if self.kind == "tokens" else encoded


def other_fields(spec: DataSpec) -> list[Field]:
    """Return the fields other than the class that become a vector."""
    return [f for f in spec.condition if f.kind in VECTORS and f.name != CLASS]


class ClassEmbedding(nn.Module):
    """Joins each clip's noise with the learned vector of its class.

    Any other field that becomes a vector adds one of the same length. `size` is the length of all.
    """

    def __init__(self, spec: DataSpec, size: int) -> None:
        super().__init__()
        classes = count_classes(spec)
        self.vectors = nn.Embedding(classes, size) if classes else None
        self.others = nn.ModuleDict({f.name: FieldEncoder(f, size) for f in other_fields(spec)})
        self.size = size * (bool(classes) + len(self.others))

    def forward(self, noise: Tensor, condition: Tensors) -> Tensor:
        """(R, F) -> (R, F + self.size); R is B, or B*k with the k rows of a clip side by side."""
        if not self.size:
            return noise
        parts = [noise]
        if self.vectors is not None:
            parts.append(self.vectors(labels_of(noise, condition)))
        parts += [by_row(layer(condition[name]), noise) for name, layer in self.others.items()]
        return torch.cat(parts, dim=1)


class Projection(nn.Module):
    """What a class, or any field that becomes a vector, adds to a critic's scores: <v_y, phi(x)>.

    Miyato & Koyama 2018, "cGANs with Projection Discriminator", equation 4: the score is
    psi(phi(x)) + <v_y, phi(x)>, psi being the critic's last layer and phi all before it.
    """

    def __init__(self, spec: DataSpec, features: int) -> None:
        super().__init__()
        self.vectors = nn.Embedding(count_classes(spec), features) if count_classes(spec) else None
        if self.vectors is not None:
            nn.init.normal_(self.vectors.weight, 0.0, features**-0.5)
        self.others = nn.ModuleDict({f.name: FieldEncoder(f, features) for f in other_fields(spec)})

    def forward(self, scores: Tensor, phi: Tensor, condition: Tensors) -> Tensor:
        """Return scores (R, ...) with the projection of phi (R, features, ...) added to each.

        phi is averaged over its places. R is B, or B*k with the k rows of a clip side by side.
        """
        vectors = [by_row(layer(condition[name]), phi) for name, layer in self.others.items()]
        if self.vectors is not None:
            vectors.insert(0, self.vectors(labels_of(phi, condition)))
        if not vectors:
            return scores
        pooled = phi.reshape(*phi.shape[:2], -1).mean(2)
        match = (sum(vectors[1:], vectors[0]) * pooled).sum(1)
        judged: Tensor = scores + match.reshape(-1, *[1] * (scores.ndim - 1))
        return judged
