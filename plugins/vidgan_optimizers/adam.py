"""Adam and AdamW whose CPU kernel is right whatever the tensors' order in memory."""

from __future__ import annotations

from inspect import unwrap
from typing import Any

import torch
from torch import Tensor
from torch.optim import Adam, AdamW, Optimizer

from vidgan_core.tensors import in_memory_order


class MemoryOrder:
    """Gives torch's fused kernel weights, gradients and moments in one order of memory."""

    def _init_group(
        self,
        group: dict[str, Any],
        weights: list[Tensor],
        gradients: list[Tensor],
        *moments: list[Tensor],
    ) -> bool:
        """Collect what an update reads and changes, in the order in which each weight lies.

        Torch's kernel for CPUs (2.13) walks through memory whatever the strides: a gradient in
        another order than its weight would go to other numbers' updates. A gradient that is not in
        the plain order is copied by the kernel, besides, and the copy is not used. Moments lie as
        their weight does, also after a resume, and weights have no gaps.
        """
        collect: Any = super()._init_group  # type: ignore[misc]
        has_complex: bool = collect(group, weights, gradients, *moments)
        gradients[:] = [
            in_memory_order(g, w).contiguous() for g, w in zip(gradients, weights, strict=True)
        ]
        for tensors in (*moments[:-1], weights):  # the last are counts of steps
            tensors[:] = map(in_memory_order, tensors, weights)
        return has_complex


def without_compiler(kind: type[Optimizer]) -> Any:
    """Return an optimizer class without what keeps torch.compile out of its methods.

    Torch wraps them for a compiler that follows a whole training loop, and importing that compiler
    takes a second; here it is given networks alone.
    """
    names = ("add_param_group", "state_dict", "load_state_dict", "zero_grad")
    methods: dict[str, Any] = {name: unwrap(getattr(kind, name)) for name in names}
    methods["step"] = torch.no_grad()(unwrap(kind.step))
    return type(kind.__name__, (kind,), methods)


class MemoryOrderAdam(MemoryOrder, without_compiler(Adam)):  # type: ignore[misc]
    """Adam (Kingma & Ba 2015)."""


class MemoryOrderAdamW(MemoryOrder, without_compiler(AdamW)):  # type: ignore[misc]
    """AdamW (Loshchilov & Hutter 2019)."""
