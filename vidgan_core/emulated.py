"""bf16 on a CPU that does not multiply it: its numbers, from single precision's kernels.

A bf16 unit multiplies numbers of 8 significant bits exactly, adds up in single precision and rounds
the sum. Widening what is multiplied, computing in fp32 and rounding the outcome is the same but for
the order of the sum. torch's own kernels for such processors took 50 times as long (torch 2.13,
AVX-512 without bf16 instructions), and some of them give numbers that are not finite.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
# What multiplies, as it arrives below autograd, each with its form in place.
# Attention is missing: its own kernels were right, and nothing in vidgan uses it.
MULTIPLYING = {
    aten.convolution: None,
    aten.convolution_backward: None,
    aten.mm: None,
    aten.bmm: None,
    aten.mv: None,
    aten.dot: None,
    aten.addmm: aten.addmm_,
    aten.addmv: aten.addmv_,
    aten.addbmm: aten.addbmm_,
    aten.baddbmm: aten.baddbmm_,
    # A whole LSTM, whose state is not rounded from step to step.
    aten.mkldnn_rnn_layer: None,
    aten.mkldnn_rnn_layer_backward: None,
}
IN_PLACE = {in_place: by_value for by_value, in_place in MULTIPLYING.items() if in_place}


class EmulatedBf16(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Within the block convolutions, matrix products and LSTMs of bf16 numbers are made in fp32.

    That holds for both passes, in the thread that entered it. Everything else is as it was: what
    autocast makes bf16 is kept, and changed one by one, in bf16.
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
        named = dict(kwargs or {})
        multiply = IN_PLACE.get(func.overloadpacket, func.overloadpacket)
        usual = func._overloadname in ("default", "out")  # not one that is told a dtype
        if multiply not in MULTIPLYING or not usual or not _all_bf16(args):
            return func(*args, **named)
        target = args[0] if func.overloadpacket in IN_PLACE else named.pop("out", None)
        result = _each(_narrow, multiply(*map(_wide, args), **named))
        return result if target is None else target.resize_(result.shape).copy_(result)


def _all_bf16(args: Sequence[Any]) -> bool:
    """Are all floating-point tensors bf16, and is there one? Others are for torch to refuse."""
    dtypes = {a.dtype for a in args if isinstance(a, Tensor) and a.is_floating_point()}
    return dtypes == {torch.bfloat16}


def _wide(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.is_floating_point() else value


def _narrow(value: Any) -> Any:
    return value.bfloat16() if isinstance(value, Tensor) and value.is_floating_point() else value


def _each(change: Callable[[Any], Any], values: Any) -> Any:
    return tuple(map(change, values)) if isinstance(values, tuple | list) else change(values)
