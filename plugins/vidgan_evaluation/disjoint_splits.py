"""Real clips in disjoint parts that share no frame and no scene. Free of torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vidgan_core.interfaces.dataset import Dataset

MOST = 100_000  # clips to choose among: of more windows than that, every k-th


def split_scenes(dataset: Dataset, parts: int) -> list[list[int]]:
    """Return the clips' numbers in `parts` parts, a pure function of the data.

    Films are cut into scenes of twice a clip's length, which are dealt out in turn; a clip that
    would overlap with one of the scene before it is left out. A clip that is a source of its own
    (a short film, a made clip) is a scene.
    """
    every = -(-len(dataset) // MOST)
    spans = sorted((dataset.span(index), index) for index in range(0, len(dataset), every))
    dealt: list[list[int]] = [[] for _ in range(parts)]
    scene, source, end, latest = -1, None, 0, -1
    for (film, first, last), index in spans:
        if film != source:
            scene, source, end, latest = scene + 1, film, first + 2 * (last - first + 1), last
        elif last >= end:
            if first <= latest:  # it would share frames with the scene before it
                continue
            scene, end = scene + 1, first + 2 * (last - first + 1)
        dealt[scene % parts].append(index)
        latest = last
    return dealt


def spread(numbers: Sequence[int], count: int) -> list[int]:
    """Return `count` of the numbers, evenly spread over all of them."""
    return [numbers[int(place)] for place in np.linspace(0, len(numbers) - 1, count).round()]
