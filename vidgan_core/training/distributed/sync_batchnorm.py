"""BatchNorm over the whole batch where several processes have a part of it each.

Ioffe & Szegedy 2015, algorithm 1, with the means of all processes averaged: equal parts, so that
is the mean of the batch. torch's own SyncBatchNorm is for GPUs alone and has no second derivative.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.autograd import Function
from torch.nn.modules.batchnorm import _BatchNorm

from vidgan_core.tensors import at_least_float32


def synchronise(network: nn.Module) -> None:
    """Turn the BatchNorm layers of a network into synchronised ones, in place.

    They keep their weights, their names and their class as a base.
    """
    for layer in network.modules():
        if isinstance(layer, _BatchNorm):
            kind = type(layer)
            layer.__class__ = type(f"Synchronised{kind.__name__}", (_Synchronised, kind), {})


class _Synchronised(_BatchNorm):
    def forward(self, input: Tensor) -> Tensor:
        """Normalise (B, C, ...) by the statistics of all processes; in eval mode as ever."""
        if not self.training:
            return super().forward(input)
        x = at_least_float32(input)
        axes = [0, *range(2, x.dim())]
        shape = (1, -1, *(1 for _ in axes[1:]))
        mean = everywhere(x.mean(axes))
        away = x - mean.view(shape)
        variance = everywhere(away.square().mean(axes))
        self._follow(mean, variance, len(x) * x[0, 0].numel() * dist.get_world_size())
        scale = (variance + self.eps).rsqrt()
        if self.affine:
            scale = scale * self.weight
        result = away * scale.view(shape)
        if self.affine:
            result = result + self.bias.view(shape)
        return result.to(input.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, count: int) -> None:
        if self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked += 1
        weight = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, weight)
        self.running_var.lerp_(variance * count / (count - 1), weight)


class _Everywhere(Function):
    """The mean over all processes, whose derivative is the mean of theirs, and so on."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        total = tensor.contiguous().clone()
        dist.all_reduce(total)
        return total / dist.get_world_size()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return everywhere(gradient)


def everywhere(tensor: Tensor) -> Tensor:
    """Return the mean of a tensor over all processes; differentiable any number of times."""
    mean: Tensor = _Everywhere.apply(tensor)  # type: ignore[no-untyped-call]
    return mean
