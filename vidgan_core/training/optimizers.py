"""The optimizer of each player's network, and the learning rate of each step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from torch.optim import Optimizer

from vidgan_core.config.schema import RunConfig
from vidgan_core.interfaces import Network, OptimizerFactory
from vidgan_core.plugins.registry import Registry
from vidgan_core.training.schedule import Schedule


def build_optimizer(
    player: str, network: Network, config: RunConfig, registry: Registry
) -> Optimizer:
    """Return the optimizer of a player's network."""
    table = config.optimizer_of(player)
    factory = registry.create("optimizer", table.name, options=table.options)
    return cast(OptimizerFactory, factory).build(network.parameter_groups(), table.lr)


def learning_rate(config: RunConfig, player: str) -> Callable[[int], float]:
    """Return the learning rate of a player's network as a function of the step."""
    settings = config.trainer
    falls = Schedule(config.optimizer_of(player).lr, 0.0, config.horizon, settings.schedule)

    def rate(step: int) -> float:
        rise = min(1.0, (step + 1) / settings.warmup) if settings.warmup else 1.0
        return rise * falls(step)

    return rate


def set_rates(
    optimizers: Mapping[str, Optimizer], rates: Mapping[str, Callable[[int], float]], step: int
) -> None:
    """Set the rates of the step that comes: functions of the step, not of what was before it."""
    for player, optimizer in optimizers.items():
        now = rates[player](step)
        for group in optimizer.param_groups:
            group["lr"] = now * group.get("lr_scale", 1.0)
