"""Real clips in disjoint parts that share no frame and no scene. Free of torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from vidgan_core.interfaces.dataset import Dataset

MOST = 100_000  # clips to choose among: of more windows than that, every k-th
WHOLE = 16  # videos a part from which on whole ones are dealt out

Part = Mapping[int, int]  # by the number of a clip: which video or scene it is from
Span = tuple[tuple[int, int, int], int]  # source, first and last frame; number of the clip


def split_scenes(dataset: Dataset, parts: int) -> list[Part]:
    """Return the clips' numbers in `parts` parts, a pure function of the data.

    Where there are `WHOLE` videos for each part, whole videos are dealt out: two parts are then as
    different as new videos are. Fewer are cut into scenes of twice a clip's length, which are
    dealt out in turn; a clip that would overlap with the scene before it is left out. A clip that
    is a source of its own (a short video, a synthetic clip) is a scene.
    """
    every = -(-len(dataset) // MOST)
    spans = sorted((dataset.span(index), index) for index in range(0, len(dataset), every))
    videos = len({source for (source, _, _), _ in spans})
    return _whole_videos(spans, parts) if videos >= WHOLE * parts else _scenes(spans, parts)


def _whole_videos(spans: Sequence[Span], parts: int) -> list[Part]:
    """Give each video to the part with the fewest clips so far."""
    clips: dict[int, list[int]] = {}
    for (source, _, _), index in spans:
        clips.setdefault(source, []).append(index)
    dealt: list[dict[int, int]] = [{} for _ in range(parts)]
    for source, indices in clips.items():
        min(dealt, key=len).update(dict.fromkeys(indices, source))
    return list(dealt)


def _scenes(spans: Sequence[Span], parts: int) -> list[Part]:
    dealt: list[dict[int, int]] = [{} for _ in range(parts)]
    scene, source, end, latest = -1, None, 0, -1
    for (video, first, last), index in spans:
        if video != source:
            scene, source, end, latest = scene + 1, video, first + 2 * (last - first + 1), last
        elif last >= end:
            if first <= latest:  # it would share frames with the scene before it
                continue
            scene, end = scene + 1, first + 2 * (last - first + 1)
        dealt[scene % parts][index] = scene
        latest = last
    return list(dealt)


def spread(numbers: Sequence[int], count: int) -> list[int]:
    """Return `count` of the numbers, evenly spread over all of them."""
    return [numbers[int(place)] for place in np.linspace(0, len(numbers) - 1, count).round()]


def by_source(dataset: Dataset, numbers: Sequence[int]) -> Part:
    """Return clips with the video that each is from."""
    return {number: dataset.span(number)[0] for number in numbers}
