"""Precision, recall, density and coverage: are the clips real, and is all that is real there?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, doc
from torch import Tensor

from vidgan_core.errors import UsageError
from vidgan_core.interfaces import Better, Degradation, Evidence, Metric
from vidgan_metrics.feature_sets import features, in_blocks

EDGE = 1e-7  # so much of its radius a clip may be within a ball and yet count as on its edge


class Coverage(Metric):
    """Balls around each clip that reach to its k-th nearest neighbour in its own set.

    precision: the share of generated clips within a real clip's ball, recall: of real clips within
    a generated one's (Kynkäänniemi et al. 2019). density: real balls that a generated clip is in,
    of k; above 1 where they crowd; coverage: the share of real balls with a generated clip in them
    (Naeem et al. 2020, equations 4 and 5). As in the latter's code a clip on the edge of a ball is
    outside: all four of clips against themselves are 1. The error comes from halves: a clip drawn
    twice would have itself as its neighbour.
    """

    better: ClassVar[Mapping[str, Better]] = {
        "precision": "higher",
        "recall": "higher",
        "density": "real",
        "coverage": "higher",
    }
    needs = frozenset({"features"})
    error = "halves"
    least = 16
    sensitive_to: ClassVar[frozenset[Degradation]] = frozenset()

    def __init__(self, *, k: Annotated[int, Ge(1), doc("neighbours within a ball")] = 5) -> None:
        self.k = k

    def measure(self, evidence: Evidence) -> Mapping[str, float]:
        """Return the four shares. UsageError unless there are more than k clips on each side."""
        real, fake = features(evidence)
        if min(len(real), len(fake)) <= self.k:
            raise UsageError(f"metric.prdc.k: needs more than {self.k} clips on each side")
        real_radii, fake_radii = radii(real, self.k), radii(fake, self.k)
        of_fake = torch.zeros(
            len(fake), dtype=torch.long
        )  # in how many real balls a generated clip is
        covered: list[Tensor] = []
        recalled: list[Tensor] = []
        for rows, block in in_blocks(real, fake):
            within = block < real_radii[rows, None]
            of_fake += within.sum(0)
            covered.append(within.any(1))
            recalled.append((block < fake_radii).any(1))
        return {
            "precision": float((of_fake > 0).double().mean()),
            "recall": float(torch.cat(recalled).double().mean()),
            "density": int(of_fake.sum()) / (self.k * len(fake)),
            "coverage": float(torch.cat(covered).double().mean()),
        }


def radii(rows: Tensor, k: int) -> Tensor:
    """Return each row's distance to the k-th nearest other row, (N,), less what rounding adds."""
    # The nearest of all is the row itself.
    nearest = [block.kthvalue(k + 1, dim=1).values for _, block in in_blocks(rows, rows)]
    return torch.cat(nearest) * (1 - EDGE)
