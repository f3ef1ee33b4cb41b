"""Clips from a trained generator: the same seed gives the same clips in any batch size."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, Unpack

import torch
from torch import Tensor
from vidgan_cpu.convolution import tune_convolutions
from vidgan_cpu.malloc import keep_freed_memory

from vidgan_core.config.schema import RunConfig
from vidgan_core.device import choose_device
from vidgan_core.errors import CheckpointError, UsageError, did_you_mean
from vidgan_core.inference.load_generator import load_generator
from vidgan_core.inference.request_memory import check_request
from vidgan_core.interfaces import DataSpec, Generator, Tensors
from vidgan_core.media.provenance import Mark, make_mark
from vidgan_core.nn.conditioning import CLASS, count_classes
from vidgan_core.plugins.registry import Registry
from vidgan_core.rng import keyed
from vidgan_core.runs import checkpoint
from vidgan_core.runs.checkpoint import TO_SAMPLE, Checkpoint
from vidgan_core.runs.folder import RunDir
from vidgan_core.tensors import to_like

WINDOW = 1_000_000  # numbers of a window of all clips: about 4 MB, and 20 times that on the way


class SampleOptions(TypedDict, total=False):
    """What clips are asked to be; whatever is left out is as in training.

    `frames` asks for another length, and `rate` for so many frames where the data have one, where
    the generator can; `hold` names parts of the noise (such as "content") that all clips share;
    `classes` are given to the clips by turns, at random without them; with `walk` the clips lie on
    the way from the first one's noise to the last one's.
    """

    seed: int
    frames: int | None
    hold: Collection[str]
    classes: Sequence[int]
    walk: bool
    rate: float


@dataclass(frozen=True, slots=True)
class Sampler:
    """A trained generator, ready to make clips."""

    generator: Generator
    config: RunConfig
    step: int
    model_hash: str

    @classmethod
    def load(
        cls,
        run: str | Path,
        *,
        step: int | None = None,
        device: str = "auto",
        registry: Registry | None = None,
    ) -> Sampler:
        """Load the EMA generator of a run's folder or of one of its checkpoints."""
        keep_freed_memory()
        registry = registry or Registry.discover()
        saved = find_checkpoint(Path(run), step)
        generator, config = load_generator(saved, registry)
        generator.to(choose_device(device))
        if config.trainer.channels_last:
            tune_convolutions(generator)
        return cls(generator, config, saved.state["step"], saved.model_hash)

    def mark(self, seed: int) -> Mark:
        """Return what files made with this seed say of themselves."""
        return make_mark(self.model_hash, seed)

    def sample(self, n: int, *, batch: int = 16, **wishes: Unpack[SampleOptions]) -> Tensor:
        """Return `n` clips (n, C, T, H, W) in [-1, 1] on the CPU, made `batch` at a time."""
        frames, rate = wishes.get("frames"), wishes.get("rate", 1.0)
        check_request(self.generator, n, frames=frames, rate=rate, batch=batch, bytes_kept=8)
        return torch.cat(list(self.in_batches(n, batch=batch, **wishes)))

    def in_batches(
        self, n: int, *, batch: int = 16, **wishes: Unpack[SampleOptions]
    ) -> Iterator[Tensor]:
        """Yield the clips of `sample` in parts of `batch`."""
        return in_batches(self.generator, n, batch=batch, **wishes)

    @torch.no_grad()
    def in_windows(self, n: int, **wishes: Unpack[SampleOptions]) -> Iterator[Tensor]:
        """Yield the clips of `sample` in windows (n, C, t, H, W) of time, for films of any length.

        A generator that makes its frames one after another takes the memory of one window.
        """
        noise, condition = draw(self.generator, n, **wishes)
        spec, frames = self.generator.spec, wishes.get("frames")
        size = max(1, WINDOW // (n * spec.channels * spec.height * spec.width))
        for video in self.generator.windows(noise, condition, size=size, frames=frames):
            yield video.float().cpu()


def sample(
    generator: Generator, n: int, *, batch: int = 16, **wishes: Unpack[SampleOptions]
) -> Tensor:
    """Return `n` clips of a generator in eval mode; see `Sampler.sample`."""
    return torch.cat(list(in_batches(generator, n, batch=batch, **wishes)))


@torch.no_grad()
def in_batches(
    generator: Generator, n: int, *, batch: int = 16, **wishes: Unpack[SampleOptions]
) -> Iterator[Tensor]:
    """Yield the clips of `sample` in parts, so that any number of them fits the memory."""
    frames, rate = wishes.get("frames"), wishes.get("rate", 1.0)
    check_request(generator, n, frames=frames, rate=rate, batch=batch)
    drawn = draw(generator, n, **wishes)
    for start in range(0, n, batch):
        noise, condition = (
            {name: part[start : start + batch] for name, part in whole.items()} for whole in drawn
        )
        yield generator(noise, condition, frames=wishes.get("frames")).video.float().cpu()


def draw(
    generator: Generator,
    n: int,
    *,
    seed: int = 0,
    frames: int | None = None,
    hold: Collection[str] = (),
    classes: Sequence[int] = (),
    walk: bool = False,
    rate: float = 1.0,
) -> tuple[Tensors, Tensors]:
    """Return noise and condition of `n` clips, where and as the generator's weights are."""
    noise = dict(generator.noise(n, keyed(seed, "sample"), frames=frames))
    condition = draw_condition(generator.spec, n, keyed(seed, "sample", "condition"), classes)
    if walk:
        first, last = ({name: part[[row]] for name, part in noise.items()} for row in (0, -1))
        noise = dict(generator.between(first, last, torch.linspace(0, 1, n)))
        if not classes:  # what changes is the noise
            condition = {name: part[:1].expand_as(part) for name, part in condition.items()}
    for name in hold:
        if name not in noise:
            raise UsageError(f"there is no noise {name!r} to hold", hint=did_you_mean(name, noise))
        noise[name] = noise[name][:1].expand_as(noise[name])
    if rate != 1:
        condition["time"] = times(generator, frames, rate).expand(n, -1)
    weight = next(generator.parameters())
    return (
        {name: to_like(part, weight) for name, part in noise.items()},
        {name: to_like(part, weight) for name, part in condition.items()},
    )


def times(generator: Generator, frames: int | None, rate: float) -> Tensor:
    """Return the numbers (T,) of a clip's frames at `rate` times the data's. Raises UsageError."""
    if "time" not in generator.takes:
        raise UsageError("another frame rate needs a generator that takes times")
    length = generator.spec.frames if frames is None else frames
    return torch.arange(max(1, round(length * rate))) / rate


def draw_condition(
    spec: DataSpec, n: int, rng: torch.Generator, classes: Sequence[int] = ()
) -> dict[str, Tensor]:
    """Return labels for the fields of a condition: random, or the classes that are named by turns.

    Raises UsageError for a field that is no label, and for a class that there is not.
    """
    known = count_classes(spec)
    if unknown := [c for c in classes if not 0 <= c < known]:
        hint = f"there are {known}, from 0" if known else "the generator was trained without any"
        raise UsageError(f"there is no class {unknown[0]}", hint=hint)
    for field in spec.condition:
        if field.classes is None:
            raise UsageError(f"can't make up the condition {field.name!r}: it is no class")
    drawn = {
        field.name: torch.randint(field.classes or 1, (n, *field.shape), generator=rng)
        for field in spec.condition
    }
    if classes:
        drawn[CLASS] = torch.tensor([classes[i % len(classes)] for i in range(n)])
    return drawn


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
