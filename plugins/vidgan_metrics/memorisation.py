"""Memorisation: are generated clips nearer to training clips than new real ones are?"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from annotated_types import Gt, Lt, doc
from torch import Tensor

from vidgan_core.errors import UsageError
from vidgan_core.interfaces import Better, Degradation, Evidence, Metric
from vidgan_metrics.averages import averaged, mean_error
from vidgan_metrics.feature_sets import features, nearest


class Memorisation(Metric):
    """Compares each clip's distance to its nearest training clip, of generated and held-out clips.

    memorised: the share of generated clips that are nearer than all but `share` of the held-out
    ones: about `share` of a generator that has learnt the distribution, 1 of copies. copying: how
    often a generated clip is nearer than a held-out one, ties counting half: the statistic of the
    Mann-Whitney rank test, as in Meehan et al. 2020; 1/2 where there is no difference, 1 of
    copies, 0 of clips that are far from all data.

    All training clips that it is given are searched. The error of the first is the binomial one,
    the limit taken as given; of the second DeLong's (1988).
    """

    better: ClassVar[Mapping[str, Better]] = {"memorised": "lower", "copying": "lower"}
    needs = frozenset({"features", "train"})
    least = 16
    error = "own"
    sensitive_to: ClassVar[frozenset[Degradation]] = frozenset({"copies"})

    def __init__(
        self,
        *,
        share: Annotated[float, Gt(0), Lt(1), doc("of held-out clips that are called near")] = 0.05,
    ) -> None:
        self.share = share

    def measure(self, evidence: Evidence) -> Mapping[str, float]:
        """Return both shares. UsageError without training clips."""
        if evidence.train is None:
            raise UsageError("memorisation needs clips of the training split")
        known = evidence.train.features
        if known is None:
            raise UsageError("the features of the training clips are missing")
        real, fake = (nearest(rows, known) for rows in features(evidence))
        memorised = (fake < real.quantile(self.share)).double()
        nearer, farther = placements(fake, real), 1 - placements(real, fake)
        both = mean_error(nearer, evidence.fake.group), mean_error(farther, evidence.real.group)
        found = averaged("memorised", memorised, evidence.fake.group)
        found["copying"] = float(nearer.mean())
        if None not in both:
            found["copying_error"] = math.hypot(*both)  # type: ignore[arg-type]
        return found


def placements(values: Tensor, others: Tensor) -> Tensor:
    """Return for each value the share of the others that are greater, ties counting half."""
    ordered = others.sort().values
    not_greater = torch.searchsorted(ordered, values, right=True)
    smaller = torch.searchsorted(ordered, values)
    return 1 - (not_greater + smaller) / (2 * len(others))
