"""A video of any length cut into windows of time, and frames of any size into tiles."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import Tensor

from vidgan_core.media.frames import Frames, Picture


@dataclass(frozen=True, slots=True)
class Window:
    """Frames of one scene (T, H, W, C), of which those from `start` to `stop` are wanted.

    The others are context. `opens`: does the scene begin with the first wanted frame?
    """

    frames: Frames
    start: int
    stop: int
    opens: bool


def in_windows(marked: Iterable[tuple[bool, Picture]], size: int, overlap: int) -> Iterator[Window]:
    """Yield windows of at most `size` wanted frames; with the same scene's on either side.

    `marked` are frames with whether each begins a scene. Every frame is wanted once, in order; the
    memory is that of one window.
    """
    before: list[Picture] = []
    pending: list[Picture] = []
    opens = True

    def window(count: int) -> Window:
        nonlocal before, pending, opens
        frames = [*before, *pending[: count + overlap]]
        made = Window(np.stack(frames), len(before), len(before) + count, opens)
        kept = [*before, *pending[:count]]
        before, pending, opens = kept[len(kept) - min(overlap, len(kept)) :], pending[count:], False
        return made

    for begins, picture in marked:
        if begins:
            while pending:
                yield window(min(size, len(pending)))
            before, opens = [], True
        pending.append(picture)
        if len(pending) == size + overlap:
            yield window(size)
    while pending:
        yield window(min(size, len(pending)))


@dataclass(frozen=True, slots=True)
class Span:
    """What of one axis a tile reads, from `start` to `stop`, and which part of it is its own."""

    start: int
    stop: int
    own: tuple[int, int]


def spans(length: int, tile: int, margin: int, step: int) -> Sequence[Span]:
    """Cut an axis into parts of `tile`, each read with a margin; all begin at multiples of `step`.

    An axis that is no longer than a tile with its margins is one part.
    """
    if length <= tile + 2 * margin:
        return [Span(0, length, (0, length))]
    tile, margin = (-(-n // step) * step for n in (tile, margin))
    return [
        Span(max(0, at - margin), min(length, at + tile + margin), (at, min(length, at + tile)))
        for at in range(0, length, tile)
    ]


def shares(tiles: Sequence[Span], length: int, margin: int, *, exact: bool) -> list[Tensor]:
    """Return how much each place of each tile counts, (stop - start,): at any place 1 together.

    `exact`: a tile counts where it is its own and nowhere else. Otherwise it fades from full to
    none across `margin` places on either side of each edge that it has in common with another one.
    """
    total = torch.zeros(length)
    weights = [_weight(span, length, 0 if exact else margin) for span in tiles]
    for span, weight in zip(tiles, weights, strict=True):
        total[span.start : span.stop] += weight
    pairs = zip(tiles, weights, strict=True)
    return [weight / total[span.start : span.stop] for span, weight in pairs]


def _weight(span: Span, length: int, margin: int) -> Tensor:
    at = torch.arange(span.start, span.stop) + 0.5
    low, high = span.own
    if not margin:
        return ((at > low) & (at < high)).float()
    rising = (at - low + margin) / (2 * margin) if low > 0 else torch.ones(len(at))
    falling = (high - at + margin) / (2 * margin) if high < length else torch.ones(len(at))
    return rising.clamp(0, 1) * falling.clamp(0, 1)


@dataclass(frozen=True, slots=True)
class Tile:
    """A part of a frame, and how much each of its pixels counts, (H, W)."""

    rows: Span
    columns: Span
    counts: Tensor


def in_tiles(
    height: int, width: int, tile: int, margin: int, step: int, *, exact: bool
) -> list[Tile]:
    """Cut a frame into tiles; see `spans` and `shares`."""
    tall, wide = (spans(n, tile, margin, step) for n in (height, width))
    rows, columns = (
        zip(parts, shares(parts, n, margin, exact=exact), strict=True)
        for parts, n in ((tall, height), (wide, width))
    )
    return [
        Tile(row, column, high[:, None] * broad)
        for (row, high), (column, broad) in product(rows, columns)
    ]
