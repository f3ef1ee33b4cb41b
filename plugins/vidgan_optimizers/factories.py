"""The optimizers with their options, which are torch's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le, Lt, doc
from torch.optim import SGD, Optimizer, RMSprop

from vidgan_core.interfaces import OptimizerFactory
from vidgan_optimizers.adam import MemoryOrderAdam, MemoryOrderAdamW, without_compiler

Groups = Iterable[dict[str, Any]]
Beta = Annotated[float, Ge(0), Lt(1)]
Betas = Annotated[
    tuple[Beta, Beta], doc("decay of the gradient's and its square's running averages")
]
Epsilon = Annotated[float, Gt(0), Le(1), doc("added to the denominator")]
Decay = Annotated[float, Ge(0), Le(1), doc("weight decay")]
Momentum = Annotated[float, Ge(0), Lt(1), doc("share of the last update that is kept")]


class AdamFactory(OptimizerFactory):
    """Adam (Kingma & Ba 2015, algorithm 1), fused; with weight decay as an L2 penalty."""

    def __init__(
        self, *, betas: Betas = (0.5, 0.999), eps: Epsilon = 1e-8, weight_decay: Decay = 0.0
    ) -> None:
        self.options: dict[str, Any] = {"betas": betas, "eps": eps, "weight_decay": weight_decay}

    def build(self, groups: Groups, lr: float) -> Optimizer:
        """Return the optimizer."""
        made: Optimizer = MemoryOrderAdam(groups, lr, fused=True, **self.options)
        return made


class AdamWFactory(OptimizerFactory):
    """AdamW (Loshchilov & Hutter 2019, algorithm 2), fused."""

    def __init__(
        self, *, betas: Betas = (0.5, 0.999), eps: Epsilon = 1e-8, weight_decay: Decay = 0.01
    ) -> None:
        self.options: dict[str, Any] = {"betas": betas, "eps": eps, "weight_decay": weight_decay}

    def build(self, groups: Groups, lr: float) -> Optimizer:
        """Return the optimizer."""
        made: Optimizer = MemoryOrderAdamW(groups, lr, fused=True, **self.options)
        return made


class RMSPropFactory(OptimizerFactory):
    """RMSProp (Tieleman & Hinton 2012, lecture 6.5)."""

    def __init__(
        self,
        *,
        alpha: Annotated[Beta, doc("decay of the squared gradient's running average")] = 0.99,
        eps: Epsilon = 1e-8,
        momentum: Momentum = 0.0,
        weight_decay: Decay = 0.0,
    ) -> None:
        self.options = {
            "alpha": alpha,
            "eps": eps,
            "momentum": momentum,
            "weight_decay": weight_decay,
        }

    def build(self, groups: Groups, lr: float) -> Optimizer:
        """Return the optimizer."""
        made: Optimizer = without_compiler(RMSprop)(groups, lr, **self.options)
        return made


class SGDFactory(OptimizerFactory):
    """Stochastic gradient descent."""

    def __init__(
        self,
        *,
        momentum: Momentum = 0.0,
        nesterov: Annotated[bool, doc("look ahead along the momentum (Nesterov 1983)")] = False,
        weight_decay: Decay = 0.0,
    ) -> None:
        self.options: dict[str, Any] = {
            "momentum": momentum,
            "nesterov": nesterov and momentum > 0,
            "weight_decay": weight_decay,
        }

    def build(self, groups: Groups, lr: float) -> Optimizer:
        """Return the optimizer."""
        made: Optimizer = without_compiler(SGD)(groups, lr, **self.options)
        return made
