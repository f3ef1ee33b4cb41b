"""The kernel distance between the features of real and of generated clips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from vidgan_core.interfaces import Better, Evidence, Metric
from vidgan_metrics.averages import in_groups
from vidgan_metrics.feature_sets import features
from vidgan_metrics.frechet import DETECTED


class KernelDistance(Metric):
    """MMD^2 with the kernel (x.y / D + 1)^3, without bias: Bińkowski et al. 2018, equation 4.

    Its expectation does not depend on the number of clips and is 0 for equal distributions, so it
    may come out negative. All clips are used at once, where the paper averages over draws of a
    part of them; for that very number see `mmd2`. The error is the jackknife's over the videos
    or clips of both sides (Efron & Stein 1981), which errs on the large side.
    """

    better: ClassVar[Mapping[str, Better]] = {"kd": "lower"}
    needs = frozenset({"features"})
    least = 16
    distance = True
    sensitive_to = DETECTED - {"duplicates"}  # as far apart on average, however few there are
    error = "own"

    def measure(self, evidence: Evidence) -> Mapping[str, float]:
        """Return the distance and its standard error."""
        groups = evidence.real.group, evidence.fake.group
        sums = Sums.of(*features(evidence), *groups)
        return {"kd": float(sums.mmd2()), "kd_error": float(sums.jackknife())}


def mmd2(one: Tensor, two: Tensor) -> float:
    """Return the unbiased MMD^2 of two sets of rows, (N, D) and (M, D)."""
    return float(Sums.of(one, two).mmd2())


def kernel(one: Tensor, two: Tensor) -> Tensor:
    """Return (x.y / D + 1)^3 of all pairs of rows, (N, M)."""
    return (one @ two.T / one.shape[1] + 1) ** 3


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums of the three kernel matrices, by row or, where rows have a group, by group (G,).

    Of a set with itself the diagonal is left out; `*_inner` are the sums within each group.
    """

    sizes: tuple[Tensor, Tensor]  # (G,) and (H,): rows of each group
    one: Tensor
    two: Tensor
    one_inner: Tensor
    two_inner: Tensor
    one_two: Tensor  # (G,) over the rows of the second set
    two_one: Tensor  # (H,)

    @classmethod
    def of(
        cls, one: Tensor, two: Tensor, group: Tensor | None = None, other: Tensor | None = None
    ) -> Sums:
        """Sum the kernels of two sets of rows."""
        cross = kernel(one, two)
        first, first_inner = _within(kernel(one, one), group)
        second, second_inner = _within(kernel(two, two), other)
        return cls(
            (in_groups(torch.ones(len(one)), group), in_groups(torch.ones(len(two)), other)),
            first,
            second,
            first_inner,
            second_inner,
            in_groups(cross.sum(1), group),
            in_groups(cross.sum(0), other),
        )

    def mmd2(self) -> Tensor:
        """Return MMD^2 without bias."""
        n, m = (size.sum() for size in self.sizes)
        within = self.one.sum() / (n * (n - 1)) + self.two.sum() / (m * (m - 1))
        return within - 2 * self.one_two.sum() / (n * m)

    def jackknife(self) -> Tensor:
        """Return the standard error: what leaving out each group in turn changes."""
        sizes, others = self.sizes, self.sizes[::-1]
        return (
            _leaving(self.one, self.one_inner, self.one_two, sizes[0], others[0].sum())
            + _leaving(self.two, self.two_inner, self.two_one, sizes[1], others[1].sum())
        ).sqrt()


def _within(matrix: Tensor, group: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return by group the sums of its rows, and of those of its rows and columns."""
    others = matrix.sum(1) - matrix.diagonal()
    if group is None:
        return others, torch.zeros_like(others)
    same = (matrix * (group[:, None] == group)).sum(1) - matrix.diagonal()
    return in_groups(others, group), in_groups(same, group)


def _leaving(own: Tensor, inner: Tensor, cross: Tensor, sizes: Tensor, others: Tensor) -> Tensor:
    """Return the jackknife's variance over the groups of one set, the other one kept whole."""
    n, count = sizes.sum() - sizes, len(own)
    # A group's rows leave its set's sum twice, as rows and as columns; what is in both, once.
    within = (own.sum() - 2 * own + inner) / (n * (n - 1))
    across = (cross.sum() - cross) / (n * others)
    values = within - 2 * across
    return (count - 1) / count * (values - values.mean()).square().sum()
