"""How often the windows of each video come in an epoch. Free of torch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Balance = Literal["none", "video", "class"]


def shares(windows: Sequence[int], classes: Sequence[str], balance: Balance) -> NDArray[np.int64]:
    """Return how many items of an epoch are from each video, given how many windows each has.

    "none": each window once. "video": as many of each as the longest has. "class": as many of each
    class as the largest has, its videos in proportion.
    """
    counts = np.asarray(windows, np.int64)
    if balance == "none" or not len(counts):
        return counts
    if balance == "video":
        return np.full_like(counts, counts.max())
    totals: dict[str, int] = defaultdict(int)
    for name, count in zip(classes, windows, strict=True):
        totals[name] += count
    most = max(totals.values())
    scaled = [round(c * most / totals[n]) for n, c in zip(classes, windows, strict=True)]
    return np.asarray(scaled, np.int64)


def window_of(slot: int, share: int, windows: int) -> int:
    """Return the window that an item of a video shows: evenly, each at least once."""
    return slot * windows // share
