"""Processes that end with the one that started them, however that ends. Free of torch."""

from __future__ import annotations

import os
import threading
from multiprocessing import parent_process
from multiprocessing.connection import wait

from vidgan_core.errors import Exit


def end_with_parent() -> None:
    """End this process, from a thread of its own, when the one that started it has ended.

    That is noticed by what the system closes then: a worker's sentinel, or for a process that was
    not started by `multiprocessing`, the pipe that is its stdin.
    """
    threading.Thread(target=_wait_and_end, daemon=True, name="lifeline").start()


def _wait_and_end() -> None:
    if parent := parent_process():
        wait([parent.sentinel])
    else:
        while os.read(0, 1):
            pass
    os._exit(Exit.FAILED)
