"""What a file may cost, and the ways in which it can be found wanting. Free of torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may cost. `seconds` is kept by the process that asks."""

    seconds: float = 120.0
    gigabytes: float = 2.0
    megapixels: float = 17.0
    frames: int = 50_000


class Damaged(Exception):
    """A film that can't be used, and why."""


class NoFilm(Exception):
    """A healthy file that holds no film."""


class TooMuch(Exception):
    """A film beyond a limit, and which."""


def bound_pixels(height: int, width: int, limits: Limits) -> None:
    """Raise TooMuch for a frame that is too large. Called before anything is decoded."""
    if height * width > limits.megapixels * 1e6:
        raise TooMuch(f"{width}x{height} is beyond data.max_megapixels = {limits.megapixels:g}")
