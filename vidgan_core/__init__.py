"""vidgan: a plugin-based zoo of GANs that generate video.

Importing this package loads neither torch nor numpy; `load` does so when it is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

from vidgan_core.component import Component

if TYPE_CHECKING:
    from pathlib import Path

    from vidgan_core.sampling import Sampler

__version__ = "0.1.0"

hookimpl = pluggy.HookimplMarker("vidgan")

__all__ = ["Component", "__version__", "hookimpl", "load"]


def load(run: str | Path, *, step: int | None = None, device: str = "auto") -> Sampler:
    """Load a trained generator: `vidgan_core.load("runs/00000-...").sample(16, seed=0)`.

    `run` is a run's folder or one of its checkpoints; `step` picks a checkpoint, by default the
    newest healthy one. Raises `vidgan_core.errors.VidganError` when there is nothing to load.
    """
    from vidgan_core.sampling import Sampler

    return Sampler.load(run, step=step, device=device)
