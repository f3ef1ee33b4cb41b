"""Which run goes on, from which checkpoint, and what may have changed since."""

from __future__ import annotations

from pathlib import Path

from vidgan_core.config.schema import RunConfig
from vidgan_core.config.sources import flat
from vidgan_core.errors import UsageError
from vidgan_core.plugins.registry import Registry
from vidgan_core.runs import checkpoint
from vidgan_core.runs.checkpoint import Checkpoint
from vidgan_core.runs.folder import RunDir

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
    refuse_changes(folder.read_config(registry), config)
    return folder, checkpoint.newest(folder.checkpoints)


def refuse_changes(before: RunConfig, now: RunConfig) -> None:
    """Raise UsageError unless the configurations give the same steps.

    A run may go on to other steps, with other workers and other callbacks.
    """
    old, new = flat(before.model_dump(mode="json")), flat(now.model_dump(mode="json"))
    changed = [k for k in sorted({*old, *new}) if old.get(k) != new.get(k) and not _free(k, now)]
    if changed:
        what = ", ".join(f"{k} from {old.get(k)} to {new.get(k)}" for k in changed)
        hint = "trainer.decay_steps can keep schedules apart from it" if "steps" in changed else ""
        raise UsageError(f"can't resume with another configuration: {what}", hint=hint)


def _free(key: str, config: RunConfig) -> bool:
    """May a run go on with another value? How it is watched and measured changes nothing in it."""
    if key == "steps":
        return not config.depends_on_steps
    return key in ("data.workers", "checkpoint.best", "trainer.report_every") or key.startswith(
        ("callback", "metric", "features")
    )
