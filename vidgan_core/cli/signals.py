"""Ctrl-C and SIGTERM end a run in order: the step is finished and saved first."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from vidgan_core.errors import Exit
from vidgan_core.training.distributed.env import local_rank


class Interruption:
    """Was the process asked to stop? Calling it tells."""

    def __init__(self) -> None:
        self.code = Exit.OK

    def __call__(self) -> bool:
        """Return whether to stop."""
        return self.code != Exit.OK


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Within the block the first signal is remembered; a second one ends the process at once.

    That is left to the system: a handler in Python would wait for a layer that is being computed.
    """
    interruption = Interruption()
    codes = {signal.SIGINT: Exit.INTERRUPTED, signal.SIGTERM: Exit.TERMINATED}

    def remember(number: int, frame: FrameType | None) -> None:
        """Note the signal, and leave the next one to the system."""
        interruption.code = codes[signal.Signals(number)]
        for each in codes:
            signal.signal(each, signal.SIG_DFL)
        if local_rank() == 0:
            # print may be in the middle of something, and is not made to be entered twice.
            os.write(
                sys.stderr.fileno(), b"\nstopping after this step; once more to stop at once\n"
            )

    before = {number: signal.signal(number, remember) for number in codes}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
