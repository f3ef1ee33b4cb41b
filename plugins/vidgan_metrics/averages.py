"""Means of independent values."""

from __future__ import annotations

from torch import Tensor


def averaged(name: str, values: Tensor) -> dict[str, float]:
    """Return the mean of independent values (N,) as `name`, with its error if there are two."""
    numbers = {name: float(values.mean())}
    if len(values) > 1:
        numbers[f"{name}_error"] = float(values.std() / len(values) ** 0.5)
    return numbers
