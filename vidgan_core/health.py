"""Numbers that went wrong: is everything finite, and if not, where did it start?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from vidgan_core.errors import VidganError
from vidgan_core.precision import flat


class DivergedError(VidganError):
    """Training can't go on from where it is: its numbers are not finite."""


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


@contextmanager
def watched(networks: Mapping[str, nn.Module]) -> Iterator[list[str]]:
    """Within the block, list the layers whose output is not finite, in the order they run."""
    found: list[str] = []

    def look(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(layer: nn.Module, given: tuple[Any, ...], output: Any) -> None:
            if any(output is each for each in given):
                return  # it hands on what it was given
            if not all(torch.isfinite(t).all() for t in _tensors(output)):
                found.append(f"{name} ({type(layer).__name__})")

        return hook

    with ExitStack() as hooks:
        for network, module in networks.items():
            for name, layer in module.named_modules():
                if not any(layer.children()):
                    handle = layer.register_forward_hook(look(f"{network}.{name}"))
                    hooks.callback(handle.remove)
        yield found


def _tensors(output: Any) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, tuple | list):
        for each in output:
            yield from _tensors(each)
