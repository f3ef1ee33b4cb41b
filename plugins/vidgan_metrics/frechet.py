"""The Fréchet distance between the features of real and of generated clips."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, get_args

import torch
from annotated_types import doc
from torch import Tensor

from vidgan_core.interfaces import Better, Degradation, Evidence, Metric
from vidgan_metrics.feature_sets import features

# A distribution that differs in anything is at a distance.
DETECTED: frozenset[Degradation] = frozenset(get_args(Degradation)) - {"copies"}


class FrechetDistance(Metric):
    """|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)) of two sets' means and covariances.

    Dowson & Landau 1982; Heusel et al. 2017, equation 6. It is that of the sets as they are: two
    halves of the same data are not at zero, and further apart the fewer clips there are.
    """

    better: ClassVar[Mapping[str, Better]] = {"fd": "lower"}
    needs = frozenset({"features"})
    least = 16
    distance = True
    sensitive_to = DETECTED
    error = "halves"

    def measure(self, evidence: Evidence) -> Mapping[str, float]:
        """Return the distance."""
        return {"fd": frechet_distance(*features(evidence))}


class FrechetVideoDistance(FrechetDistance):
    """FVD, Unterthiner et al. 2018: the Fréchet distance on the logits of I3D.

    On no other features is it called so.
    """

    better: ClassVar[Mapping[str, Better]] = {"fvd": "lower"}
    fast = False

    def __init__(
        self,
        *,
        weights: Annotated[str, doc("I3D's Kinetics-400 weights, a .safetensors file")] = "",
        resize: Annotated[
            Literal["tensorflow", "pytorch"],
            doc("sampling grid: the reference's, or that of its ports"),
        ] = "tensorflow",
    ) -> None:
        self.weights, self.resize = weights, resize

    @property
    def features(self) -> Mapping[str, Mapping[str, Any]]:
        """Return I3D with the weights and the grid."""
        return {"i3d": {"weights": self.weights, "resize": self.resize}}

    def measure(self, evidence: Evidence) -> Mapping[str, float]:
        """Return the distance."""
        return {"fvd": frechet_distance(*features(evidence))}


def frechet_distance(one: Tensor, two: Tensor) -> float:
    """Return the distance of two sets of rows, (N, D) and (M, D), in float64.

    With Ci = Ri^T Ri the trace of (C1 C2)^(1/2) is the sum of the singular values of R1 R2^T:
    no square root of a product that is not symmetric, and no need for C to have full rank. Ri is
    the centred set itself, or its QR factor where that is smaller.
    """
    means, roots = zip(*map(_moments, (one, two)), strict=True)
    spread = sum(root.square().sum() for root in roots)
    common = torch.linalg.svdvals(roots[0] @ roots[1].T).sum()
    return float((means[0] - means[1]).square().sum() + spread - 2 * common)


def _moments(rows: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean (D,) and a root R, (min(N, D), D), of the covariance R^T R."""
    mean = rows.mean(0)
    root = (rows - mean) / (len(rows) - 1) ** 0.5
    if len(root) > root.shape[1]:
        root = torch.linalg.qr(root, mode="r").R
    return mean, root
