"""Which run goes on, from which checkpoint, and with which configuration.

That is the configuration of its checkpoint, but for a few free values.
"""

from __future__ import annotations

from pathlib import Path

from vidgan_core.config.resolve import resolve
from vidgan_core.config.schema import RunConfig
from vidgan_core.config.sources import ConfigSources, flat
from vidgan_core.errors import CheckpointError, ConfigError, UsageError, printable
from vidgan_core.plugins.registry import Registry
from vidgan_core.runs import checkpoint
from vidgan_core.runs.checkpoint import Checkpoint
from vidgan_core.runs.folder import RunDir

FREE = ("data.workers", "checkpoint.best", "trainer.report_every")
FREE_TABLES = ("callback", "metric", "features")  # who watches and measures changes nothing


AUTO = "auto"  # in place of a folder: what is in the output folder, if anything


def find(
    config: RunConfig, registry: Registry, out: Path | None, resume: str | None
) -> tuple[RunDir | None, Checkpoint | None]:
    """Return the folder and checkpoint to go on with; None where the run starts afresh.

    Raises UsageError for what can't be gone on with.
    """
    if resume is None:
        return None, None
    if resume == AUTO:
        if out is None:
            raise UsageError("--resume auto needs --out, the folder to go on in")
        if RunDir.is_fresh(out):
            return None, None
    elif out is not None and out != Path(resume):
        raise UsageError("--out names another folder than --resume")
    folder = RunDir.open(out if resume == AUTO and out else Path(resume))
    saved = checkpoint.newest(folder.checkpoints)
    # What was trained is in the checkpoint; config.toml may have been edited since.
    before = saved_config(saved, registry) if saved else folder.read_config(registry)
    refuse_changes(before, config)
    return folder, saved


def saved_config(saved: Checkpoint, registry: Registry) -> RunConfig:
    """Return the configuration that a checkpoint was trained with. Raises CheckpointError."""
    tables = saved.state.get("config")
    if not isinstance(tables, dict):
        raise CheckpointError(f"{saved.path} does not hold the run's configuration")
    sources = ConfigSources()
    sources.add_tables(tables, str(saved.path))
    try:
        return resolve(sources, registry)
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
