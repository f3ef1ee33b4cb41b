"""scikit-video's measures and block matching, usable with today's numpy.

Release 1.1.11, the newest on the package index, asks numpy for names that numpy 2 no longer has.
The repair gives its modules a numpy of their own that has them; numpy and scipy are not touched.
A later release is used as it is. What 1.1.11 computes wrongly by upstream's own changelog (niqe,
viideo, brisque, videobliinds) is not offered.
"""

from __future__ import annotations

import importlib
import re
import sys
import warnings
from collections.abc import Callable
from importlib.metadata import version
from types import ModuleType
from typing import Any

from vidgan_core.errors import UsageError, did_you_mean

LAST_BROKEN = (1, 1, 11)
OFFERED = {
    "psnr": "skvideo.measure",
    "ssim": "skvideo.measure",
    "msssim": "skvideo.measure",
    "mse": "skvideo.measure",
    "strred": "skvideo.measure",
    "blockMotion": "skvideo.motion",
    "blockComp": "skvideo.motion",
}


def load(name: str) -> Callable[..., Any]:
    """Return one of scikit-video's functions, such as ``load("ssim")``; see OFFERED.

    They take frames as (T, H, W) or (T, H, W, C); msssim wants at least 176x176. Raises
    UsageError for any other name.
    """
    if name not in OFFERED:
        raise UsageError(
            f"scikit-video's {name!r} is not offered", hint=did_you_mean(name, OFFERED)
        )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own source has invalid escapes
        module = importlib.import_module(OFFERED[name])
    if is_broken(version("scikit-video")):
        repair()
    function: Callable[..., Any] = getattr(module, name)
    return function


def is_broken(release: str) -> bool:
    """Does a release, such as "1.1.11", need the repair?"""
    return tuple(map(int, re.findall(r"\d+", release)[:3])) <= LAST_BROKEN


def repair() -> None:
    """Put the stand-in for numpy into every module of scikit-video that is loaded."""
    import numpy

    stand_in = _OldNumpy(numpy)
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] == "skvideo" and vars(module).get("np") is numpy:
            vars(module)["np"] = stand_in


class _OldNumpy(ModuleType):
    """numpy with the names that were removed from it."""

    int = int
    float = float

    def __init__(self, numpy: ModuleType) -> None:
        super().__init__("numpy")
        self.product = numpy.prod
        self._numpy = numpy

    def __getattr__(self, name: str) -> Any:
        return getattr(self._numpy, name)
