"""The conformance suite of optimizers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from vidgan_core.errors import ComponentError
from vidgan_core.interfaces import OptimizerFactory
from vidgan_core.plugins.kinds import Kind
from vidgan_core.rng import keyed
from vidgan_core.testing.suite import Subject, Suite
from vidgan_core.training.state import flatten, load_optimizer, unflatten

SHAPES = ((5, 3, 2, 4, 4), (5,))  # a convolution's weight and bias
RATE = 0.01
STEPS = 40
PLAIN, CHANNELS_LAST = torch.contiguous_format, torch.channels_last_3d


class OptimizerSuite(Suite):
    """Checks of what an optimizer factory builds, on the weights of a convolution over videos."""

    kind: ClassVar[Kind] = "optimizer"

    def weights(self, order: torch.memory_format = PLAIN) -> list[nn.Parameter]:
        """Return weights, the same each time, that lie in an order of memory."""
        rng = keyed(0, "conformance")
        drawn = [torch.randn(shape, generator=rng) for shape in SHAPES]
        return [nn.Parameter(in_order(tensor, order)) for tensor in drawn]

    def optimizer(self, subject: Subject, weights: Sequence[nn.Parameter]) -> Optimizer:
        """Build an optimizer of two groups; skip the check where a package is missing."""
        try:
            factory: OptimizerFactory = self.make(subject)
        except ComponentError as error:
            pytest.skip(str(error))
        return factory.build([{"params": [w], "lr_scale": 1.0} for w in weights], RATE)

    def trained(
        self, subject: Subject, weights: list[nn.Parameter], steps: int = 3
    ) -> tuple[Optimizer, list[Tensor]]:
        """Take steps with fixed gradients; return the optimizer and the weights as they are now."""
        optimizer = self.optimizer(subject, weights)
        update(optimizer, weights, range(steps))
        return optimizer, [w.detach().clone(memory_format=PLAIN) for w in weights]

    def test_build(self, subject: Subject) -> None:
        """It is torch's kind of optimizer, over all groups, at the rate that is asked for."""
        weights = self.weights()
        optimizer = self.optimizer(subject, weights)
        assert isinstance(optimizer, Optimizer), "build() returns no torch.optim.Optimizer"
        found = [id(p) for group in optimizer.param_groups for p in group["params"]]
        assert found == list(map(id, weights)), "it is not over the parameters of the groups"
        for group in optimizer.param_groups:
            assert group["lr"] == RATE, "the learning rate is not the one that is given"
            assert group.get("lr_scale") == 1, "a group loses what stands in it"

    def test_descends(self, subject: Subject) -> None:
        """Steps along the gradient change every weight and bring a quadratic down."""
        weights = self.weights()
        before = [w.detach().clone() for w in weights]
        optimizer, values = self.optimizer(subject, weights), []
        for _ in range(STEPS):
            value = torch.stack([w.square().sum() for w in weights]).sum()
            values.append(value.item())
            value.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            optimizer.zero_grad()
        for weight, was in zip(weights, before, strict=True):
            assert not torch.equal(weight, was), "a weight does not change"
        assert values[-1] < values[0], "the quadratic does not come down"

    def test_rate(self, subject: Subject) -> None:
        """Each step's rate is that of the groups: at 0 nothing changes."""
        weights = self.weights()
        optimizer = self.optimizer(subject, weights)
        update(optimizer, weights, [0])
        before = [w.detach().clone() for w in weights]
        for group in optimizer.param_groups:
            group["lr"] = 0.0
        update(optimizer, weights, [1])
        for weight, was in zip(weights, before, strict=True):
            assert torch.equal(weight, was), "weights change at a learning rate of 0"

    def test_no_gradient(self, subject: Subject) -> None:
        """A parameter without a gradient stays as it is."""
        weights = self.weights()
        before = weights[1].detach().clone()
        optimizer = self.optimizer(subject, weights)
        for number in range(2):
            weights[0].grad = gradients(number)[0]
            optimizer.step()
            optimizer.zero_grad()
        assert torch.equal(weights[1], before), "a weight without a gradient changes"

    def test_state_in_place(self, subject: Subject) -> None:
        """Its state stays the same tensors after the first step: a failed step is undone in them.

        What was copied from them before a step is put back into them after it.
        """
        weights = self.weights()
        optimizer = self.optimizer(subject, weights)
        update(optimizer, weights, [0])
        first = tensors_of(optimizer)
        update(optimizer, weights, [1])
        second = tensors_of(optimizer)
        assert first.keys() == second.keys(), "a later step adds to its state"
        for place, tensor in first.items():
            assert second[place] is tensor, f"{place[1]} is another tensor after a step"

    def test_state_restored(self, subject: Subject) -> None:
        """Weights and state of before a step, put back in place, lead to the same step again.

        A number that is kept elsewhere, such as a count of steps, would have moved on.
        """
        weights = self.weights()
        optimizer = self.optimizer(subject, weights)
        update(optimizer, weights, [0])
        kept = [t.detach().clone() for t in (*weights, *tensors_of(optimizer).values())]
        update(optimizer, weights, [1])
        once = [w.detach().clone() for w in weights]
        with torch.no_grad():
            live = (*weights, *tensors_of(optimizer).values())
            for tensor, was in zip(live, kept, strict=True):
                tensor.copy_(was)
        update(optimizer, weights, [1])
        for weight, expected in zip(weights, once, strict=True):
            assert torch.equal(weight, expected), "a part of its state is no tensor in `state`"

    def test_state_dict(self, subject: Subject) -> None:
        """Its state goes through a checkpoint and back without losing a bit."""
        for order in (PLAIN, CHANNELS_LAST):
            weights = self.weights(order)
            optimizer, _ = self.trained(subject, weights)
            tensors, plain = flatten(optimizer.state_dict())
            saved = {name: tensor.clone(memory_format=PLAIN) for name, tensor in tensors.items()}
            others = [nn.Parameter(w.detach().clone()) for w in weights]
            other = self.optimizer(subject, others)
            load_optimizer(other, unflatten(saved, json.loads(json.dumps(plain))))
            update(optimizer, weights, [3, 4])
            update(other, others, [3, 4])
            for weight, again in zip(weights, others, strict=True):
                assert torch.equal(weight, again), "resumed, it takes other steps"

    def test_memory_order(self, subject: Subject) -> None:
        """Weights and gradients are taken for what they are, in whatever order of memory."""
        _, expected = self.trained(subject, self.weights())
        for order in (PLAIN, CHANNELS_LAST):
            weights = self.weights(order)
            optimizer = self.optimizer(subject, weights)
            for number in range(3):
                for weight, gradient in zip(weights, gradients(number), strict=True):
                    other = CHANNELS_LAST if order is PLAIN else PLAIN
                    weight.grad = in_order(gradient, other)
                optimizer.step()
            for weight, plain in zip(weights, expected, strict=True):
                torch.testing.assert_close(weight.detach(), plain, msg="mixed up in memory")
            if order is CHANNELS_LAST:
                kept = weights[0].is_contiguous(memory_format=CHANNELS_LAST)
                assert kept, "a weight lies in another order after a step"

    def test_no_side_effects(self, subject: Subject) -> None:
        """The same steps twice give the same bits, and torch's default generator is left alone."""
        before = torch.random.get_rng_state()
        _, first = self.trained(subject, self.weights())
        _, second = self.trained(subject, self.weights())
        assert all(map(torch.equal, first, second)), "the same steps lead elsewhere"
        assert torch.equal(torch.random.get_rng_state(), before), "random numbers are drawn"


def gradients(number: int) -> list[Tensor]:
    """Return the gradients of a step."""
    rng = keyed(number, "gradient")
    return [torch.randn(shape, generator=rng) for shape in SHAPES]


def update(optimizer: Optimizer, weights: Sequence[nn.Parameter], numbers: Sequence[int]) -> None:
    """Take the steps of these numbers, each with its gradients, in the weights' memory order."""
    for number in numbers:
        for weight, gradient in zip(weights, gradients(number), strict=True):
            weight.grad = torch.empty_like(weight).copy_(gradient)
        optimizer.step()
        optimizer.zero_grad()


def tensors_of(optimizer: Optimizer) -> dict[tuple[int, str], Tensor]:
    """Return the tensors of an optimizer's state, by parameter and name."""
    return {
        (number, name): value
        for number, entries in enumerate(optimizer.state.values())
        for name, value in entries.items()
        if isinstance(value, Tensor)
    }


def in_order(tensor: Tensor, order: torch.memory_format) -> Tensor:
    """Lay a tensor out in memory, if it has the dimensions for it."""
    return tensor.contiguous(memory_format=order) if tensor.ndim == 5 else tensor.clone()
