"""bf16 on a CPU that does not multiply it: its numbers, from single precision's kernels.

A bf16 unit multiplies numbers of 8 significant bits exactly, adds up in single precision and rounds
the sum. Widening what is multiplied, computing in fp32 and rounding the outcome is the same but for
the order of the sum. torch's own kernels for such processors took 50 times as long, and some of
them give numbers that are not finite (torch 2.13, AVX-512 without bf16 instructions).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
MULTIPLYING = {
    aten.convolution,
    aten.convolution_backward,
    aten.mm,
    aten.addmm,
    aten.bmm,
    aten.baddbmm,
    aten.mv,
    aten.addmv,
    aten.mkldnn_rnn_layer,
    aten.mkldnn_rnn_layer_backward,
}


class EmulatedBf16(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Within the block, forwards and backwards, whatever multiplies bf16 numbers does so in fp32.

    Everything else is as it was: what is given, kept and added one by one is bf16 where autocast
    makes it so.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run one operator."""
        named = kwargs or {}
        if func.overloadpacket not in MULTIPLYING or not any(map(_is_bf16, args)):
            return func(*args, **named)
        return _each(_narrow, func(*_each(_wide, tuple(args)), **named))


def _is_bf16(value: object) -> bool:
    return isinstance(value, Tensor) and value.dtype == torch.bfloat16


def _wide(value: Any) -> Any:
    return value.float() if _is_bf16(value) else value


def _narrow(value: Any) -> Any:
    single = isinstance(value, Tensor) and value.dtype == torch.float32
    return value.bfloat16() if single else value


def _each(change: Callable[[Any], Any], values: Any) -> Any:
    return tuple(map(change, values)) if isinstance(values, tuple) else change(values)
