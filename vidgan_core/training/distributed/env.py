"""Which of the processes of a run this one is, as torchrun and `launch` say it. Free of torch."""

from __future__ import annotations

import os

from vidgan_core.errors import UsageError

LIFELINE = "VIDGAN_LIFELINE"  # set where a process is to end when its stdin is closed


def processes() -> int:
    """Return how many processes torchrun or `launch` has started; one if neither has."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_rank() -> int:
    """Return which of its machine's processes this one is."""
    return int(os.environ.get("LOCAL_RANK", "0"))


def check_shards(batch: int, size: int, accumulate: int) -> None:
    """Raise UsageError unless a batch can be shared out evenly."""
    if batch % (size * accumulate):
        shared = [f"{size} processes"] * (size > 1) + [f"{accumulate} parts"] * (accumulate > 1)
        raise UsageError(
            f"data.batch: {batch} clips can't be shared out evenly to {' of '.join(shared)}; "
            f"try a multiple of {size * accumulate}"
        )
