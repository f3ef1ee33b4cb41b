"""What is freed stays with the process: a step asks for the same memory again at once."""

from __future__ import annotations

import ctypes
import os
from functools import cache

# <malloc.h>: these, and mallopt, are glibc's; elsewhere there is nothing to do.
TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4
NEVER = 2**31 - 1
AHEAD = 64 << 20  # bytes that the heap grows by at least
USERS_OWN = (
    "MALLOC_TRIM_THRESHOLD_",
    "MALLOC_TOP_PAD_",
    "MALLOC_MMAP_MAX_",
    "MALLOC_MMAP_THRESHOLD_",
    "GLIBC_TUNABLES",
)


@cache
def keep_freed_memory() -> None:
    """Have malloc give nothing back to the system, unless the environment says what it should do.

    By default it returns large pieces as they are freed, and the kernel clears every page of those
    that replace them (`python benchmarks/tried.py` measures what that takes). It costs what lies
    unused between pieces of other sizes.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if os.name == "posix" else None
    if mallopt and not any(name in os.environ for name in USERS_OWN):
        mallopt(MMAP_MAX, 0)
        mallopt(TRIM_THRESHOLD, NEVER)
        mallopt(TOP_PAD, AHEAD)
