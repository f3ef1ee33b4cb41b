"""Train a run from a configuration: what the command line and `vidgan_core.train` call."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from vidgan_core.config.schema import RunConfig
from vidgan_core.interfaces import Callback
from vidgan_core.plugins.registry import Registry
from vidgan_core.runs.folder import RunDir
from vidgan_core.training.distributed.process_group import SINGLE, ProcessGroup
from vidgan_core.training.parts import game_class
from vidgan_core.training.resume import find
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


def run_name(config: RunConfig, registry: Registry) -> str:
    """Return what a new run's folder is called, after its number: generator, loss, data."""
    sampled = config.networks[game_class(config, registry).sampled]
    return f"{sampled.name}-{config.loss.name}-{config.data.name}"
