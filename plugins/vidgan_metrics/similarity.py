"""Multi-scale structural similarity of frames, for as many scales as their size allows."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d

from vidgan_core.errors import ShapeError

LUMA = (0.299, 0.587, 0.114)  # of ITU-R BT.601
BETAS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang et al. 2003, section 3.2
WINDOW, SIGMA = 11, 1.5
PEAK = 255.0
C1, C2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2


def frames_of(clip: Tensor) -> Tensor:
    """Return the luma (T, H, W) in [0, 255], float64, of a clip (C, T, H, W) of bytes."""
    weights = torch.tensor(LUMA if len(clip) == 3 else [1 / len(clip)] * len(clip))
    return torch.einsum("cthw,c->thw", clip.double(), weights.double())


def scales_of(height: int, width: int) -> int:
    """Return at how many scales a frame holds the 11x11 window: five from 176 pixels, 3 at 64."""
    fitting = [m for m in range(len(BETAS)) if min(height, width) >> m >= WINDOW]
    if not fitting:
        raise ShapeError(f"SSIM needs frames of at least {WINDOW}x{WINDOW} (got {height}x{width})")
    return len(fitting)


def ms_ssim(one: Tensor, two: Tensor) -> Tensor:
    """Return the MS-SSIM (T,) of frames (T, H, W) in [0, 255].

    Wang et al. 2003, equation 7, with the weights of the scales in use, scaled to a sum of one;
    negative factors are taken for 0. Between scales 2x2 pixels are averaged.
    """
    count = scales_of(*one.shape[-2:])
    betas = one.new_tensor(BETAS[:count])
    betas /= betas.sum()
    factors: list[Tensor] = []
    for scale in range(count):
        both, contrast = _ssim(one, two)
        factors.append(both if scale == count - 1 else contrast)
        one, two = (avg_pool2d(frames[:, None], 2)[:, 0] for frames in (one, two))
    return (torch.stack(factors).relu() ** betas[:, None]).prod(0)


def _ssim(one: Tensor, two: Tensor) -> tuple[Tensor, Tensor]:
    """Return SSIM and its contrast and structure alone, each (T,), over whole windows."""
    m1, m2, square1, square2, product = map(_blurred, (one, two, one**2, two**2, one * two))
    v1, v2, covariance = square1 - m1**2, square2 - m2**2, product - m1 * m2
    contrast = (2 * covariance + C2) / (v1 + v2 + C2)
    both = contrast * (2 * m1 * m2 + C1) / (m1**2 + m2**2 + C1)
    return both.mean((1, 2)), contrast.mean((1, 2))


def _blurred(frames: Tensor) -> Tensor:
    """Return the Gaussian mean around every pixel whose window lies within the frame."""
    away = torch.arange(WINDOW, dtype=frames.dtype) - WINDOW // 2
    bell = (-(away**2) / (2 * SIGMA**2)).exp()
    bell = bell / bell.sum()
    across = conv2d(frames[:, None], bell.view(1, 1, 1, -1))
    return conv2d(across, bell.view(1, 1, -1, 1))[:, 0]
