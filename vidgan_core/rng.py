"""Randomness as a pure function of (seed, purpose), so that a resumed run is the same run."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def key(seed: int, *purpose: str | int) -> int:
    """Return a 63-bit seed for one purpose, such as ``key(seed, step, "noise")``."""
    digest = hashlib.blake2b(repr((seed, *purpose)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def keyed(seed: int, *purpose: str | int) -> torch.Generator:
    """Return a CPU generator for one purpose: the same draws on every device."""
    import torch

    return torch.Generator().manual_seed(key(seed, *purpose))


def seed_default(seed: int) -> None:
    """Seed torch's default generators, of the CPU and of CUDA if it is in use.

    `torch.manual_seed` formats a stack trace for each kind of device that is not: three times what
    the rest of a small step's bookkeeping takes.
    """
    import torch

    torch.default_generator.manual_seed(seed)
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        torch.cuda.manual_seed_all(seed)


@contextmanager
def kept_default() -> Iterator[None]:
    """After the block, put torch's default generators back to where they were before it."""
    import torch

    cpu = torch.default_generator.get_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        torch.default_generator.set_state(cpu)
        if cuda is not None:
            torch.cuda.set_rng_state_all(cuda)
