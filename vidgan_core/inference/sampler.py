"""Clips from a trained generator: the same seed gives the same clips in any batch size."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, Unpack

import torch
from torch import Tensor

from vidgan_core.config.schema import RunConfig
from vidgan_core.device import choose_device
from vidgan_core.errors import CheckpointError, UsageError, did_you_mean
from vidgan_core.inference.conditions import (
    class_labels,
    draw_condition,
    held_out,
    names_of,
    with_data,
)
from vidgan_core.inference.load_generator import load_ready
from vidgan_core.inference.request_memory import check_request
from vidgan_core.interfaces import Field, Generator, Split, Tensors
from vidgan_core.media.provenance import Mark, make_mark
from vidgan_core.plugins.registry import Registry
from vidgan_core.rng import keyed
from vidgan_core.runs import checkpoint
from vidgan_core.runs.bookkeeping import number
from vidgan_core.runs.checkpoint import TO_SAMPLE, Checkpoint
from vidgan_core.runs.folder import RunDir
from vidgan_core.tensors import to_like

BATCH = 8  # clips made at a time: evaluations make as many
FPS = 12.5  # of files, where the run does not say
MAX_FPS = 1000
WINDOW = 1_000_000  # numbers of a window of all clips: about 4 MB, and 20 times that on the way


class SampleOptions(TypedDict, total=False):
    """What clips are asked to be; whatever is left out is as in training.

    `frames` asks for another length, and `rate` for so many frames where the data have one, where
    the generator can; `hold` names parts of the noise (such as "content") that all clips share;
    `classes`, numbers or names, are given to the clips by turns, at random without them, as are
    `captions`, which can't be drawn; with `walk` the clips lie on the way from the first one's
    noise to the last one's. `condition` holds the fields themselves, a row a clip. Clip k of a seed
    is the same however many there are; `first` is the number of the first one.
    """

    seed: int
    first: int
    frames: int | None
    hold: Collection[str]
    classes: Sequence[int | str]
    captions: Sequence[str]
    walk: bool
    rate: float
    condition: Tensors


class RunSampleOptions(SampleOptions, total=False):
    """What else the clips of a run can be asked to be.

    `condition_from` names data, as --data does: the fields are those of its clips, held-out ones
    unless `split` says "train".
    """

    condition_from: str | None
    split: Split


@dataclass(frozen=True, slots=True)
class Sampler:
    """A trained generator, ready to make clips."""

    generator: Generator
    config: RunConfig
    step: int
    model_hash: str
    registry: Registry

    @classmethod
    def load(
        cls,
        run: str | Path,
        *,
        step: int | None = None,
        device: str = "auto",
        player: str | None = None,
        registry: Registry | None = None,
    ) -> Sampler:
        """Load the EMA generator of a run's folder or of one of its checkpoints.

        `player` chooses among the networks of which the run's game keeps an average.
        """
        registry = registry or Registry.discover()
        saved = find_checkpoint(Path(run), step)
        generator, config = load_ready(saved, registry, choose_device(device), player)
        return cls(generator, config, saved.state["step"], saved.model_hash, registry)

    @property
    def fps(self) -> float:
        """The frames a second of the run's own sample pictures."""
        return frame_rate(self.config)

    def mark(self, seed: int) -> Mark:
        """Return what files made with this seed say of themselves."""
        return make_mark(self.model_hash, seed)

    def sample(self, n: int, *, batch: int = BATCH, **wishes: Unpack[RunSampleOptions]) -> Tensor:
        """Return `n` clips (n, C, T, H, W) in [-1, 1] on the CPU, made `batch` at a time."""
        frames, rate = wishes.get("frames"), wishes.get("rate", 1.0)
        check_request(self.generator, n, frames=frames, rate=rate, batch=batch, bytes_kept=8)
        return torch.cat(list(self.in_batches(n, batch=batch, **wishes)))

    def in_batches(
        self, n: int, *, batch: int = BATCH, **wishes: Unpack[RunSampleOptions]
    ) -> Iterator[Tensor]:
        """Yield the clips of `sample` in parts of `batch`."""
        return in_batches(self.generator, n, batch=batch, **self._with_condition(n, wishes))

    @torch.no_grad()
    def in_windows(self, n: int, **wishes: Unpack[RunSampleOptions]) -> Iterator[Tensor]:
        """Yield the clips of `sample` in windows (n, C, t, H, W) of time, for videos of any length.

        A generator that makes its frames one after another takes the memory of one window.
        """
        noise, condition = draw(self.generator, n, **self._with_condition(n, wishes))
        spec, frames = self.generator.spec, wishes.get("frames")
        size = max(1, WINDOW // (n * spec.channels * spec.height * spec.width))
        for video in self.generator.windows(noise, condition, size=size, frames=frames):
            yield video.float().cpu()

    def class_labels(self, n: int, **wishes: Unpack[RunSampleOptions]) -> list[str]:
        """Return the names of the classes of `sample`'s clips; nothing where they have none."""
        spec = self.generator.spec
        if not names_of(spec):
            return []
        return class_labels(spec, draw(self.generator, n, **self._with_condition(n, wishes))[1])

    def _with_condition(self, n: int, wishes: RunSampleOptions) -> SampleOptions:
        """Return the wishes with the condition itself in place of where it is from."""
        data, split = wishes.pop("condition_from", None), wishes.pop("split", "test")
        if data is not None:
            config = with_data(self.config, data, self.registry)
            spec, rows = self.generator.spec, wishes.get("first", 0) + n
            found = held_out(config, self.registry, spec, rows, split)
            wishes["condition"] = {name: field[-n:] for name, field in found.items()}
        return wishes


def sample(
    generator: Generator, n: int, *, batch: int = BATCH, **wishes: Unpack[SampleOptions]
) -> Tensor:
    """Return `n` clips of a generator in eval mode; see `Sampler.sample`."""
    return torch.cat(list(in_batches(generator, n, batch=batch, **wishes)))


@torch.no_grad()
def in_batches(
    generator: Generator, n: int, *, batch: int = BATCH, **wishes: Unpack[SampleOptions]
) -> Iterator[Tensor]:
    """Yield the clips of `sample` in parts, so that any number of them fits the memory.

    Every part is made with as many rows, so that clip k is the same, bit for bit, whatever `n`.
    """
    frames, rate = wishes.get("frames"), wishes.get("rate", 1.0)
    check_request(generator, n, frames=frames, rate=rate, batch=batch)
    drawn = draw(generator, n, **wishes)
    for start in range(0, n, batch):
        noise, condition = (
            {name: _padded(part[start : start + batch], batch) for name, part in whole.items()}
            for whole in drawn
        )
        video = generator(noise, condition, frames=wishes.get("frames")).video
        yield video[: n - start].float().cpu()


def _padded(rows: Tensor, count: int) -> Tensor:
    """Repeat the last row until there are `count`.

    The last bits of what a layer makes of a row depend on how many there are.
    """
    if len(rows) == count:
        return rows
    return torch.cat([rows, rows[-1:].expand(count - len(rows), *rows.shape[1:])])


def draw(
    generator: Generator,
    n: int,
    *,
    seed: int = 0,
    first: int = 0,
    frames: int | None = None,
    hold: Collection[str] = (),
    classes: Sequence[int | str] = (),
    captions: Sequence[str] = (),
    walk: bool = False,
    rate: float = 1.0,
    condition: Tensors | None = None,
) -> tuple[Tensors, Tensors]:
    """Return noise and condition of `n` clips, where and as the generator's weights are."""
    noise = draw_noise(generator, n, seed, first=first, frames=frames)
    if condition is None:
        spec = generator.spec
        condition = draw_condition(spec, n, seed, classes, first=first, captions=captions)
    elif classes or captions:
        raise UsageError("classes and captions are part of the condition that is given")
    condition = dict(condition)
    if walk:
        start, end = ({name: part[[row]] for name, part in noise.items()} for row in (0, -1))
        noise = dict(generator.between(start, end, torch.linspace(0, 1, n)))
        if not classes:  # what changes is the noise
            condition = {name: part[:1].expand_as(part) for name, part in condition.items()}
    if hold:
        held = draw_noise(generator, 1, seed, frames=frames)
    for name in hold:
        if name not in noise:
            raise UsageError(f"there is no noise {name!r} to hold", hint=did_you_mean(name, noise))
        noise[name] = held[name].expand_as(noise[name])
    if rate != 1:
        condition["time"] = times(generator, frames, rate).expand(n, -1)
    weight = next(generator.parameters())
    return (
        {name: to_like(part, weight) for name, part in noise.items()},
        {name: to_like(part, weight) for name, part in condition.items()},
    )


def draw_noise(
    generator: Generator, n: int, seed: int, *, first: int = 0, frames: int | None = None
) -> dict[str, Tensor]:
    """Return the noise (n, ...) of the clips `first` to `first + n` of a seed, each drawn apart.

    So clip k is the same clip whichever others are made.
    """
    rows = [
        generator.noise(1, keyed(seed, "sample", clip), frames=frames)
        for clip in range(first, first + n)
    ]
    return {name: torch.cat([row[name] for row in rows]) for name in rows[0]}


def times(generator: Generator, frames: int | None, rate: float) -> Tensor:
    """Return the numbers (T,) of a clip's frames at `rate` times the data's. Raises UsageError."""
    if not generator.reads(Field("time", "time")):
        raise UsageError("another frame rate needs a generator that takes times")
    length = generator.spec.frames if frames is None else frames
    return torch.arange(max(1, round(length * rate))) / rate


def frame_rate(config: RunConfig) -> float:
    """Return the frames a second of a run's sample pictures, if what it states can be."""
    table = config.callback.get("pictures")
    stated = number(table.options.get("fps")) if table else None
    return float(stated) if stated is not None and 1 <= stated <= MAX_FPS else FPS


def find_checkpoint(path: Path, step: int | None = None) -> Checkpoint:
    """Return a checkpoint to sample from: its own folder, or a run's and perhaps a step.

    Raises UsageError where there is no run, CheckpointError where nothing healthy is found.
    """
    if (path / checkpoint.MANIFEST).exists():
        return checkpoint.load(path, TO_SAMPLE)
    folder = RunDir.open(path).checkpoints
    if step is None:
        if saved := checkpoint.newest(folder, TO_SAMPLE):
            return saved
        raise CheckpointError(f"{path} has no checkpoint yet")
    steps = {checkpoint.step_of(p): p for p in checkpoint.available(folder)}
    if step not in steps:
        known = ", ".join(map(str, steps)) or "none"
        raise UsageError(f"{path} has no checkpoint of step {step}", hint=f"there are: {known}")
    return checkpoint.load(steps[step], TO_SAMPLE)
