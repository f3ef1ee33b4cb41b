"""Fields of items as networks are given them: on the device, in the dtype that the kind decides."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vidgan_core.data.fields import RULES
from vidgan_core.interfaces.dataset import Field
from vidgan_core.media.pixels import to_float


def converted(value: Tensor, field: Field, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return a batch of a field's values, as items hold them, as networks are given them."""
    match RULES[field.kind].number:
        case "whole":
            return value.long()
        case "pixel":
            return to_float(value, dtype)
    return value.to(dtype)


def on_device(
    arrays: Mapping[str, np.ndarray[Any, Any]],
    fields: Iterable[Field],
    device: torch.device,
    dtype: torch.dtype = torch.float32,
) -> dict[str, Tensor]:
    """Return collated items on the device; what is no field stays as it is."""
    batch = {name: torch.from_numpy(array) for name, array in arrays.items()}
    if device.type == "cuda":
        batch = {name: tensor.pin_memory() for name, tensor in batch.items()}
    moved = {name: tensor.to(device, non_blocking=True) for name, tensor in batch.items()}
    known = {field.name: field for field in fields if field.name in moved}
    return moved | {name: converted(moved[name], field, dtype) for name, field in known.items()}
