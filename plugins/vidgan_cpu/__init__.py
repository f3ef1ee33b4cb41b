"""What makes torch fast and right on CPUs: convolutions, and memory that stays with the process."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vidgan_core import hookimpl

if TYPE_CHECKING:
    import torch
    from torch import nn

    from vidgan_core.device import Precision


@hookimpl
def vidgan_prepare_process() -> None:
    """Keep freed memory."""
    from vidgan_cpu.malloc import keep_freed_memory

    keep_freed_memory()


@hookimpl
def vidgan_prepare_module(
    module: nn.Module, device: torch.device, precision: Precision, channels_last: bool
) -> None:
    """Tune convolutions where their layout is free, and keep wrong bf16 kernels out anywhere."""
    if device.type != "cpu":
        return
    from vidgan_cpu.convolution import tune_convolutions, widen_convolutions

    if channels_last:
        tune_convolutions(module)
    if precision.name == "bf16":
        widen_convolutions(module)


@hookimpl
def vidgan_corrects_bf16(device: torch.device) -> bool:
    """Answer for CPUs."""
    return device.type == "cpu"
