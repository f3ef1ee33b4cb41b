"""Numbers that went wrong: is everything finite, and if not, where did it start?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from vidgan_core.errors import VidganError


class DivergedError(VidganError):
    """Training can't go on from where it is: its numbers are not finite."""


@contextmanager
def record_nonfinite_layers(networks: Mapping[str, nn.Module]) -> Iterator[list[str]]:
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
