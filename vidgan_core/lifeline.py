"""Processes that end with the one that started them, however that ends. Free of torch."""

from __future__ import annotations

import os
import threading
import time
from functools import partial
from multiprocessing import parent_process
from multiprocessing.connection import wait

from vidgan_core.errors import Exit

LOOK_EVERY = 1.0  # second


def end_with_parent(parent: int | None = None) -> None:
    """End this process, from a thread of its own, when the one that started it has ended.

    That is noticed by what the system closes then: a worker's sentinel, or for a process that was
    not started by `multiprocessing`, the pipe that is its stdin. A process that reads its stdin
    itself is told the number of its `parent`, and looks now and then whether it still is.
    """
    waiting = _wait_and_end if parent is None else partial(_look_and_end, parent)
    threading.Thread(target=waiting, daemon=True, name="lifeline").start()


def _look_and_end(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_EVERY)
    os._exit(Exit.FAILED)


def _wait_and_end() -> None:
    if parent := parent_process():
        wait([parent.sentinel])
    else:
        while os.read(0, 1):
            pass
    os._exit(Exit.FAILED)
