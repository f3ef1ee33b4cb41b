"""What metrics on features read, and distances between them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from vidgan_core.errors import UsageError
from vidgan_core.interfaces import Evidence

ROWS = 256  # of a matrix of distances that is in memory
PART = 4096  # rows of a large set that are looked at at a time


def features(evidence: Evidence) -> tuple[Tensor, Tensor]:
    """Return the features of the real and of the generated clips, (N, D) and (M, D) float64.

    Raises UsageError where one is not finite.
    """
    return finite(evidence.real.features, "real"), finite(evidence.fake.features, "generated")


def finite(rows: Tensor | None, whose: str) -> Tensor:
    """Return `rows` in float64, or refuse them."""
    if rows is None:
        raise UsageError(f"the features of the {whose} clips are missing")
    bad = ~rows.isfinite().flatten(1).all(1)
    if bad.any():
        first = int(bad.nonzero()[0])
        raise UsageError(f"the features of {whose} clip {first} are not finite numbers")
    return rows.double()


def in_blocks(one: Tensor, two: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Yield the Euclidean distances of some rows of `one` to all of `two`, with the rows' place.

    From inner products about the mean, 20 times as fast as from differences: exact to about
    1e-8 of a typical distance, which is what equal rows may come out at.
    """
    mean = two.mean(0)
    one, two = one - mean, two - mean
    squares = two.square().sum(1)
    for start in range(0, len(one), ROWS):
        rows = slice(start, start + ROWS)
        own = one[rows].square().sum(1, keepdim=True)
        yield rows, (own + squares - 2 * one[rows] @ two.T).clamp_(min=0).sqrt_()


def nearest(one: Tensor, two: Tensor) -> Tensor:
    """Return each row's distance to the nearest row of `two`, (N,).

    `two` may be very many rows, of which a part is looked at at a time. Raises UsageError where
    one is not finite.
    """
    found = one.new_full((len(one),), torch.inf)
    for start in range(0, len(two), PART):
        rows = finite(two[start : start + PART], "training")
        blocks = (block.amin(1) for _, block in in_blocks(one, rows))
        found = torch.minimum(found, torch.cat(list(blocks)))
    return found
