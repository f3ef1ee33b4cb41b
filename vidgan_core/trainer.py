"""The alternating training engine: it runs phases and knows neither loss nor architecture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from vidgan_core.errors import VidganError
from vidgan_core.interfaces import Tensors
from vidgan_core.rng import key, keyed, seed_default

Scalars = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Turn:
    """What a phase is given: a batch on the device, and the draws that belong to the step."""

    batch: Tensors
    step: int  # how many steps were done before this one
    seed: int
    index: int  # of the phase within the step

    def rng(self, purpose: str) -> torch.Generator:
        """Return the CPU generator of one purpose within this phase."""
        return keyed(self.seed, self.step, self.index, purpose)


@dataclass(frozen=True, slots=True)
class Phase:
    """One update of one network.

    `objective` maps a turn to named scalars, of which "loss" is minimised; `after_update` is
    called with the step's number once the network has changed. With `new_batch` the phase is
    given the next batch of the data, otherwise the one of the phase before it.
    """

    name: str
    network: nn.Module
    objective: Callable[[Turn], Scalars]
    after_update: Callable[[int], None]
    new_batch: bool = True


def trainable(network: nn.Module) -> list[nn.Parameter]:
    """The parameters that a plugin has not frozen itself."""
    return [p for p in network.parameters() if p.requires_grad]


@contextmanager
def requires_grad(parameters: Sequence[nn.Parameter], flag: bool) -> Iterator[None]:
    """Within the block, record gradients for `parameters` or don't; restore what was before."""
    before = [p.requires_grad for p in parameters]
    for parameter in parameters:
        parameter.requires_grad_(flag)
    try:
        yield
    finally:
        for parameter, was in zip(parameters, before, strict=True):
            parameter.requires_grad_(was)


class Trainer:
    """Runs the phases, step after step.

    A phase freezes every network but its own, takes its objective's gradient, and updates. If
    the loss or a gradient is not finite the network is not updated, the rest of the step is left
    out, the buffers that the step's forward passes changed (BatchNorm's) are put back, and the
    step is counted as skipped.
    `batches` maps a position to a batch on the device; position k is the k-th ever asked for.
    """

    def __init__(
        self,
        phases: Sequence[Phase],
        optimizers: Mapping[str, Optimizer],
        batches: Callable[[int], Tensors],
        *,
        seed: int,
        max_skipped: int = 10,
    ) -> None:
        self.phases = tuple(phases)
        self.optimizers = dict(optimizers)
        self.networks = {phase.name: phase.network for phase in phases}
        self.steps_done = 0
        self.skipped = 0
        self._skipped_in_a_row = 0
        self._max_skipped = max_skipped
        self._batches = batches
        self._seed = seed
        self._batches_a_step = sum(phase.new_batch for phase in phases)
        self._trainable = {name: trainable(net) for name, net in self.networks.items()}
        self._buffers = [b for net in self.networks.values() for b in net.buffers()]

    def step(self) -> Scalars | None:
        """Run the phases once; return their scalars as `phase/name`, or None if one was skipped."""
        scalars: Scalars = {}
        position = self.steps_done * self._batches_a_step
        batch: Tensors = {}
        saved = [buffer.clone() for buffer in self._buffers]
        for index, phase in enumerate(self.phases):
            if phase.new_batch:
                batch = self._batches(position)
                position += 1
            results = self._update(phase, Turn(batch, self.steps_done, self._seed, index))
            if not results:
                if saved:
                    torch._foreach_copy_(self._buffers, saved)
                self._count_skipped(phase)
                return None
            scalars.update({f"{phase.name}/{name}": value for name, value in results.items()})
        self._skipped_in_a_row = 0
        self.steps_done += 1
        return scalars

    def _update(self, phase: Phase, turn: Turn) -> Scalars:
        """Update one network; return nothing if that was not possible with finite numbers."""
        own = self._trainable[phase.name]
        others = [p for name, ps in self._trainable.items() if name != phase.name for p in ps]
        # For what networks draw from torch's default generator: the frames they look at, dropout.
        seed_default(key(turn.seed, turn.step, turn.index, "network"))
        with requires_grad(others, False):
            scalars = phase.objective(turn)
            scalars["loss"].backward()  # type: ignore[no-untyped-call]
        optimizer = self.optimizers[phase.name]
        finite = _finite(scalars["loss"], own)
        if finite:
            optimizer.step()
            phase.after_update(turn.step)
        optimizer.zero_grad()
        return {name: value.detach() for name, value in scalars.items()} if finite else {}

    def _count_skipped(self, phase: Phase) -> None:
        self.steps_done += 1
        self.skipped += 1
        self._skipped_in_a_row += 1
        if self._skipped_in_a_row >= self._max_skipped:
            raise VidganError(
                f"step {self.steps_done}: the {phase.name}'s loss or gradient was not finite "
                f"in {self._skipped_in_a_row} steps in a row",
                hint="try a lower trainer.lr, another loss, or trainer.precision=fp32",
            )


def _finite(loss: Tensor, parameters: Sequence[nn.Parameter]) -> bool:
    """Are the loss and all gradients finite? One reduction, one look from the host.

    The Euclidean norm is used for being 12 times as fast on CPU as the maximum. It overflows where
    a gradient is beyond 1e19, which no step would survive either.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    norm = torch.nn.utils.get_total_norm(gradients)
    return bool(torch.isfinite(norm + loss.detach()))
