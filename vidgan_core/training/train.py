"""Train a run: what the command line and `vidgan_core.train` call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from vidgan_core.config.resolve import resolve
from vidgan_core.config.schema import RunConfig
from vidgan_core.config.sources import SHORT, ConfigSources
from vidgan_core.errors import UsageError, did_you_mean
from vidgan_core.interfaces import Callback
from vidgan_core.plugins.recipes import PREFIX, find_recipe
from vidgan_core.plugins.registry import Registry
from vidgan_core.runs.folder import RunDir
from vidgan_core.runs.resume import find
from vidgan_core.training.distributed.process_group import SINGLE, ProcessGroup
from vidgan_core.training.parts import game_class
from vidgan_core.training.run import Run


def train(
    config: RunConfig,
    registry: Registry,
    *,
    out: Path | None = None,
    resume: str | None = None,
    minutes: float | None = None,
    stop: Callable[[], bool] = lambda: False,
    callbacks: Sequence[Callback] = (),
    group: ProcessGroup = SINGLE,
) -> Run:
    """Train and return the run; `run.finished` says whether its last step was reached.

    It writes into `out`, or the next folder in ./runs; `resume` names a run's folder to go on
    with, or is "auto". It stops early, and saves, after `minutes` of training or when `stop()`
    says so. Raises VidganError for what the user can mend.
    """
    found = group.run_on_rank0(lambda: find(config, registry, out, resume))
    folder, saved = found or (None, None)

    def begin() -> None:
        if folder:
            run.resume(folder, saved)
        else:
            run.begin(RunDir.create(out, run_name(config, registry)))

    def over() -> bool:
        """By the first process's clock alone: the others are told as of a signal."""
        return group.leads and minutes is not None and run.seconds >= minutes * 60

    run = Run(config, registry, group, callbacks)
    group.run_on_rank0(begin)
    run.synchronise()
    run.fit(lambda: stop() or over())
    run.finished = run.finished or over()
    return run


def configure(
    config: RunConfig | Mapping[str, Any] | str | Path | None,
    registry: Registry,
    settings: Mapping[str, Any],
    keywords: Mapping[str, Any],
) -> RunConfig:
    """Return the configuration of a file, a recipe, tables or nothing, changed by what is named.

    `settings` holds dotted keys, `keywords` the short names of `vidgan_core.train`. Raises
    ConfigError with all problems.
    """
    sources = ConfigSources()
    if isinstance(config, RunConfig):
        config = config.model_dump(mode="json")
    if isinstance(config, str) and config.startswith(PREFIX):
        sources.add_text(find_recipe(registry, config.removeprefix(PREFIX)).text, config)
    elif isinstance(config, str | Path):
        sources.add_file(Path(config))
    elif config is not None:
        sources.add_tables(config, "the configuration")
    for name, value in keywords.items():
        if name == "data":
            sources.add_data(str(value))
        elif name in SHORT:
            sources.add(SHORT[name], value, name)
        else:
            raise UsageError(f"no keyword {name!r}", hint=did_you_mean(name, {*SHORT, "data"}))
    for key, value in settings.items():
        sources.add(tuple(key.split(".")), value, f"settings {key}")
    return resolve(sources, registry)


def run_name(config: RunConfig, registry: Registry) -> str:
    """Return what a new run's folder is called, after its number: generator, loss, data."""
    sampled = config.networks[game_class(config, registry).sampled]
    return f"{sampled.name}-{config.loss.name}-{config.data.name}"
