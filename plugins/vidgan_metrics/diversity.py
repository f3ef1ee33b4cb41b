"""Diversity: how far apart generated clips are, and how unlike one another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, doc
from torch import Tensor

from vidgan_core.interfaces import Better, Degradation, Evidence, Metric
from vidgan_core.rng import keyed
from vidgan_metrics.averages import averaged, in_groups
from vidgan_metrics.feature_sets import features, in_blocks
from vidgan_metrics.similarity import frames_of, ms_ssim


class Diversity(Metric):
    """The mean distance between the features of two generated clips, real clips' being 1.

    Below 1 generated clips are more alike than real ones; far above 1 they differ in what real
    clips have in common. The error is the jackknife's over the videos or clips of both sides.
    """

    better: ClassVar[Mapping[str, Better]] = {"diversity": "real"}
    needs = frozenset({"features"})
    least = 16
    error = "own"
    sensitive_to: ClassVar[frozenset[Degradation]] = frozenset({"duplicates"})

    def measure(self, evidence: Evidence) -> Mapping[str, float]:
        """Return the ratio of the mean distances."""
        real, fake = features(evidence)
        scale, of_real = mean_distance(real, evidence.real.group)
        mean, of_fake = mean_distance(fake, evidence.fake.group)
        scale = scale.clamp(min=torch.finfo(scale.dtype).tiny)
        ratio = mean / scale
        error = (of_fake + ratio.square() * of_real).sqrt() / scale
        return {"diversity": float(ratio), "diversity_error": float(error)}


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


def mean_distance(rows: Tensor, group: Tensor | None) -> tuple[Tensor, Tensor]:
    """Return the mean distance of two rows, and its variance by leaving out each group in turn.

    The variance (Efron & Stein 1981) is NaN of a single group.
    """
    sums, within = rows.new_zeros(len(rows)), rows.new_zeros(len(rows))
    for place, block in in_blocks(rows, rows):
        sums[place] = block.sum(1)
        if group is not None:
            within[place] = (block * (group[place, None] == group)).sum(1)
    own, inner = in_groups(sums, group), in_groups(within, group)
    sizes = in_groups(torch.ones_like(sums), group)
    n, count = sizes.sum() - sizes, len(sizes)
    # A group's rows leave the sum twice, as rows and as columns; what is in both, once.
    values = (own.sum() - 2 * own + inner) / (n * (n - 1))
    variance = (count - 1) / count * (values - values.mean()).square().sum()
    return sums.sum() / (len(rows) * (len(rows) - 1)), variance
