"""Options that are one value, or a range from which each clip's value is drawn."""

from __future__ import annotations

from typing import TypeVar

from vidgan_core.errors import UsageError

Number = TypeVar("Number", int, float)


def ends(option: str, value: Number | tuple[Number, Number]) -> tuple[Number, Number]:
    """Return the smallest and the largest value. Raises UsageError for a range upside down."""
    low, high = value if isinstance(value, tuple) else (value, value)
    if low > high:
        raise UsageError(
            f"{option}: the first of two values must be the smaller (got {low}, {high})"
        )
    return low, high
