"""Ctrl-C, SIGTERM and a lost terminal end a run in order: the step is finished and saved first."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType

from vidgan_core.errors import Exit
from vidgan_core.training.distributed.env import local_rank


def codes() -> Mapping[signal.Signals, Exit]:
    """Return the signals that end a run in order, with the exit code of each.

    Not one that is ignored already, as under nohup or in the background of a script.
    """
    known = {"SIGINT": Exit.INTERRUPTED, "SIGTERM": Exit.TERMINATED, "SIGHUP": Exit.HUNG_UP}
    there = {getattr(signal, n): code for n, code in known.items() if hasattr(signal, n)}
    return {n: code for n, code in there.items() if signal.getsignal(n) is not signal.SIG_IGN}


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
    of = codes()

    def remember(number: int, frame: FrameType | None) -> None:
        """Note the signal, and leave the next one to the system."""
        interruption.code = of[signal.Signals(number)]
        for each in of:
            # A terminal that is lost says so more than once: the kernel does, and the shell.
            lost = each.name == "SIGHUP"
            signal.signal(each, signal.SIG_IGN if lost else signal.SIG_DFL)
        if local_rank() == 0:
            # print may be in the middle of something, and is not made to be entered twice.
            with suppress(OSError):  # of a terminal that is gone
                os.write(2, b"\nstopping after this step; once more to stop at once\n")

    before = {number: signal.signal(number, remember) for number in of}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
