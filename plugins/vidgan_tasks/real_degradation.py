"""What happens to a video on its way through cameras, editors and the net: blur, noise, codecs.

The second-order chain of Real-ESRGAN (Wang et al. 2021, section 3): blur, resizing, noise and JPEG,
twice, and after it a video codec, as RealBasicVSR adds (Chan et al. 2022, section 3.1). The ranges
are those of the published configurations. Simpler than published: Gaussians along the axes alone,
no sinc filter, Poisson noise as a Gaussian of the same variance. All of a clip's frames share what
is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL.Image import Resampling

from vidgan_tasks.encoders import h264, jpeg
from vidgan_tasks.filters import gaussian
from vidgan_tasks.pixels import Clip, resized, to_pixels

QUALITY = (30, 95)  # of JPEG
CRF = (18, 35)  # of H.264
FILTERS = (Resampling.BOX, Resampling.BILINEAR, Resampling.BICUBIC)
SHOT = 255.0 / 16  # grey levels: the deviation of white under Poisson noise of scale 1


@dataclass(frozen=True, slots=True)
class Ranges:
    """What one round draws from: odds, standard deviations in pixels and grey levels, factors."""

    blur: float  # how likely a blur is
    sigma: tuple[float, float]
    larger: float  # how likely the frame grows
    smaller: float
    factor: tuple[float, float]
    gaussian: tuple[float, float]
    shot: tuple[float, float]


FIRST = Ranges(1.0, (0.2, 3.0), 0.2, 0.7, (0.15, 1.5), (1.0, 30.0), (0.05, 3.0))
SECOND = Ranges(0.8, (0.2, 1.5), 0.3, 0.4, (0.3, 1.2), (1.0, 25.0), (0.05, 2.5))


@dataclass(frozen=True, slots=True)
class Round:
    """What was drawn for one round."""

    sigma: tuple[float, float]
    factor: float
    filter: Resampling
    deviation: float  # of the noise, of white in the case of shot noise
    shot: bool
    grey: bool
    quality: int


def degraded(clip: Clip, height: int, width: int, key: int) -> Clip:
    """Return a clip (C, T, H, W) degraded and of another size, a pure function of clip and key.

    Pieces of a video under one key are degraded alike: nothing is drawn for the noise before all
    else is drawn.
    """
    rng = np.random.default_rng(key)
    first, second = _drawn(FIRST, rng), _drawn(SECOND, rng)
    quality, crf = int(rng.integers(*QUALITY)), int(rng.integers(*CRF))
    clip = jpeg(_degraded(clip, clip.shape[-2:], first, rng), first.quality)
    clip = _degraded(clip, (height, width), second, rng)
    clip = jpeg(resized(clip, height, width, second.filter), quality)
    return h264(clip, crf)


def _drawn(ranges: Ranges, rng: np.random.Generator) -> Round:
    blurs, kind = rng.random(2)
    down, across = rng.uniform(*ranges.sigma, 2).tolist()
    low, high = ranges.factor
    grown, shrunk = rng.uniform(1, high), rng.uniform(low, 1)
    factor = grown if kind < ranges.larger else shrunk
    shot = bool(rng.random() < 0.5)
    deviation = SHOT * rng.uniform(*ranges.shot) if shot else rng.uniform(*ranges.gaussian)
    return Round(
        (down, across) if blurs < ranges.blur else (0.0, 0.0),
        factor if kind < ranges.larger + ranges.smaller else 1.0,
        FILTERS[rng.integers(len(FILTERS))],
        float(deviation),
        shot,
        bool(rng.random() < 0.4),
        int(rng.integers(*QUALITY)),
    )


def _degraded(clip: Clip, size: tuple[int, ...], drawn: Round, rng: np.random.Generator) -> Clip:
    """Blur a clip, resize it to `factor` times a size and add noise."""
    height, width = (max(1, round(drawn.factor * side)) for side in size)
    blurred = to_pixels(gaussian(clip, drawn.sigma)) if any(drawn.sigma) else clip
    small = resized(blurred, height, width, drawn.filter)
    colours, alpha = small[:3], small[3:]
    shape = (1, *colours.shape[1:]) if drawn.grey else colours.shape
    noise = drawn.deviation * rng.standard_normal(shape, np.float32)
    if drawn.shot:
        noise = noise * np.sqrt(colours / np.float32(255))
    return np.concatenate([to_pixels(colours + noise), alpha])
