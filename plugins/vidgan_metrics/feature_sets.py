"""What metrics on features read."""

from __future__ import annotations

from torch import Tensor

from vidgan_core.errors import UsageError
from vidgan_core.interfaces import Evidence


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
