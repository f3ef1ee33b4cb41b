"""Diversity: how far apart generated clips are, and how unlike one another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, doc
from torch import Tensor

from vidgan_core.interfaces import Better, Degradation, Evidence, Metric
from vidgan_core.rng import keyed
from vidgan_metrics.averages import averaged
from vidgan_metrics.feature_sets import features, in_blocks
from vidgan_metrics.similarity import frames_of, ms_ssim


class Diversity(Metric):
    """The mean distance between the features of two generated clips, real clips' being 1.

    Below 1 generated clips are more alike than real ones; far above 1 they differ in what real
    clips have in common. The error is the jackknife's over the generated clips.
    """

    better: ClassVar[Mapping[str, Better]] = {"diversity": "real"}
    needs = frozenset({"features"})
    least = 16
    error = "own"
    sensitive_to: ClassVar[frozenset[Degradation]] = frozenset({"duplicates"})

    def measure(self, evidence: Evidence) -> Mapping[str, float]:
        """Return the ratio of the mean distances."""
        real, fake = (mean_distances(rows) for rows in features(evidence))
        n, scale = len(fake), real.mean().clamp(min=torch.finfo(real.dtype).tiny)
        without = (fake.sum() - 2 * fake) / (n - 2)  # the mean, each clip left out in turn
        spread = (without - without.mean()).square().sum() * (n - 1) / n
        return {
            "diversity": float(fake.mean() / scale),
            "diversity_error": float(spread.sqrt() / scale),
        }


class SelfSimilarity(Metric):
    """The mean MS-SSIM of random pairs of generated clips, frame by frame (Odena et al. 2017).

    A clip is in one pair. `real-ms-ssim` is that of real clips: a generator that repeats itself
    comes out above it. Scales and window are those of `ms-ssim`.
    """

    better: ClassVar[Mapping[str, Better]] = {"self-ms-ssim": "real"}
    needs = frozenset({"video"})
    fast = False
    error = "own"
    sensitive_to: ClassVar[frozenset[Degradation]] = frozenset({"duplicates"})

    def __init__(
        self,
        *,
        pairs: Annotated[int, Ge(1), doc("of clips, at most")] = 500,
        seed: Annotated[int, Ge(0), doc("other pairs")] = 0,
    ) -> None:
        self.pairs, self.seed = pairs, seed

    def measure(self, evidence: Evidence) -> Mapping[str, float]:
        """Return the mean and its standard error."""
        video = evidence.fake.video
        order = torch.randperm(len(video), generator=keyed(self.seed, "pairs"))
        count = min(self.pairs, len(video) // 2)
        first, second = order[:count], order[count : 2 * count]
        values = torch.stack(
            [
                ms_ssim(frames_of(video[i]), frames_of(video[j])).mean()
                for i, j in zip(first.tolist(), second.tolist(), strict=True)
            ]
        )
        return averaged("self-ms-ssim", values)


def mean_distances(rows: Tensor) -> Tensor:
    """Return each row's mean distance to the others, (N,)."""
    sums = torch.cat([block.sum(1) for _, block in in_blocks(rows, rows)])
    return sums / (len(rows) - 1)
