"""Devices, precisions and memory layout: how numbers are stored and computed."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from vidgan_core.errors import UsageError

PrecisionName = Literal["auto", "fp32", "bf16", "fp64"]


@dataclass(frozen=True, slots=True)
class Precision:
    """The dtype of weights, losses and optimizer, and the one that forward passes use."""

    name: str
    storage: torch.dtype
    compute: torch.dtype

    def autocast(self, device: torch.device) -> AbstractContextManager[Any]:
        """Return the context for forward passes."""
        if self.compute == self.storage:
            return nullcontext()
        return torch.autocast(device.type, self.compute)


FP32 = Precision("fp32", torch.float32, torch.float32)
FP64 = Precision("fp64", torch.float64, torch.float64)
BF16 = Precision("bf16", torch.float32, torch.bfloat16)


def choose_precision(name: PrecisionName, device: torch.device, *, corrected: bool) -> Precision:
    """Resolve `auto`: bf16 where the hardware multiplies it and gradients are right, else fp32.

    `corrected`: a plugin corrects the gradients that torch's own kernels for CPUs get wrong in
    bf16. Raises UsageError for bf16 on a CPU without such a plugin or without bf16 instructions.
    """
    trusted = corrected or device.type != "cpu"
    if name == "auto":
        return BF16 if fast_bf16(device) and trusted else FP32
    if name == "bf16" and device.type == "cpu" and not fast_bf16(device):
        raise UsageError(
            "trainer.precision: this processor has no bf16 instructions",
            hint="--precision fp32, or auto, which takes bf16 where it is fast",
        )
    if name == "bf16" and not trusted:
        raise UsageError(
            "trainer.precision: on a CPU torch gets some gradients wrong in bf16",
            hint="--precision fp32, or a plugin that corrects them: vidgan's own is vidgan_cpu",
        )
    return {"fp32": FP32, "fp64": FP64, "bf16": BF16}[name]


def choose_device(name: str) -> torch.device:
    """Resolve `auto` (CUDA where there is one) or a name such as ``cpu`` or ``cuda:1``."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device).item()
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise UsageError(f"device {name!r} can't be used: {str(error).splitlines()[0]}") from None
    return device


def channels_last(network: nn.Module) -> None:
    """Lay the weights of 2D and 3D convolutions out channels-last, in place.

    The convolutions then run in that layout whatever their input's: measurably faster on CPU
    and on tensor cores. `Module.to(memory_format=...)` can't do 4D and 5D weights at once.
    """
    layouts = {4: torch.channels_last, 5: torch.channels_last_3d}
    for parameter in network.parameters():
        if layout := layouts.get(parameter.dim()):
            parameter.data = parameter.data.contiguous(memory_format=layout)


def fast_bf16(device: torch.device) -> bool:
    """Say whether the hardware multiplies bf16."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device.type == "cpu":
        able = torch.cpu.get_capabilities()
        return any(able.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16"))
    return False
