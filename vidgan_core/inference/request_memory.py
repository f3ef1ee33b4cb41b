"""What a request for clips takes, estimated before any of it is made."""

from __future__ import annotations

import math

from vidgan_core.interfaces import Generator
from vidgan_core.memory import check_memory
from vidgan_core.rng import keyed

ACTIVATIONS = 4  # floats for each number of a clip, at the least, while a batch is made
NOISE_COPIES = 2
HINT = "try fewer clips, fewer frames or a smaller --batch"


def check_request(
    generator: Generator,
    n: int,
    *,
    frames: int | None = None,
    rate: float = 1.0,
    batch: int = 16,
    bytes_kept: int = 0,
) -> None:
    """Raise VidganError if `n` clips, made `batch` at a time, are more than memory can hold.

    `bytes_kept` is how many bytes are kept of each number of a clip until the last one is made:
    none where each part is written as it comes.
    """
    spec = generator.spec
    length = max(1, round((spec.frames if frames is None else frames) * rate))
    numbers = spec.channels * length * spec.height * spec.width
    whole = n * numbers * bytes_kept + min(n, batch) * numbers * 4 * ACTIVATIONS
    what = f"{n:,} clips of {length:,} frames of {spec.height}x{spec.width}"
    check_memory(what, whole, hint=HINT)
    noise = generator.noise(1, keyed(0, "sample"), frames=frames).values()
    sizes = sum(math.prod(part.shape) * part.element_size() for part in noise)
    check_memory(f"the noise of {what}", n * sizes * NOISE_COPIES, hint=HINT)
