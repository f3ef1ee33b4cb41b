"""Building networks whose options nobody vouches for: counted and weighed while they are built."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.nn.modules import module as hooks
from torch.nn.parameter import is_lazy

from vidgan_core.errors import UsageError
from vidgan_core.memory import available

MAX_TENSORS = 4000  # of one network: with its moments, another one and an average, a file has them
LAYERS_A_TENSOR = 8  # layers without weights, and those that only hold others
SLACK = 1000


class _Budget:
    """What a network may still take. The hooks are called before a tensor's pages are touched."""

    def __init__(self, tensors: int) -> None:
        self.most = tensors
        self.tensors = tensors + SLACK
        self.layers = tensors * LAYERS_A_TENSOR + SLACK
        self.bytes = available()

    def tensor(self, module: nn.Module, name: str, value: Tensor | None) -> None:
        self.tensors -= 1
        if value is not None and not is_lazy(value):
            self.bytes -= value.numel() * value.element_size()
        if self.tensors < 0:
            raise UsageError(f"a network of more than {self.most:,} tensors is not built")
        if self.bytes < 0:
            raise UsageError("out of memory: a network's weights alone are more than there is")

    def layer(self, module: nn.Module, name: str, value: nn.Module | None) -> None:
        self.layers -= 1
        if self.layers < 0:
            raise UsageError(f"a network of more layers than {self.most:,} tensors have")


@contextmanager
def bounded_build(tensors: int = MAX_TENSORS) -> Iterator[None]:
    """Within the block a network may be built of about so many tensors, and of layers for them.

    By default as many as can be saved with all that belongs to them. Raises UsageError at the
    first one too many, or when the weights are more bytes than there are: a depth of 10**9 is
    refused after a moment.
    """
    budget = _Budget(tensors)
    handles = [
        hooks.register_module_parameter_registration_hook(budget.tensor),
        hooks.register_module_buffer_registration_hook(budget.tensor),
        hooks.register_module_module_registration_hook(budget.layer),
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
