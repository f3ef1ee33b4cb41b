"""Class consistency: is a clip of the class that was asked for?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from annotated_types import Gt, Lt, doc
from torch import Tensor

from vidgan_core.errors import UsageError
from vidgan_core.interfaces import Better, ClipSet, Evidence, Metric
from vidgan_metrics.averages import averaged
from vidgan_metrics.feature_sets import features


class ClassConsistency(Metric):
    """The share of generated clips that a classifier of real ones takes for the class asked for.

    The classifier is Fisher's linear discriminant on the features of the real clips, all classes
    equally likely, the covariance within classes shrunk towards a multiple of the identity
    (Friedman 1989). What real clips score in their place is how well it can tell them apart. The
    error is the binomial one, the classifier taken as given.
    """

    better: ClassVar[Mapping[str, Better]] = {"class-consistency": "higher"}
    needs = frozenset({"features", "class"})
    error = "own"
    least = 16

    def __init__(
        self,
        *,
        shrinkage: Annotated[float, Gt(0), Lt(1), doc("of the covariance within classes")] = 0.1,
    ) -> None:
        self.shrinkage = shrinkage

    def measure(self, evidence: Evidence) -> Mapping[str, float]:
        """Return the share. UsageError where clips have no labels."""
        real, fake = features(evidence)
        known, asked = labels(evidence.real), labels(evidence.fake)
        right = (self.classify(real, known, fake) == asked).double()
        return averaged("class-consistency", right, evidence.fake.group)

    def classify(self, real: Tensor, known: Tensor, fake: Tensor) -> Tensor:
        """Return the class (M,) of rows `fake` (M, D), from rows `real` of classes `known` (N,)."""
        classes, place = torch.unique(known, return_inverse=True)
        means = torch.stack([real[place == number].mean(0) for number in range(len(classes))])
        within = real - means[place]
        covariance = within.T @ within / len(real)
        # Where nothing varies within classes the nearest mean is as good.
        level = covariance.diagonal().mean().clamp(min=torch.finfo(real.dtype).tiny)
        shrunk = (1 - self.shrinkage) * covariance
        shrunk.diagonal().add_(self.shrinkage * level)
        directions = torch.linalg.solve(shrunk, means.T)  # (D, classes)
        scores = fake @ directions - (means.T * directions).sum(0) / 2
        taken: Tensor = classes[scores.argmax(1)]
        return taken


def labels(clips: ClipSet) -> Tensor:
    """Return the clips' classes (N,), or refuse clips that have none."""
    if "class" not in clips.condition:
        raise UsageError("class-consistency needs clips with class labels")
    return clips.condition["class"]
