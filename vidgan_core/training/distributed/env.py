"""Which of the processes of a run this one is, as torchrun and `launch` say it. Free of torch."""

from __future__ import annotations

import os

from vidgan_core.errors import UsageError

LIFELINE = "VIDGAN_LIFELINE"  # set where a process is to end when its stdin is closed
MEETING = "VIDGAN_MEETING"  # the file by which the processes of `launch` find one another


def processes() -> int:
    """Return how many processes torchrun or `launch` has started; one if neither has."""
    return _number("WORLD_SIZE", 1)


def local_rank() -> int:
    """Return which of its machine's processes this one is."""
    return _number("LOCAL_RANK", 0)


def _number(name: str, usual: int) -> int:
    """Return the number in an environment variable. Raises UsageError for anything else."""
    text = os.environ.get(name, str(usual))
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise UsageError(f"the environment variable {name} is {text[:100]!a}, not a number")
    return int(text)


def check_shards(batch: int, size: int, accumulate: int) -> None:
    """Raise UsageError unless a batch can be shared out evenly."""
    if size > batch:
        raise UsageError(f"data.batch: {batch} clips are too few for {size} processes, one each")
    if batch % (size * accumulate):
        shared = [f"{size} processes"] * (size > 1) + [f"{accumulate} parts"] * (accumulate > 1)
        raise UsageError(
            f"data.batch: {batch} clips can't be shared out evenly to {' of '.join(shared)}; "
            f"try a multiple of {size * accumulate}"
        )
