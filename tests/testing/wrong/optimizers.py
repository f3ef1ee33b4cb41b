"""An optimizer that is right, and others that break one property each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

import torch
from annotated_types import Ge
from torch import Tensor
from torch.optim import Optimizer

from vidgan_core.interfaces import OptimizerFactory


class Momentum(Optimizer):
    """Gradients, averaged over steps."""

    def __init__(self, groups: Iterable[dict[str, Any]], lr: float) -> None:
        super().__init__(groups, {"lr": lr})

    @torch.no_grad()
    def step(self) -> None:
        for group in self.param_groups:
            for weight in group["params"]:
                self.change(weight, group["lr"])

    def change(self, weight: Tensor, rate: float) -> None:
        if weight.grad is None:
            return
        state = self.state[weight]
        if not state:
            state["mean"] = torch.zeros_like(weight)
        self.average(state, weight.grad)
        weight -= rate * state["mean"]

    def average(self, state: dict[str, Any], gradient: Tensor) -> None:
        state["mean"].mul_(0.5).add_(gradient)


class RightOptimizer(OptimizerFactory):
    kind = Momentum

    def build(self, groups: Iterable[dict[str, Any]], lr: float) -> Optimizer:
        return self.kind(groups, lr)


class OwnRate(RightOptimizer):
    def build(self, groups: Iterable[dict[str, Any]], lr: float) -> Optimizer:
        return self.kind(groups, lr / 2)


class FirstGroup(RightOptimizer):
    def build(self, groups: Iterable[dict[str, Any]], lr: float) -> Optimizer:
        return self.kind([{**group, "lr_scale": 2.0} for group in groups], lr)


class Uphill(RightOptimizer):
    class kind(Momentum):
        def average(self, state: dict[str, Any], gradient: Tensor) -> None:
            super().average(state, -gradient)


class Remembered(RightOptimizer):
    class kind(Momentum):
        def __init__(self, groups: Iterable[dict[str, Any]], lr: float) -> None:
            super().__init__(groups, lr)
            self.rate = lr

        def change(self, weight: Tensor, rate: float) -> None:
            super().change(weight, self.rate)


class Decaying(RightOptimizer):
    class kind(Momentum):
        def change(self, weight: Tensor, rate: float) -> None:
            super().change(weight, rate)
            weight *= 1 - 0.1 * rate


class Replacing(RightOptimizer):
    class kind(Momentum):
        def average(self, state: dict[str, Any], gradient: Tensor) -> None:
            state["mean"] = state["mean"] * 0.5 + gradient


class Counting(RightOptimizer):
    """Its count of steps is a number, which a failed step does not put back."""

    class kind(Momentum):
        def change(self, weight: Tensor, rate: float) -> None:
            state = self.state[weight]
            count = state.get("step", 0) + 1
            if weight.grad is None:
                return
            if "mean" not in state:
                state["mean"] = torch.zeros_like(weight)
            state["step"] = count
            self.average(state, weight.grad)
            weight -= rate * state["mean"] / count


class Forgetful(RightOptimizer):
    """Its mean is not in its state_dict."""

    class kind(Momentum):
        def state_dict(self) -> dict[str, Any]:
            return {**super().state_dict(), "state": {}}


class InMemory(RightOptimizer):
    """Walks through memory whatever the strides."""

    class kind(Momentum):
        def average(self, state: dict[str, Any], gradient: Tensor) -> None:
            mean = state["mean"]
            size = (mean.numel(),)
            mean.as_strided(size, (1,)).mul_(0.5).add_(gradient.as_strided(size, (1,)))


class Shaken(RightOptimizer):
    class kind(Momentum):
        def average(self, state: dict[str, Any], gradient: Tensor) -> None:
            torch.rand(1)
            super().average(state, gradient)


class Unexplained(RightOptimizer):
    def __init__(self, *, momentum: Annotated[float, Ge(0)] = 0.5) -> None:
        self.momentum = momentum


OPTIMIZERS = {
    OwnRate: "build",
    FirstGroup: "build",
    Uphill: "descends",
    Remembered: "rate",
    Decaying: "no_gradient",
    Replacing: "state_in_place",
    Counting: "state_restored",
    Forgetful: "state_dict",
    InMemory: "memory_order",
    Shaken: "no_side_effects",
    Unexplained: "options",
}
