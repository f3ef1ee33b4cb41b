"""The players' optimizers, and the learning rate of each step."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import unwrap
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from vidgan_core.config.schema import RunConfig
from vidgan_core.tensors import in_memory_order


class MemoryOrderAdam(Adam):
    """Adam as it is without what keeps torch.compile out of it, which takes a second to import.

    Torch wraps these methods for a compiler that follows a whole training loop; here it is given
    networks alone.
    """

    add_param_group = unwrap(Adam.add_param_group)
    state_dict = unwrap(Adam.state_dict)
    load_state_dict = unwrap(Adam.load_state_dict)
    zero_grad = unwrap(Adam.zero_grad)
    step = torch.no_grad()(unwrap(Adam.step))

    def _init_group(
        self,
        group: dict[str, Any],
        weights: list[Tensor],
        gradients: list[Tensor],
        *moments: list[Tensor],
    ) -> bool:
        """Collect what an update reads and changes, in the order in which each weight lies.

        Torch's kernel for CPUs walks through memory whatever the strides: a gradient in another
        order than its weight would go to other numbers' updates. A gradient that is not in the
        plain order is copied by the kernel, besides, and the copy is not used. Moments lie as
        their weight does, also after `load_optimizer`, and weights have no gaps.
        """
        collect: Any = super()._init_group
        has_complex: bool = collect(group, weights, gradients, *moments)
        gradients[:] = [
            in_memory_order(g, w).contiguous() for g, w in zip(gradients, weights, strict=True)
        ]
        for tensors in (*moments[:-1], weights):  # the last are counts of steps
            tensors[:] = map(in_memory_order, tensors, weights)
        return has_complex


def optimizer(player: str, network: nn.Module, config: RunConfig) -> Adam:
    """Return Adam (Kingma & Ba 2015) with the player's betas."""
    settings = config.trainer
    own = settings.d_betas if player == "discriminator" else ()
    return MemoryOrderAdam(
        network.parameters(), config.rate(player, 0), own or settings.betas, fused=True
    )


def set_rates(optimizers: Mapping[str, Optimizer], config: RunConfig, step: int) -> None:
    """Set the rates of the step that comes: functions of the step, not of what was before it."""
    for player, each in optimizers.items():
        for group in each.param_groups:
            group["lr"] = config.rate(player, step)
