"""Means, and how uncertain they are."""

from __future__ import annotations

import torch
from torch import Tensor


def averaged(name: str, values: Tensor, group: Tensor | None = None) -> dict[str, float]:
    """Return the mean of values (N,) as `name`, with its error if there are two samples."""
    numbers = {name: float(values.mean())}
    if (error := mean_error(values, group)) is not None:
        numbers[f"{name}_error"] = error
    return numbers


def mean_error(values: Tensor, group: Tensor | None = None) -> float | None:
    """Return the standard error of a mean; None of a single sample.

    Values (N,) of one `group` (N,) are not independent: their deviations are added up first (the
    sandwich estimator, Liang & Zeger 1986, with G / (G - 1)).
    """
    sums = in_groups(values - values.mean(), group)
    count = len(sums)
    if count < 2:
        return None
    return float((count / (count - 1) * sums.square().sum()).sqrt() / len(values))


def in_groups(values: Tensor, group: Tensor | None) -> Tensor:
    """Return the sums (G,) of values (N,) by group (N,); the values where each is its own."""
    if group is None:
        return values
    place = torch.unique(group, return_inverse=True)[1]
    return values.new_zeros(int(place.max()) + 1).index_add(0, place, values)
