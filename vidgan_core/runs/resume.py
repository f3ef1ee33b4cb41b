"""With which configuration a run may go on: that of its checkpoint, but for a few free values."""

from __future__ import annotations

from vidgan_core.config.resolve import resolve
from vidgan_core.config.schema import RunConfig
from vidgan_core.config.sources import ConfigSources, flat
from vidgan_core.errors import CheckpointError, ConfigError, UsageError, printable
from vidgan_core.plugins.registry import Registry
from vidgan_core.runs.checkpoint import Checkpoint

FREE = ("data.workers", "checkpoint.best")
FREE_TABLES = ("eval.", "metric.", "features.")  # how a run is measured changes nothing in it


def saved_config(saved: Checkpoint, registry: Registry) -> RunConfig:
    """Return the configuration that a checkpoint was trained with. Raises CheckpointError."""
    tables = saved.state.get("config")
    if not isinstance(tables, dict):
        raise CheckpointError(f"{saved.path} does not hold the run's configuration")
    layers = ConfigSources()
    layers.add_tables(tables, str(saved.path))
    try:
        return resolve(layers, registry)
    except ConfigError as error:
        raise CheckpointError(f"{saved.path} does not fit this vidgan: {error}") from None


def refuse_changes(before: RunConfig, now: RunConfig) -> None:
    """Raise UsageError, which names each value that is not free and not what it was."""
    old, new = flat(before.model_dump(mode="json")), flat(now.model_dump(mode="json"))
    changed = [k for k in sorted({*old, *new}) if old.get(k) != new.get(k) and not _free(k, now)]
    if changed:
        what = ", ".join(f"{k} from {old.get(k)} to {new.get(k)}" for k in changed)
        hint = "trainer.decay_steps can keep schedules apart from it" if "steps" in changed else ""
        raise UsageError(
            f"can't resume with another configuration: {printable(what)}",
            hint=hint or "the configuration in the checkpoint counts, whatever config.toml says",
        )


def _free(key: str, config: RunConfig) -> bool:
    """May a run go on with another value?"""
    if key == "steps":
        return not config.depends_on_steps
    return key in FREE or key.startswith(FREE_TABLES)
