"""The padding of networks that were trained in TensorFlow."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import pad


def same_pad(maps: Tensor, kernel: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    """Pad with zeros so that ceil(size / stride) places are left, as TensorFlow does."""
    sides: list[int] = []
    for size, k, s in zip(reversed(maps.shape), reversed(kernel), reversed(stride), strict=False):
        missing = max(0, (-(-size // s) - 1) * s + k - size)
        sides += [missing // 2, missing - missing // 2]
    return pad(maps, sides)
