"""The alternating training engine: it runs phases and knows neither loss nor architecture."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from vidgan_core.interfaces import Tensors
from vidgan_core.interfaces.game import Phase, PhaseBatch, Scalars
from vidgan_core.rng import key, seed_default
from vidgan_core.tensors import finite, not_finite, requires_grad, trainable
from vidgan_core.training.distributed.process_group import SINGLE, ProcessGroup
from vidgan_core.training.finite_check import DivergedError, record_nonfinite_layers
from vidgan_core.training.snapshot import StepSnapshot

Span = Callable[[str], AbstractContextManager[object]]


class Trainer:
    """Runs the phases, step after step.

    A phase freezes every network but its own, takes its objective's gradient, and updates. If
    the loss, a gradient or a buffer (BatchNorm's statistics) is not finite the whole step is
    skipped and counted: the rest of it is left out, and weights, moments and buffers are put back
    as they were before it, those that an earlier phase had updated included.
    `batches` maps a position to a batch on the device; position k is the k-th ever asked for.
    With `accumulate` a phase goes through its batch in as many equal shards, one after another,
    before it updates; each process of a `group` has its own shards of the batch.
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
        accumulate: int = 1,
        group: ProcessGroup = SINGLE,
    ) -> None:
        self.phases = tuple(phases)
        self.optimizers = dict(optimizers)
        self.networks = {phase.player: phase.network for phase in phases}
        self.steps_done = 0
        self.skipped = 0
        self.skipped_in_a_row = 0
        self.noise_stream = 0  # which of the seed's noise streams; another after each roll back
        self.span: Span = nullcontext  # told what the time is being spent on
        self._max_skipped = max_skipped
        self._batches = batches
        self._seed = seed
        self._accumulate = accumulate
        self._group = group
        self._batches_a_step = sum(phase.new_batch for phase in phases)
        self._trainable = {name: trainable(net) for name, net in self.networks.items()}
        modules = (*self.networks.values(), *others)
        buffers = [b for module in modules for b in module.buffers()]
        self._statistics = [b for b in buffers if b.is_floating_point()]
        counters = [b for b in buffers if not b.is_floating_point()]
        # The last phase's update is never undone: nothing comes after it in a step.
        undone = {phase.player: self._trainable[phase.player] for phase in phases[:-1]}
        self._snapshot = StepSnapshot([*self._statistics, *counters], undone, self.optimizers)

    def step(self) -> Scalars | None:
        """Run the phases once; return their scalars as `phase/name`, or None if one was skipped.

        Raises DivergedError when too many steps in a row were skipped.
        """
        scalars: Scalars = {}
        at = position = self.steps_done * self._batches_a_step
        seed = key(self._seed, "stream", self.noise_stream) if self.noise_stream else self._seed
        batch: Tensors = {}
        with self.span("snapshot"):
            self._snapshot.save()
        for index, phase in enumerate(self.phases):
            if phase.new_batch:
                batch, at, position = {}, position, position + 1
            if not phase.active(self.steps_done):
                continue
            if not batch:
                with self.span("data"):
                    batch = self._batches(at)
            turn = PhaseBatch(batch, self.steps_done, seed, index)
            results = self._update(phase, turn)
            if not results:
                self._snapshot.restore()
                self._count_skipped(phase, turn)
                return None
            scalars.update({f"{phase.player}/{name}": value for name, value in results.items()})
        self.skipped_in_a_row = 0
        self.steps_done += 1
        return scalars

    def abandon(self) -> None:
        """Put back what a step has changed that could not be finished."""
        self._snapshot.restore()

    def _update(self, phase: Phase, turn: PhaseBatch) -> Scalars:
        """Update one network; return nothing if that was not possible with finite numbers."""
        scalars = self._differentiate(phase, turn)
        optimizer, parameters = self.optimizers[phase.player], self._trainable[phase.player]
        with self.span(f"{phase.player}/reduce"):
            before = self._snapshot.buffers[: len(self._statistics)]
            scalars = self._group.reduce(parameters, self._statistics, before, scalars)
        with self.span(f"{phase.player}/check"):
            gradients = [p.grad for p in parameters if p.grad is not None]
            healthy = finite([scalars["loss"], *gradients, *self._statistics])
        with self.span(f"{phase.player}/update"):
            if healthy:
                optimizer.step()
                phase.after_update(turn.step)
            optimizer.zero_grad()
        return scalars if healthy else {}

    def _differentiate(self, phase: Phase, turn: PhaseBatch) -> Scalars:
        """Compute a phase's scalars, and the gradients of its network alone."""
        others = [p for name, ps in self._trainable.items() if name != phase.player for p in ps]
        found: list[Scalars] = []
        with requires_grad(others, False):
            for shard in self._shards(turn):
                # For what networks draw from torch's default generator: frames, dropout.
                seed_default(key(turn.seed, turn.step, turn.index, "network", *_which(shard)))
                with self.span(f"{phase.player}/forward"):
                    scalars = phase.objective(shard)
                with self.span(f"{phase.player}/backward"):
                    _share(scalars["loss"], self._accumulate).backward()  # type: ignore[no-untyped-call]
                found.append({name: value.detach() for name, value in scalars.items()})
        return _mean(found)

    def _shards(self, turn: PhaseBatch) -> Iterator[PhaseBatch]:
        """Yield the turns that a phase takes one after another, each with a part of the batch."""
        count = self._accumulate
        parts = self._group.size * count
        if parts == 1:
            yield turn
            return
        for number in range(count):
            rows = {name: tensor.chunk(count)[number] for name, tensor in turn.batch.items()}
            part = self._group.rank * count + number
            yield replace(turn, batch=rows, shard=part, shards=parts)

    def _count_skipped(self, phase: Phase, turn: PhaseBatch) -> None:
        self.steps_done += 1
        self.skipped += 1
        self.skipped_in_a_row += 1
        if self.skipped_in_a_row >= self._max_skipped:
            findings = filter(None, self._group.gather(self._diagnose(phase, turn)))
            raise DivergedError(
                f"step {self.steps_done}: {self.skipped_in_a_row} steps in a row could not update "
                f"the {phase.player} with finite numbers: "
                + next(findings, "it does not happen again when the step is repeated")
            )

    def _diagnose(self, phase: Phase, turn: PhaseBatch) -> str:
        """Run a phase once more and say what is not finite first: batch, layer, loss or gradient.

        The networks are left as they were.
        """
        bad = not_finite(turn.batch)
        with record_nonfinite_layers(self.networks) as layers:
            scalars = self._differentiate(phase, turn)
        named = phase.network.named_parameters()
        gradients = not_finite({name: p.grad for name, p in named if p.grad is not None})
        self.optimizers[phase.player].zero_grad()
        self._snapshot.restore()
        if bad:
            return f"the batch's {bad[0]!r} holds numbers that are not finite"
        losses = not_finite({name: value for name, value in scalars.items() if name != "loss"})
        finding = f"its {losses[0]!r} is {scalars[losses[0]].item()}" if losses else ""
        if layers:
            finding += f"{', ' if finding else ''}first in the output of {layers[0]}"
        elif gradients and not losses:  # a backward pass reaches the last layer first
            finding = f"first in the gradient of {phase.player}.{gradients[-1]}"
        return finding


def _which(turn: PhaseBatch) -> tuple[int, ...]:
    """Return what tells the draws of one part from those of the others."""
    return (turn.shard,) if turn.shards > 1 else ()


def _share(loss: Tensor, count: int) -> Tensor:
    return loss / count if count > 1 else loss


def _mean(found: Sequence[Scalars]) -> Scalars:
    """Return the means of scalars that each part has given."""
    if len(found) == 1:
        return found[0]
    return {name: torch.stack([part[name] for part in found]).mean() for name in found[0]}
