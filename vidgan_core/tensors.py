"""Small functions on tensors that every room may use: dtypes, memory order, finite numbers."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torch.overrides import TorchFunctionMode

_double_backward: ContextVar[bool] = ContextVar("double_backward", default=False)


@contextmanager
def second_derivatives() -> Iterator[None]:
    """Within the block, tell layers that their gradients will be differentiated again.

    For a penalty on gradients: the derivatives are the same without. An accelerator may compute
    its layers so that their second derivatives take less time (see `vidgan_prepare_module`).
    """
    before = _double_backward.set(True)
    try:
        yield
    finally:
        _double_backward.reset(before)


def second_derivatives_wanted() -> bool:
    """Say whether the calling code runs within `second_derivatives`."""
    return _double_backward.get()


def at_least_float32(tensor: Tensor) -> Tensor:
    """Return `tensor` in at least float32: what losses and terms are computed in."""
    return tensor.float() if tensor.dtype in (torch.bfloat16, torch.float16) else tensor


def in_memory_order(tensor: Tensor, like: Tensor | None = None) -> Tensor:
    """Return a view with the dimensions in the order in which they, or another's, lie in memory."""
    like = tensor if like is None else like
    if like.is_contiguous():
        return tensor
    return tensor.permute(sorted(range(like.dim()), key=like.stride, reverse=True))


def flat(tensor: Tensor) -> Tensor:
    """Return all numbers of a tensor in a row, as they lie in memory; a copy if it has gaps."""
    return in_memory_order(tensor.detach()).reshape(-1)


def to_like(tensor: Tensor, like: Tensor) -> Tensor:
    """Move `tensor` to the device, and a floating-point one to the dtype, of `like`."""
    dtype = like.dtype if tensor.is_floating_point() else tensor.dtype
    return tensor.to(like.device, dtype, non_blocking=True)


def finite(tensors: Sequence[Tensor]) -> bool:
    """Are all numbers finite? One look from the host.

    Their squares are summed up, which is the fastest pass over them. That overflows where a
    number is beyond 1e19, which no step would survive either: Adam squares it as well.
    """
    if not tensors:
        return True
    if tensors[0].is_cuda:  # where few kernels count
        return bool(torch.isfinite(torch.nn.utils.get_total_norm(tensors)))
    return math.isfinite(sum(float(torch.dot(v, v)) for v in map(flat, tensors)))


def not_finite(tensors: Mapping[str, Tensor]) -> list[str]:
    """Return the names of the tensors that hold a NaN, an infinity, or a number beyond 1e19."""
    floating = {name: t for name, t in tensors.items() if t.is_floating_point()}
    if finite(list(floating.values())):
        return []
    return [name for name, tensor in floating.items() if not finite([tensor])]


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


@contextmanager
def without_memory() -> Iterator[None]:
    """Within the block, build modules on the meta device: names and shapes without numbers.

    For some operations torch then imports its compiler, which takes seconds and changes filters
    of warnings and a variable of the environment. Both are put back.
    """
    environment = set(os.environ)
    with warnings.catch_warnings(), torch.device("meta"), _WithoutDraws():
        try:
            yield
        finally:
            for name in set(os.environ) - environment:
                del os.environ[name]


class _WithoutDraws(TorchFunctionMode):
    """Leaves out what fills a tensor without memory with random numbers.

    Most networks do nothing else that torch would import its compiler for.
    """

    draws = frozenset(
        {Tensor.normal_, Tensor.uniform_, Tensor.bernoulli_, Tensor.exponential_, Tensor.random_}
    )

    def __torch_function__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = kwargs or {}
        filled = args[0] if args else named.get("tensor")
        draws = func in self.draws or getattr(func, "__module__", None) == "torch.nn.init"
        if draws and isinstance(filled, Tensor) and filled.is_meta:
            return filled
        return func(*args, **named)


def resized(picture: Tensor, height: int, width: int) -> Tensor:
    """Bring the last two dimensions of a picture to another size.

    Of floats each new pixel is the mean of what it covers; of whole numbers, such as the labels of
    a map, the nearest one: they are never mixed.
    """
    if picture.shape[-2:] == (height, width):
        return picture
    if picture.is_floating_point():
        planes = picture.flatten(1, -3) if picture.ndim > 4 else picture
        covered: Tensor = interpolate(planes, (height, width), mode="area")
        return covered.view(*picture.shape[:-2], height, width)
    rows, columns = (
        ((torch.arange(new, device=picture.device) + 0.5) * old / new).long()
        for new, old in zip((height, width), picture.shape[-2:], strict=True)
    )
    return picture[..., rows[:, None], columns]
