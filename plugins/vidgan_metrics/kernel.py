"""The kernel distance between the features of real and of generated clips."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from vidgan_core.interfaces import Better, Evidence, Metric
from vidgan_metrics.feature_sets import features
from vidgan_metrics.frechet import DETECTED


class KernelDistance(Metric):
    """MMD^2 with the kernel (x.y / D + 1)^3, without bias: Bińkowski et al. 2018, equation 4.

    Its expectation does not depend on the number of clips and is 0 for equal distributions, so it
    may come out negative. All clips are used at once, where the paper averages over draws of a
    part of them; for that very number see `mmd2`. The error is the jackknife's over the clips of
    both sides (Efron & Stein 1981), which errs on the large side.
    """

    better: ClassVar[Mapping[str, Better]] = {"kd": "lower"}
    needs = frozenset({"features"})
    least = 4
    distance = True
    sensitive_to = DETECTED - {"duplicates"}  # as far apart on average, however few there are
    error = "own"

    def measure(self, evidence: Evidence) -> Mapping[str, float]:
        """Return the distance and its standard error."""
        sums = Sums.of(*features(evidence))
        return {"kd": float(sums.mmd2()), "kd_error": float(sums.jackknife())}


def mmd2(one: Tensor, two: Tensor) -> float:
    """Return the unbiased MMD^2 of two sets of rows, (N, D) and (M, D)."""
    return float(Sums.of(one, two).mmd2())


def kernel(one: Tensor, two: Tensor) -> Tensor:
    """Return (x.y / D + 1)^3 of all pairs of rows, (N, M)."""
    return (one @ two.T / one.shape[1] + 1) ** 3


@dataclass(frozen=True, slots=True)
class Sums:
    """Row sums of the three kernel matrices, of a set with itself without the diagonal."""

    one: Tensor  # (N,) over the other rows of the first set
    two: Tensor  # (M,)
    one_two: Tensor  # (N,) over the rows of the second set
    two_one: Tensor  # (M,)

    @classmethod
    def of(cls, one: Tensor, two: Tensor) -> Sums:
        """Sum the kernels of two sets of rows."""
        cross = kernel(one, two)
        return cls(_others(kernel(one, one)), _others(kernel(two, two)), cross.sum(1), cross.sum(0))

    def mmd2(self) -> Tensor:
        """Return MMD^2 without bias."""
        n, m = len(self.one), len(self.two)
        within = self.one.sum() / (n * (n - 1)) + self.two.sum() / (m * (m - 1))
        return within - 2 * self.one_two.sum() / (n * m)

    def jackknife(self) -> Tensor:
        """Return the standard error: what leaving out each clip in turn changes."""
        return (
            _leaving(self.one, self.one_two, len(self.two))
            + _leaving(self.two, self.two_one, len(self.one))
        ).sqrt()


def _others(matrix: Tensor) -> Tensor:
    return matrix.sum(1) - matrix.diagonal()


def _leaving(own: Tensor, cross: Tensor, others: int) -> Tensor:
    """Return the jackknife's variance over one set, the other one kept whole."""
    n = len(own)
    # A row leaves its set's sum twice: as a row and as a column.
    within = (own.sum() - 2 * own) / ((n - 1) * (n - 2))
    across = (cross.sum() - cross) / ((n - 1) * others)
    values = within - 2 * across
    return (n - 1) / n * (values - values.mean()).square().sum()
