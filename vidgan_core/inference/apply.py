"""A trained generator applied to a video of any length and size, in the memory of one window."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from vidgan_core.data.conversion import on_device
from vidgan_core.data.fields import PICTURES, collate
from vidgan_core.errors import UsageError
from vidgan_core.inference.windows import Span, Tile, Window, in_tiles, in_windows
from vidgan_core.interfaces import Generator, StreamingGenerator, Task, Tensors
from vidgan_core.media.cuts import mark_cuts
from vidgan_core.media.frames import Frames, Picture
from vidgan_core.media.pixels import to_uint8
from vidgan_core.memory import check_memory
from vidgan_core.rng import keyed
from vidgan_core.tensors import to_like

WINDOW = 2**24  # numbers of the frames that are made at a time, at the least four frames
MOST = 32  # frames of a window
OVERLAP = 8  # frames on either side, for a generator whose reach has no end
MARGIN = 16  # pixels on either side of a tile, likewise
ACTIVATIONS = 64  # floats for each pixel of the condition while a window is made, at the least


@dataclass(frozen=True, slots=True)
class Cutting:
    """How a video is cut for a generator; what is None is what the generator needs.

    `window`: frames made at a time; `overlap`: frames of context on either side; `tile`: pixels of
    the condition a side, None for whole frames; `margin`: pixels of context around a tile.
    `cuts`: begin anew where a scene does.
    """

    window: int | None = None
    overlap: int | None = None
    tile: int | None = None
    margin: int | None = None
    cuts: bool = True


@dataclass(frozen=True, slots=True)
class Made:
    """Frames (T, H, W, C) and the window that they were made of."""

    frames: Frames
    window: Window


@dataclass
class Applier:
    """Applies a generator that follows the clip of its condition to videos.

    `task` makes the condition of a user's frames. Raises UsageError for a generator that makes
    clips of one size, or of noise alone.
    """

    generator: Generator
    task: Task
    cutting: Cutting = Cutting()
    seed: int = 0
    state: dict[tuple[int, int], Any] = field(default_factory=dict, repr=False)  # by tile

    def __post_init__(self) -> None:
        spec = self.generator.spec
        clips = [f for f in spec.condition if f.kind == "clip"]
        if not self.generator.follows or len(clips) != 1:
            raise UsageError(
                f"{type(self.generator).__name__} can't be applied to a video: it makes {spec}",
                hint="train with a task that restores clips, such as --task superresolution",
            )
        self.field = clips[0]
        given = {f.name: f for f in self.task.fields}
        if wrong := [f.name for f in spec.condition if given.get(f.name) != f]:
            raise UsageError(
                f"the task does not give {', '.join(wrong)} as the generator was trained with"
            )
        self.scale = spec.height // self.field.shape[2]

    @property
    def _streams(self) -> bool:
        return isinstance(self.generator, StreamingGenerator)

    @property
    def overlap(self) -> int:
        """Frames of context on either side of a window."""
        if self._streams:
            return 0
        reach = self.generator.frames_reach
        usual = OVERLAP if reach is None else reach
        return usual if self.cutting.overlap is None else self.cutting.overlap

    @property
    def margin(self) -> int:
        """Pixels of context around a tile."""
        reach = self.generator.pixels_reach
        usual = MARGIN if reach is None else reach
        return usual if self.cutting.margin is None else self.cutting.margin

    def window_of(self, height: int, width: int) -> int:
        """Return how many frames of a size are made at a time."""
        numbers = self.generator.spec.channels * height * width * self.scale**2
        size = self.cutting.window or max(4, min(MOST, WINDOW // numbers))
        generator = self.generator
        piece = generator.frames_a_piece if isinstance(generator, StreamingGenerator) else 1
        return -(-size // piece) * piece

    def __call__(
        self, pictures: Iterable[Picture], *, skip: int = 0, state: Any = None
    ) -> Iterator[Made]:
        """Yield what is made of a video's frames (H, W, C), window by window.

        The first `skip` windows are only read: `state` is what `state` was after them.
        """
        source = iter(pictures)
        first = next(source, None)
        if first is None:
            return
        height, width = first.shape[:2]
        size = self.window_of(height, width)
        self._check_memory(height, width, size)
        frames = _chained(first, source)
        marked = mark_cuts(frames) if self.cutting.cuts else _one_scene(frames)
        device = next(self.generator.parameters()).device
        self.state = tree_map_only(Tensor, lambda tensor: tensor.to(device), dict(state or {}))
        for number, window in enumerate(in_windows(marked, size, self.overlap)):
            if number >= skip:
                yield Made(self.make(window), window)

    @torch.no_grad()
    def make(self, window: Window) -> Frames:
        """Return the frames (T, H, W, C) of a window."""
        weight = next(self.generator.parameters())
        item = collate([self.task.condition(window.frames)])
        fields = self.generator.spec.condition
        condition = on_device(item, fields, weight.device, weight.dtype)
        length = len(window.frames)
        rng = keyed(self.seed, "apply")
        noise = self.generator.noise(1, rng, frames=length)
        noise = {name: to_like(part, weight) for name, part in noise.items()}
        video = self._tiled(noise, condition, window)
        return to_uint8(video).permute(1, 2, 3, 0).cpu().numpy()

    def _tiled(self, noise: Tensors, condition: Tensors, window: Window) -> Tensor:
        """Return the wanted frames (C, T, H, W), put together from tiles."""
        tiles = self._tiles(*condition[self.field.name].shape[3:])
        if len(tiles) == 1:
            return self._piece((0, 0), noise, condition, window)
        height, width = tiles[-1].rows.stop, tiles[-1].columns.stop
        made: Tensor | None = None
        for tile in tiles:
            part = {name: self._cut(name, t, tile) for name, t in condition.items()}
            piece = self._piece((tile.rows.start, tile.columns.start), noise, part, window)
            if made is None:
                made = piece.new_zeros((*piece.shape[:2], height * self.scale, width * self.scale))
            counts = tile.counts.repeat_interleave(self.scale, 0).repeat_interleave(self.scale, 1)
            place = (_scaled(tile.rows, self.scale), _scaled(tile.columns, self.scale))
            made[:, :, *place] += piece * counts.to(piece)
        assert made is not None
        return made

    def _tiles(self, height: int, width: int) -> list[Tile]:
        reach, margin = self.generator.pixels_reach, self.margin
        exact = reach is not None and margin >= reach
        side, step = self.cutting.tile or max(height, width), self.generator.pixels_step
        return in_tiles(height, width, side, margin, step, exact=exact)

    def _cut(self, name: str, value: Tensor, tile: Tile) -> Tensor:
        """Cut a field that lies on the grid of the condition's pixels; leave any other."""
        kinds = {f.name: f.kind for f in self.generator.spec.condition}
        if kinds[name] not in PICTURES:
            return value
        rows, columns = tile.rows, tile.columns
        return value[..., rows.start : rows.stop, columns.start : columns.stop]

    def _piece(
        self, place: tuple[int, int], noise: Tensors, condition: Tensors, window: Window
    ) -> Tensor:
        """Return the wanted frames (C, T, H, W) of one tile."""
        generator, length = self.generator, len(window.frames)
        if not isinstance(generator, StreamingGenerator):
            video = generator(noise, condition, frames=length).video
            return video[0, :, window.start : window.stop].float()
        state = generator.begin(1) if window.opens else self.state[place]
        pieces = []
        for piece in range(-(-length // generator.frames_a_piece)):
            now = {n: t[:, piece] if n in generator.moving else t for n, t in noise.items()}
            fake, state = generator.advance(state, now, generator.of_piece(condition, piece))
            pieces.append(fake.video)
        self.state[place] = state
        return torch.cat(pieces, dim=2)[0, :, :length].float()

    def _check_memory(self, height: int, width: int, size: int) -> None:
        """Raise VidganError where one window, or one tile of it, is more than memory can hold."""
        side = (self.cutting.tile or max(height, width)) + 2 * self.margin
        frames = 1 if self._streams else size + 2 * self.overlap
        pixels = min(height, side) * min(width, side) * frames
        whole = math.prod((size, height, width, self.scale**2, self.generator.spec.channels))
        hint = "try a smaller --tile or a smaller --window"
        what = f"a window of {size} frames of {width}x{height}"
        check_memory(what, 4 * (pixels * ACTIVATIONS + 2 * whole), hint=hint)


def _chained(first: Picture, rest: Iterator[Picture]) -> Iterator[Picture]:
    yield first
    yield from rest


def _one_scene(frames: Iterator[Picture]) -> Iterator[tuple[bool, Picture]]:
    return ((number == 0, frame) for number, frame in enumerate(frames))


def _scaled(span: Span, scale: int) -> slice:
    return slice(span.start * scale, span.stop * scale)
