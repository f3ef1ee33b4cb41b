"""vidgan: a plugin-based zoo of GANs that generate video.

Importing this package loads neither torch nor numpy; `load` does so when it is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from vidgan_core.inference.sampler import Sampler
    from vidgan_core.plugins.component import Component
    from vidgan_core.plugins.hookspecs import hookimpl

__version__ = "0.1.0"

__all__ = ["Component", "__version__", "hookimpl", "load"]


def load(run: str | Path, *, step: int | None = None, device: str = "auto") -> Sampler:
    """Load a trained generator: `vidgan_core.load("runs/00000-...").sample(16, seed=0)`.

    `run` is a run's folder or one of its checkpoints; `step` picks a checkpoint, by default the
    newest healthy one. Raises `vidgan_core.errors.VidganError` when there is nothing to load.
    """
    from vidgan_core.inference.sampler import Sampler

    return Sampler.load(run, step=step, device=device)


def __getattr__(name: str) -> Any:
    """Import what manifests need when they ask: pluggy alone is a tenth of `vidgan --help`."""
    if name == "Component":
        from vidgan_core.plugins.component import Component

        return Component
    if name == "hookimpl":
        from vidgan_core.plugins.hookspecs import hookimpl

        return hookimpl
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
