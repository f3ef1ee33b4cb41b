"""A module on its device, with the layers that suit it there: the same for training and sampling.

What changes layers is an accelerator, a plugin with the hook `vidgan_prepare_module`. Without one
a module computes the same in torch's own layers, on a CPU in the plain memory layout.
"""

from __future__ import annotations

import torch
from torch import nn

from vidgan_core import device as devices
from vidgan_core.device import Precision, PrecisionName, choose_precision
from vidgan_core.plugins.registry import Registry


def precision_of(name: PrecisionName, device: torch.device, registry: Registry) -> Precision:
    """Resolve the precision of a run. Raises UsageError for one that would compute wrongly."""
    corrected = any(registry.announce("vidgan_corrects_bf16", device=device))
    return choose_precision(name, device, corrected=corrected)


def prepare_module(
    module: nn.Module,
    registry: Registry,
    device: torch.device,
    precision: Precision,
    *,
    channels_last: bool,
) -> None:
    """Move a module to a device and let accelerators change its layers, in place."""
    module.to(device, precision.storage)
    if channels_last and device.type == "cuda":
        devices.channels_last(module)
    registry.announce(
        "vidgan_prepare_module",
        module=module,
        device=device,
        precision=precision,
        channels_last=channels_last,
    )
