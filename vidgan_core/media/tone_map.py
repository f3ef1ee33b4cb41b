"""HDR video (PQ and HLG, BT.2020) as SDR BT.709: the curve of ITU-R BT.2390, section 5.4.1.

HLG becomes the light of a 1,000 cd/m2 display first (BT.2100, system gamma 1.2). The light, as PQ
values, is rolled off by the EETF from 1,000 to 100 cd/m2, each colour channel by itself; what is
darker than about 27 cd/m2 stays what it is. Then BT.2020 to BT.709 primaries and the inverse of
BT.1886 (gamma 2.4).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from vidgan_core.media.frames import Picture

Floats = NDArray[np.float64]
PQ, HLG, BT2020 = 16, 18, 9  # ISO/IEC 23091-2 (H.273) numbers
HDR = (PQ, HLG)
PEAK, WHITE = 1000.0, 100.0  # cd/m2: of the HDR display graded on, and of SDR
_M1, _M2 = 2610 / 16384, 2523 / 32
_C1, _C2, _C3 = 3424 / 4096, 2413 / 128, 2392 / 128
_A, _B, _C = 0.17883277, 0.28466892, 0.55991073  # of HLG
_LUMA = np.array([0.2627, 0.6780, 0.0593])  # of BT.2020
_TO_709 = np.array(  # BT.2087: linear BT.2020 to linear BT.709
    [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
)


def is_hdr(frame: VideoFrame) -> bool:
    """Is the frame's transfer function one of HDR's?"""
    return int(frame.color_trc) in HDR


def to_sdr(pixels: NDArray[np.uint16], transfer: int, primaries: int) -> Picture:
    """Return HDR pixels (H, W, 3), 0 to 65535, as SDR BT.709, 0 to 255."""
    wide = _from_hlg(pixels) if transfer == HLG else _table()[pixels]
    linear = wide @ _TO_709.T if primaries == BT2020 else wide
    return np.asarray(np.rint(np.clip(linear, 0, 1) ** (1 / 2.4) * 255), np.uint8)


def pq_to_light(code: Floats) -> Floats:
    """Return the light in cd/m2 of PQ values in [0, 1] (SMPTE ST 2084)."""
    power = np.asarray(code) ** (1 / _M2)
    return np.asarray(10000 * (np.maximum(power - _C1, 0) / (_C2 - _C3 * power)) ** (1 / _M1))


def light_to_pq(light: Floats) -> Floats:
    """Return the PQ values in [0, 1] of light in cd/m2."""
    power = (np.asarray(light) / 10000) ** _M1
    return np.asarray(((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2)


def roll_off(code: Floats) -> Floats:
    """Return PQ values compressed from PEAK to WHITE: the EETF, without a black lift."""
    peak, goal = light_to_pq(np.array([PEAK, WHITE])).tolist()
    highest = goal / peak
    knee = 1.5 * highest - 0.5
    value = np.minimum(np.asarray(code) / peak, 1)
    t = (value - knee) / (1 - knee)
    spline = (
        (2 * t**3 - 3 * t**2 + 1) * knee
        + (t**3 - 2 * t**2 + t) * (1 - knee)
        + (-2 * t**3 + 3 * t**2) * highest
    )
    return np.asarray(np.where(value < knee, value, spline) * peak)


@lru_cache(maxsize=1)
def _table() -> Floats:
    """Return for each 16-bit PQ value its rolled-off light, where 1 is SDR's white."""
    return pq_to_light(roll_off(np.arange(65536) / 65535)) / WHITE


def _from_hlg(pixels: NDArray[np.uint16]) -> Floats:
    signal = pixels / 65535
    scene = np.where(signal <= 0.5, signal**2 / 3, (np.exp((signal - _C) / _A) + _B) / 12)
    luminance = np.maximum(scene @ _LUMA, 1e-6)[..., None]
    display = np.clip(PEAK * luminance**0.2 * scene, 0, PEAK)
    return _table()[np.rint(light_to_pq(display) * 65535).astype(np.uint16)]
