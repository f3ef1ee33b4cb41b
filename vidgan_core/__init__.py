"""vidgan: a plugin-based zoo of GANs that generate video.

Importing this package loads neither torch nor numpy; `load` does so when it is called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from vidgan_core.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from vidgan_core.inference.sampler import Sampler
    from vidgan_core.interfaces import Callback
    from vidgan_core.plugins.component import Component
    from vidgan_core.plugins.hookspecs import hookimpl
    from vidgan_core.plugins.kinds import Kind
    from vidgan_core.training.run import Run

__all__ = ["Component", "__version__", "create", "hookimpl", "load", "train"]


def load(run: str | Path, *, step: int | None = None, device: str = "auto") -> Sampler:
    """Load a trained generator: `vidgan_core.load("runs/00000-...").sample(16, seed=0)`.

    `run` is a run's folder or one of its checkpoints; `step` picks a checkpoint, by default the
    newest healthy one. Raises `vidgan_core.errors.VidganError` when there is nothing to load.
    """
    from vidgan_core.inference.sampler import Sampler

    return Sampler.load(run, step=step, device=device)


def create(kind: Kind, name: str, *arguments: Any, **options: Any) -> Any:
    """Make a component of any installed plugin, by its name: `create("features", "lite0", spec)`.

    So a plugin uses another one's without importing it. Raises `vidgan_core.errors.VidganError`
    where there is no such component, or where it can't be made.
    """
    from vidgan_core.plugins.registry import Registry

    return Registry.discover().create(kind, name, *arguments, options=options)


def train(
    config: Any = None,
    *,
    settings: Mapping[str, Any] | None = None,
    callbacks: Sequence[Callback] = (),
    out: str | Path | None = None,
    resume: str | Path | None = None,
    minutes: float | None = None,
    **keywords: Any,
) -> Run:
    """Train: `vidgan_core.train(gen="conv3d", loss="minimax", data="./clips", steps=300)`.

    `config` is a TOML file, a recipe such as "recipe:modern-digits", nested tables, or nothing.
    Keywords are the flags of `vidgan run`: gen, disc, loss, game, optimizer, data, steps, batch,
    seed, device, precision, eval_every; `settings` holds any other keys, such as
    {"optimizer.lr": 1e-4}. The run's folder is `out`, or the next one in ./runs; `resume` goes on
    with a run's folder. `callbacks` are objects of `vidgan_core.interfaces.Callback`, called in
    addition to those of the configuration.

    Returns the run: its `metrics`, `folder`, `step`, `finished`, and `sampled`, the generator.
    Raises `vidgan_core.errors.VidganError` for what the caller can mend. Training draws from
    torch's default random generator, which it seeds.
    """
    from pathlib import Path

    from vidgan_core.plugins.registry import Registry
    from vidgan_core.training.train import configure, train

    registry = Registry.discover()
    if config is None and resume not in (None, "auto"):
        config = Path(str(resume)) / "config.toml"
    return train(
        configure(config, registry, settings or {}, keywords),
        registry,
        out=None if out is None else Path(out),
        resume=None if resume is None else str(resume),
        minutes=minutes,
        callbacks=callbacks,
    )


def __getattr__(name: str) -> Any:
    """Import what manifests need when they ask: pluggy alone is a tenth of `vidgan --help`."""
    if name == "Component":
        from vidgan_core.plugins.component import Component

        return Component
    if name == "hookimpl":
        from vidgan_core.plugins.hookspecs import hookimpl

        return hookimpl
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
