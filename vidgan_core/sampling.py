"""Clips from a trained generator: the same seed gives the same clips in any batch size."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from vidgan_core import checkpoint
from vidgan_core.checkpoint import TO_SAMPLE, Checkpoint
from vidgan_core.conditioning import CLASS, count_classes
from vidgan_core.config import RunConfig
from vidgan_core.errors import CheckpointError, UsageError, did_you_mean
from vidgan_core.game import to_like
from vidgan_core.interfaces import DataSpec, Generator
from vidgan_core.plugins import Registry
from vidgan_core.precision import choose_device
from vidgan_core.rebuild import generator_of
from vidgan_core.rng import keyed
from vidgan_core.rundir import RunDir
from vidgan_core.video import Mark, make_mark


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
        registry = registry or Registry.discover()
        saved = find_checkpoint(Path(run), step)
        generator, config = generator_of(saved, registry)
        generator.to(choose_device(device))
        return cls(generator, config, saved.state["step"], saved.model_hash)

    def mark(self, seed: int) -> Mark:
        """Return what files made with this seed say of themselves."""
        return make_mark(self.model_hash, seed)

    def sample(
        self,
        n: int,
        *,
        seed: int = 0,
        frames: int | None = None,
        hold: Collection[str] = (),
        classes: Sequence[int] = (),
        walk: bool = False,
        batch: int = 16,
    ) -> Tensor:
        """Return `n` clips (n, C, T, H, W) in [-1, 1] on the CPU.

        `frames` asks for another length, where the generator can; `hold` names parts of the noise
        (such as "content") that all clips share; `classes` are given to the clips by turns, at
        random without them; with `walk` the clips lie on the way from the first noise to the last.
        """
        return torch.cat(
            list(
                self.in_batches(
                    n, seed=seed, frames=frames, hold=hold, classes=classes, walk=walk, batch=batch
                )
            )
        )

    def in_batches(
        self,
        n: int,
        *,
        seed: int = 0,
        frames: int | None = None,
        hold: Collection[str] = (),
        classes: Sequence[int] = (),
        walk: bool = False,
        batch: int = 16,
    ) -> Iterator[Tensor]:
        """Yield the clips of `sample` in parts of `batch`."""
        return in_batches(
            self.generator,
            n,
            seed=seed,
            frames=frames,
            hold=hold,
            classes=classes,
            walk=walk,
            batch=batch,
        )


def sample(
    generator: Generator, n: int, *, seed: int, classes: Sequence[int] = (), batch: int = 16
) -> Tensor:
    """Return `n` clips of a generator in eval mode; see `Sampler.sample`."""
    return torch.cat(list(in_batches(generator, n, seed=seed, classes=classes, batch=batch)))


@torch.no_grad()
def in_batches(
    generator: Generator,
    n: int,
    *,
    seed: int,
    frames: int | None = None,
    hold: Collection[str] = (),
    classes: Sequence[int] = (),
    walk: bool = False,
    batch: int = 16,
) -> Iterator[Tensor]:
    """Yield the clips of `sample` in parts, so that any number of them fits the memory."""
    weight = next(generator.parameters())
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
    for start in range(0, n, batch):
        noise_part, condition_part = (
            {name: to_like(part[start : start + batch], weight) for name, part in whole.items()}
            for whole in (noise, condition)
        )
        yield generator(noise_part, condition_part, frames=frames).video.float().cpu()


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
