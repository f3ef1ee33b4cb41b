"""Describe a run, checkpoint, video or picture."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vidgan_core.cli.shared import as_json, print_facts, print_json

if TYPE_CHECKING:
    from vidgan_core.runs.checkpoint import Checkpoint


MOST = 20  # of a list that is shown


@click.command("inspect")
@click.argument("path", type=click.Path(path_type=Path))
@as_json
def command(path: Path, as_json: bool) -> None:
    """Describe PATH: a run's folder, a checkpoint, a video or a picture.

    For a file, report whether vidgan generated it, and from which checkpoint and seed.
    """
    facts = _facts(path)
    if as_json:
        print_json(facts)
        return
    if "mark" in facts:
        mark = facts.pop("mark")
        facts |= mark if mark else {"generated-by": "no mark found"}
    print_facts((name, _short(value)) for name, value in facts.items())


def _facts(path: Path) -> dict[str, Any]:
    from vidgan_core.errors import UsageError
    from vidgan_core.runs import checkpoint

    if not path.exists():
        raise UsageError(f"{path} does not exist")
    if path.is_file():
        from vidgan_core.media.describe import describe

        return describe(path)
    return _checkpoint(path) if (path / checkpoint.MANIFEST).exists() else _run(path)


def _checkpoint(path: Path) -> dict[str, Any]:
    from vidgan_core.errors import CheckpointError
    from vidgan_core.runs import checkpoint

    saved = checkpoint.load(path)
    try:
        return _described(saved)
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{path} is not a checkpoint of a run: {error}") from None


def _described(saved: Checkpoint) -> dict[str, Any]:
    config = saved.state["config"]
    return {
        "kind": "checkpoint",
        "step": saved.state["step"],
        **_named(config),
        "spec": saved.state["spec"],
        "weights and statistics": sum(map(math.prod, saved.shapes.values())),
        "skipped": saved.state["skipped"],
        "seconds": round(saved.state["seconds"], 1),
        "vidgan": saved.state["versions"]["vidgan"],
        "model": saved.model_hash,
        "status": "healthy: every file matches the manifest",
    }


def _named(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the names of the components that a run is made of, the players' networks first."""
    from vidgan_core.config.schema import RunConfig

    players = [table for table in config if table not in RunConfig.model_fields]
    return {part: config[part]["name"] for part in (*players, "game", "loss", "data")}


def _run(path: Path) -> dict[str, Any]:
    import tomllib

    from vidgan_core.config.sources import read_file
    from vidgan_core.errors import CheckpointError, UsageError
    from vidgan_core.runs import checkpoint
    from vidgan_core.runs.folder import RunDir

    folder = RunDir.open(path)
    try:
        config = tomllib.loads(read_file(folder.config_file))
        named = _named(config)
    except (ValueError, RecursionError, KeyError, TypeError):
        raise UsageError(f"{path} is not a run: {folder.config_file.name} is not one's") from None
    states = {}
    for each in checkpoint.available(folder.checkpoints):
        try:
            checkpoint.load(each)
        except CheckpointError as error:
            states[each.name] = str(error)
        else:
            states[each.name] = "healthy"
    lines = folder.read_metrics()
    return {
        "kind": "run",
        **named,
        "terms": sorted(config.get("term", {})),
        "steps": f"{lines[-1]['step'] if lines else 0} of {config.get('steps')}",
        "checkpoints": states,
        "samples": sorted(p.name for p in folder.samples.iterdir()),
        "metrics": lines[-1] if lines else {},
    }


def _short(value: Any) -> str:
    """Return a value in one line."""
    if isinstance(value, dict):
        return ", ".join(f"{k} {_short(v)}" for k, v in value.items()) or "none"
    if isinstance(value, list):
        more = f", and {len(value) - MOST} more" if len(value) > MOST else ""
        return (", ".join(map(_short, value[:MOST])) or "none") + more
    return f"{value:.4g}" if isinstance(value, float) else str(value)
