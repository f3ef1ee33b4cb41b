"""What a file may cost, and the reasons for which it is not used. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass

MOST_TEXT = 1000  # characters of a reason


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may cost. `seconds` without progress; the process that asks keeps them."""

    seconds: float = 120.0
    gigabytes: float = 2.0
    megapixels: float = 17.0
    frames: int = 1_000_000


class Damaged(Exception):
    """A video that can't be used, and why."""


class NotVideo(Exception):
    """A healthy file that holds no video."""


class OverLimit(Exception):
    """A video beyond a limit, and which."""


def bound_pixels(height: int, width: int, limits: Limits) -> None:
    """Raise OverLimit for a frame that is too large. Called before anything is decoded."""
    if height * width > limits.megapixels * 1e6:
        raise OverLimit(f"{width}x{height} is beyond data.max_megapixels = {limits.megapixels:g}")


def bound_frames(count: int, limits: Limits) -> None:
    """Raise OverLimit for a video of too many frames."""
    if count > limits.frames:
        raise OverLimit(f"more than data.max_frames = {limits.frames} frames")
