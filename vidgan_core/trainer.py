"""The alternating training engine: it runs phases and knows neither loss nor architecture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from vidgan_core.health import DivergedError, finite, not_finite, watched
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


class Undo:
    """What an update changes, kept to put it back: a network's weights and its moments.

    It takes as much memory as they do, and the time to copy them.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], optimizer: Optimizer) -> None:
        self._parameters = list(parameters)
        self._optimizer = optimizer
        self._kept: list[Tensor] = []

    @torch.no_grad()
    def keep(self) -> None:
        """Copy everything as it is now."""
        tensors = self._tensors()
        if len(self._kept) == len(tensors):
            torch._foreach_copy_(self._kept, tensors)
        else:  # the first time, and once more when the optimizer has made its moments
            self._kept = [tensor.clone() for tensor in tensors]

    @torch.no_grad()
    def put_back(self) -> None:
        """Make everything what it was when it was kept."""
        if len(self._tensors()) > len(self._kept):
            self._optimizer.state.clear()  # there were no moments before the first update
        torch._foreach_copy_(self._tensors(), self._kept)

    def _tensors(self) -> list[Tensor]:
        """Weights and moments, in an order that loading a state can't change."""
        states = [self._optimizer.state.get(p, {}) for p in self._parameters]
        moments = [state[name] for state in states for name in sorted(state)]
        return [*self._parameters, *(m for m in moments if isinstance(m, Tensor))]


class Trainer:
    """Runs the phases, step after step.

    A phase freezes every network but its own, takes its objective's gradient, and updates. If
    the loss, a gradient or a buffer (BatchNorm's statistics) is not finite the whole step is
    skipped and counted: the rest of it is left out, and weights, moments and buffers are put back
    as they were before it, those that an earlier phase had updated included.
    `batches` maps a position to a batch on the device; position k is the k-th ever asked for.
    `others` are modules besides the networks whose buffers a step may change (terms).
    """

    def __init__(
        self,
        phases: Sequence[Phase],
        optimizers: Mapping[str, Optimizer],
        batches: Callable[[int], Tensors],
        *,
        seed: int,
        max_skipped: int = 10,
        others: Sequence[nn.Module] = (),
    ) -> None:
        self.phases = tuple(phases)
        self.optimizers = dict(optimizers)
        self.networks = {phase.name: phase.network for phase in phases}
        self.steps_done = 0
        self.skipped = 0
        self.skipped_in_a_row = 0
        self.stream = 0  # which of the seed's noise streams; another after each roll back
        self._max_skipped = max_skipped
        self._batches = batches
        self._seed = seed
        self._batches_a_step = sum(phase.new_batch for phase in phases)
        self._trainable = {name: trainable(net) for name, net in self.networks.items()}
        # The last phase's update is never undone: nothing comes after it.
        undone = {phase.name for phase in phases[:-1]}
        self._undo = {n: Undo(self._trainable[n], self.optimizers[n]) for n in sorted(undone)}
        modules = (*self.networks.values(), *others)
        self._buffers = [b for module in modules for b in module.buffers()]
        self._statistics = [b for b in self._buffers if b.is_floating_point()]

    def step(self) -> Scalars | None:
        """Run the phases once; return their scalars as `phase/name`, or None if one was skipped.

        Raises DivergedError when too many steps in a row were skipped.
        """
        scalars: Scalars = {}
        position = self.steps_done * self._batches_a_step
        seed = key(self._seed, "stream", self.stream) if self.stream else self._seed
        batch: Tensors = {}
        saved = [buffer.clone() for buffer in self._buffers]
        for undo in self._undo.values():
            undo.keep()
        for index, phase in enumerate(self.phases):
            if phase.new_batch:
                batch = self._batches(position)
                position += 1
            turn = Turn(batch, self.steps_done, seed, index)
            results = self._update(phase, turn)
            if not results:
                for undo in self._undo.values():
                    undo.put_back()
                self._put_back(saved)
                self._count_skipped(phase, turn)
                return None
            scalars.update({f"{phase.name}/{name}": value for name, value in results.items()})
        self.skipped_in_a_row = 0
        self.steps_done += 1
        return scalars

    def _update(self, phase: Phase, turn: Turn) -> Scalars:
        """Update one network; return nothing if that was not possible with finite numbers."""
        scalars = self._differentiate(phase, turn)
        optimizer = self.optimizers[phase.name]
        gradients = [p.grad for p in self._trainable[phase.name] if p.grad is not None]
        healthy = finite([scalars["loss"].detach(), *gradients, *self._statistics])
        if healthy:
            optimizer.step()
            phase.after_update(turn.step)
        optimizer.zero_grad()
        return {name: value.detach() for name, value in scalars.items()} if healthy else {}

    def _differentiate(self, phase: Phase, turn: Turn) -> Scalars:
        """Compute a phase's scalars, and the gradients of its network alone."""
        others = [p for name, ps in self._trainable.items() if name != phase.name for p in ps]
        # For what networks draw from torch's default generator: the frames they look at, dropout.
        seed_default(key(turn.seed, turn.step, turn.index, "network"))
        with requires_grad(others, False):
            scalars = phase.objective(turn)
            scalars["loss"].backward()  # type: ignore[no-untyped-call]
        return scalars

    def _put_back(self, saved: list[Tensor]) -> None:
        if saved:
            torch._foreach_copy_(self._buffers, saved)

    def _count_skipped(self, phase: Phase, turn: Turn) -> None:
        self.steps_done += 1
        self.skipped += 1
        self.skipped_in_a_row += 1
        if self.skipped_in_a_row >= self._max_skipped:
            raise DivergedError(
                f"step {self.steps_done}: {self.skipped_in_a_row} steps in a row could not update "
                f"the {phase.name} with finite numbers: {self._diagnose(phase, turn)}"
            )

    def _diagnose(self, phase: Phase, turn: Turn) -> str:
        """Run a phase once more and say what is not finite first: batch, layer, loss or gradient.

        The networks are left as they were.
        """
        if bad := not_finite(turn.batch):
            return f"the batch's {bad[0]!r} holds numbers that are not finite"
        saved = [buffer.clone() for buffer in self._buffers]
        with watched(self.networks) as layers:
            scalars = self._differentiate(phase, turn)
        named = phase.network.named_parameters()
        gradients = not_finite({name: p.grad for name, p in named if p.grad is not None})
        self.optimizers[phase.name].zero_grad()
        self._put_back(saved)
        losses = not_finite({name: value for name, value in scalars.items() if name != "loss"})
        said = f"its {losses[0]!r} is {scalars[losses[0]].item()}" if losses else ""
        if layers:
            said += f"{', ' if said else ''}first in the output of {layers[0]}"
        elif gradients and not losses:  # a backward pass reaches the last layer first
            said = f"first in the gradient of {phase.name}.{gradients[-1]}"
        return said or "it does not happen again when the step is repeated"
